#include "documents.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "errors.h"
#include "holdall/base/text.h"
#include "holdall/ops/convert.h"
#include "holdall/ops/diff.h"
#include "holdall/ops/inspect.h"
#include "holdall/ops/match.h"
#include "holdall/ops/page.h"
#include "holdall/ops/update.h"
#include "holdall/ops/verify.h"
#include "holdall/trust/scan.h"
#include "listener.h"
#include "models.h"
#include "paths.h"

namespace nb = nanobind;

namespace holdall::python {
namespace {

// Calls `work` without the GIL, raises what it met, and gives its document back.
template <class Work>
std::string document(Listener& listener, const Work& work) {
  Result<std::string> text = [&]() -> Result<std::string> {
    const nb::gil_scoped_release released;
    JsonWriter writer;
    HOLDALL_TRY(work(writer));
    return writer.text();
  }();
  listener.finish();
  return checked(std::move(text));
}

std::optional<std::string> page_path(nb::handle html) {
  return html.is_none() ? std::nullopt : std::optional<std::string>(path_of(html));
}

std::string inspect_document(nb::handle source, const std::vector<std::string>& tensors, bool digest, bool stats,
                             nb::handle html, nb::handle progress) {
  const Bundle bundle = bundle_of(source);
  const std::optional<std::string> page = page_path(html);
  Listener listener(progress);
  return document(listener, [&](JsonWriter& writer) -> Status {
    InspectOptions options;
    options.tensors = tensors;
    if (digest) options.digests = InspectOptions::Read::kBytes;
    if (stats || page) options.statistics = InspectOptions::Read::kBytes;
    if (page) HOLDALL_TRY(require_pages());
    options.progress = listener.function();
    HOLDALL_ASSIGN(const Inspection inspection, inspect(bundle, options));
    if (page) HOLDALL_TRY(save_page(page_of(inspection), *page, {&inspection.model}));
    return write_inspection(writer, inspection);
  });
}

std::string diff_document(nb::handle a, nb::handle b, double atol, double rtol, nb::handle html, nb::handle progress) {
  const Bundle bundle_a = bundle_of(a);
  const Bundle bundle_b = bundle_of(b);
  const std::optional<std::string> page = page_path(html);
  Listener listener(progress);
  return document(listener, [&](JsonWriter& writer) -> Status {
    DiffOptions options;
    options.atol = atol;
    options.rtol = rtol;
    if (page) {
      HOLDALL_TRY(require_pages());
      options.names = DiffOptions::Names::kKeep;
    }
    options.progress = listener.function();
    HOLDALL_ASSIGN(const Model model_a, open_model(bundle_a));
    HOLDALL_ASSIGN(const Model model_b, open_model(bundle_b));
    HOLDALL_ASSIGN(const DiffReport report, diff_models(model_a, model_b, options));
    if (page) HOLDALL_TRY(save_page(page_of(report), *page, {&model_a, &model_b}));
    write_difference(writer, report);
    return {};
  });
}

std::string match_document(nb::handle a, nb::handle b, nb::handle names, double least_cosine, nb::handle progress) {
  const Bundle bundle_a = bundle_of(a);
  const Bundle bundle_b = bundle_of(b);
  const std::optional<std::string> output = names.is_none() ? std::nullopt : std::optional<std::string>(path_of(names));
  Listener listener(progress);
  return document(listener, [&](JsonWriter& writer) -> Status {
    MatchOptions options;
    options.least_cosine = least_cosine;
    options.progress = listener.function();
    HOLDALL_ASSIGN(const Model model_a, open_model(bundle_a));
    HOLDALL_ASSIGN(const Model model_b, open_model(bundle_b));
    HOLDALL_ASSIGN(const MatchReport report, match_models(model_a, model_b, options));
    if (output) {
      HOLDALL_TRY(refuse_own_input(model_a, *output));
      HOLDALL_TRY(refuse_own_input(model_b, *output));
      HOLDALL_TRY(save_names(report, *output));
    }
    write_match(writer, report);
    return {};
  });
}

// The document, and whether the weights fitted and the graph was written.
std::pair<std::string, bool> update_document(nb::handle graph, nb::handle weights, nb::handle output,
                                             const std::optional<std::string>& names, bool durable, nb::handle progress) {
  const std::string graph_path = path_of(graph), weights_path = path_of(weights), output_path = path_of(output);
  Listener listener(progress);
  bool written = false;
  std::string text = document(listener, [&](JsonWriter& writer) -> Status {
    UpdateOptions options;
    if (names) {
      HOLDALL_ASSIGN(options.names, read_names(*names));
    }
    options.save.execute.durable = durable;
    options.save.execute.progress = listener.function();
    HOLDALL_ASSIGN(const UpdateReport report, update_file(graph_path, weights_path, output_path, options));
    written = report.written;
    write_update(writer, report);
    return {};
  });
  return {std::move(text), written};
}

std::string verify_document(nb::handle source, nb::handle progress) {
  const Bundle bundle = bundle_of(source);
  Listener listener(progress);
  return document(listener, [&](JsonWriter& writer) -> Status {
    VerifyOptions options;
    options.progress = listener.function();
    HOLDALL_ASSIGN(const VerifyReport report, verify_model(bundle, options));
    write_verification(writer, report);
    return {};
  });
}

std::string scan_document(const nb::list& given, const std::optional<std::string>& policy, nb::handle progress) {
  std::vector<std::string> paths;
  for (const nb::handle path : given) paths.push_back(path_of(path));
  Listener listener(progress);
  return document(listener, [&](JsonWriter& writer) -> Status {
    ScanOptions options;
    if (policy) {
      HOLDALL_ASSIGN(options.policy, Policy::read(*policy));
    }
    options.progress = listener.function();
    writer.begin_array();
    for (const ScanReport& report : scan_paths(paths, options)) write_scan(writer, report);
    writer.end_array();
    return {};
  });
}

std::string scan_file_document(nb::handle file, const std::optional<std::string>& policy) {
  const Bundle bundle = bundle_of(file);
  Listener listener{nb::none()};
  return document(listener, [&](JsonWriter& writer) -> Status {
    ScanOptions options;
    if (policy) {
      HOLDALL_ASSIGN(options.policy, Policy::read(*policy));
    }
    writer.begin_array();
    write_scan(writer, scan_bundle(bundle, options));
    writer.end_array();
    return {};
  });
}

std::string convert_document(nb::handle source, nb::handle target, const std::string& to,
                             const std::optional<std::string>& dtype, std::vector<std::string> select,
                             std::vector<std::pair<std::string, std::string>> rename, const std::optional<std::string>& names,
                             bool allow_loss, bool check, std::uint64_t shard_bytes, std::uint64_t alignment, bool compress,
                             bool durable, const std::optional<std::string>& policy, nb::handle progress) {
  const Bundle bundle = bundle_of(source);
  const std::string output = path_of(target);
  Listener listener(progress);
  return document(listener, [&](JsonWriter& writer) -> Status {
    ConvertOptions options;
    if (policy) {
      HOLDALL_ASSIGN(options.open.policy, Policy::read(*policy));
    }
    options.save.to = to;
    if (dtype) {
      options.dtype = dtype_named(*dtype);
      if (!options.dtype) return invalid_argument(text("there is no dtype '{}'", *dtype));
    }
    options.select = std::move(select);
    options.rename = std::move(rename);
    if (names) {
      HOLDALL_TRY(read_names_option(*names, options));
    }
    if (allow_loss) options.save.losses = SaveOptions::Losses::kAllow;
    if (check) options.check = ConvertOptions::Check::kDigests;
    options.save.write.shard_bytes = shard_bytes;
    options.save.write.alignment = alignment;
    options.save.write.compress = compress;
    options.save.execute.durable = durable;
    options.progress = listener.function();
    HOLDALL_ASSIGN(const ConvertReport report, convert_model(bundle, output, options));
    if (!report.written) return loss_error(report.losses, report.to).in(bundle.path());
    write_conversion(writer, report);
    return {};
  });
}

std::string formats_document() {
  JsonWriter writer;
  write_formats(writer);
  return writer.text();
}

}  // namespace

void bind_documents(nb::module_& module) {
  module.def("inspect", inspect_document, nb::arg("source"), nb::arg("tensors"), nb::arg("digest"), nb::arg("stats"),
             nb::arg("html").none(), nb::arg("progress").none());
  module.def("diff", diff_document, nb::arg("a"), nb::arg("b"), nb::arg("atol"), nb::arg("rtol"), nb::arg("html").none(),
             nb::arg("progress").none());
  module.def("match", match_document, nb::arg("a"), nb::arg("b"), nb::arg("names").none(), nb::arg("least_cosine"),
             nb::arg("progress").none());
  module.def("update", update_document, nb::arg("graph"), nb::arg("weights"), nb::arg("output"), nb::arg("names").none(),
             nb::arg("durable"), nb::arg("progress").none());
  module.def("verify", verify_document, nb::arg("source"), nb::arg("progress").none());
  module.def("scan", scan_document, nb::arg("paths"), nb::arg("policy").none(), nb::arg("progress").none());
  module.def("scan_file", scan_file_document, nb::arg("file"), nb::arg("policy").none());
  module.def("convert", convert_document, nb::arg("source"), nb::arg("output"), nb::arg("to"), nb::arg("dtype").none(),
             nb::arg("select"), nb::arg("rename"), nb::arg("names").none(), nb::arg("allow_loss"), nb::arg("check"),
             nb::arg("shard_bytes"), nb::arg("alignment"), nb::arg("compress"), nb::arg("durable"), nb::arg("policy").none(),
             nb::arg("progress").none());
  module.def("formats", formats_document);
}

}  // namespace holdall::python

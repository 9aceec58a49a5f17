#include "holdall/ops/inspect.h"

#include <algorithm>

#include "holdall/base/text.h"
#include "holdall/codec/document.h"
#include "holdall/ops/digest.h"
#include "holdall/ops/json_members.h"

namespace holdall {
namespace {

// Bytes of values that a document shows whole.
constexpr std::uint64_t kShownBytes = 1024;
// The names of tensors that others share memory with, all together: a long one, repeated, must not make a document of many
// times the file's size.
constexpr std::uint64_t kLeastSharedNames = 16u << 20;
constexpr std::uint64_t kMostRepeats = 4;

Status read_tensors(const InspectOptions& options, Inspection& inspection) {
  const bool digests = options.digests == InspectOptions::Read::kBytes;
  const bool statistics = options.statistics == InspectOptions::Read::kBytes;
  if (!digests && !statistics) return {};
  std::vector<NamedTensor> chosen;
  for (const TensorReport& report : inspection.tensors) chosen.push_back(inspection.model.tensors()[report.entry]);
  std::vector<Measured> measured(chosen.size());
  if (digests) {
    HOLDALL_ASSIGN(const std::vector<Digest> all, digest_tensors(chosen, options.progress));
    for (std::size_t i = 0; i < all.size(); ++i) measured[i].sha256 = all[i];
  }
  if (statistics) {
    HOLDALL_ASSIGN(const auto all, measure_tensors(chosen, options.progress));
    for (std::size_t i = 0; i < all.size(); ++i) measured[i].statistics = all[i];
  }
  for (std::size_t i = 0; i < measured.size(); ++i)
    inspection.tensors[i].measured = std::make_shared<const Measured>(std::move(measured[i]));
  return {};
}

void write_statistics(JsonWriter& writer, const Statistics& statistics) {
  writer.begin_object().key("elements").unsigned_integer(statistics.elements);
  writer.key("min").number(statistics.min).key("max").number(statistics.max).key("mean").number(statistics.mean);
  writer.key("std").number(statistics.deviation);
  writer.key("zeros").unsigned_integer(statistics.zeros);
  writer.key("nan").unsigned_integer(statistics.nan).key("inf").unsigned_integer(statistics.inf);
  write_sizes(writer, "histogram", statistics.histogram);
  writer.end_object();
}

void write_tensor(JsonWriter& writer, const Model& model, const TensorReport& report) {
  const NamedTensor& entry = model.tensors()[report.entry];
  writer.begin_object().key("name").string(entry.name).key("dtype").string(name(entry.tensor.dtype()));
  if (!entry.tensor.logical().empty()) writer.key("logical").string(entry.tensor.logical());
  write_sizes(writer, "shape", entry.tensor.shape());
  writer.key("bytes").unsigned_integer(entry.tensor.bytes());
  write_text(writer, "file", entry.file.str());
  writer.key("offset");
  if (const auto offset = offset_in_file(entry.tensor)) {
    writer.unsigned_integer(*offset);
  } else {
    writer.null();
  }
  const Measured& bytes = report.bytes();
  if (bytes.sha256) writer.key("sha256").string(to_hex(*bytes.sha256));
  if (const NamedTensor* first = model.shares_with(report.entry)) writer.key("same_storage_as").string(first->name);
  if (bytes.statistics) {
    writer.key("statistics");
    write_statistics(writer, *bytes.statistics);
  }
  writer.end_object();
}

void write_label(JsonWriter& writer, const Inspection& inspection) {
  const Label& label = inspection.label;
  writer.key("label").begin_object();
  write_text(writer, "family", label.family);
  write_text(writer, "task", label.task);
  write_text(writer, "base", label.base);
  write_text(writer, "precision", label.precision);
  write_text(writer, "producer", label.producer);
  write_text(writer, "licence", label.licence);
  writer.end_object();
  if (!inspection.tokenizer) return;
  writer.key("tokenizer").begin_object();
  write_text(writer, "kind", inspection.tokenizer->kind);
  writer.key("vocabulary").unsigned_integer(inspection.tokenizer->vocabulary);
  write_strings(writer, "files", inspection.tokenizer->files);
  writer.end_object();
}

Status check_shared_names(const Inspection& inspection) {
  std::uint64_t names = 0, shared = 0;
  for (const TensorReport& report : inspection.tensors) {
    names += inspection.model.tensors()[report.entry].name.size();
    if (const NamedTensor* first = inspection.model.shares_with(report.entry)) shared += first->name.size();
  }
  const std::uint64_t most = kLeastSharedNames + kMostRepeats * names;
  if (shared <= most) return {};
  return over_limit(text("the names of tensors that others share memory with take {} bytes, {} are allowed", shared, most))
      .in(inspection.path);
}

}  // namespace

const Measured& TensorReport::bytes() const noexcept {
  static const Measured kNothing;
  return measured == nullptr ? kNothing : *measured;
}

TensorNames::TensorNames(const Model& model) : model_(model), entries_(model.tensors().size(), kNoNode) {
  for (std::uint32_t i = 0; i < model.tensors().size(); ++i) {
    const std::uint32_t index = model.tensors()[i].index;
    if (index >= entries_.size()) entries_.resize(index + 1, kNoNode);
    entries_[index] = std::min(entries_[index], i);
  }
}

std::string_view TensorNames::operator()(std::uint32_t index) const {
  if (index >= entries_.size() || entries_[index] == kNoNode) return {};
  return model_.tensors()[entries_[index]].name;
}

std::optional<std::uint64_t> offset_in_file(const Tensor& tensor) {
  if (tensor.bytes() == 0 || !tensor.storage()) return std::nullopt;
  const Blob& storage = tensor.storage()->data;
  const std::optional<Location> place = storage.locate();
  if (!place) return std::nullopt;
  return place->offset + tensor.span_in_storage().first;
}

Result<Inspection> inspect(const Bundle& bundle, const InspectOptions& options) {
  // The scan reads headers and programs by itself: before the model is there, so that memory never holds both.
  ScanReport scan = scan_bundle(bundle, {.limits = options.open.limits});
  HOLDALL_ASSIGN(Model model, open_model(bundle, options.open));
  Inspection inspection;
  inspection.path = bundle.path();
  inspection.model = std::move(model);
  inspection.label = label_of(inspection.model);
  inspection.tokenizer = tokenizer_of(inspection.model);
  inspection.training = training_of(inspection.model);
  const std::vector<NamedTensor>& tensors = inspection.model.tensors();
  if (options.tensors.empty()) inspection.tensors.reserve(tensors.size());
  for (std::uint32_t i = 0; i < tensors.size(); ++i) {
    if (!any_glob_matches(options.tensors, tensors[i].name)) continue;
    inspection.tensors.push_back({i, nullptr});
  }
  HOLDALL_TRY(read_tensors(options, inspection));
  inspection.verdict = scan.verdict;
  inspection.findings = std::move(scan.findings);
  return inspection;
}

Result<Inspection> inspect(const std::string& path, const InspectOptions& options) {
  HOLDALL_ASSIGN(const Bundle bundle, Bundle::open(path, options.open.limits));
  return inspect(bundle, options);
}

Status write_inspection(JsonWriter& writer, const Inspection& inspection) {
  const Model& model = inspection.model;
  const Origin& origin = model.origin();
  HOLDALL_TRY(check_shared_names(inspection));
  writer.begin_object();
  writer.key("path").string(inspection.path).key("format").string(origin.format).key("detail").string(origin.detail);
  writer.key("bytes").unsigned_integer(origin.bytes);
  write_strings(writer, "files", origin.files);
  write_label(writer, inspection);
  write_training(writer, inspection.training);
  writer.key("parameters").unsigned_integer(model.parameters());
  writer.key("tensors").begin_array();
  for (const TensorReport& report : inspection.tensors) write_tensor(writer, model, report);
  writer.end_array();

  const TensorNames name_of(model);
  const DocumentOptions document{.most_bytes = kShownBytes};
  writer.key("tree");
  HOLDALL_TRY(write_document(writer, model.tree(), name_of, document));
  writer.key("metadata");
  HOLDALL_TRY(write_document(writer, model.metadata(), name_of, document));
  if (model.config()) {
    writer.key("config");
    HOLDALL_TRY(write_document(writer, model.config(), name_of, document));
  }
  writer.key("verdict").string(name(inspection.verdict)).key("findings");
  write_findings(writer, inspection.findings);
  write_strings(writer, "warnings", model.warnings());
  writer.end_object();
  return {};
}

}  // namespace holdall

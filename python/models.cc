#include "models.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <utility>

#include "errors.h"
#include "file_source.h"
#include "holdall/base/text.h"
#include "holdall/objects/numpy_objects.h"
#include "holdall/ops/convert.h"
#include "holdall/ops/fit.h"
#include "holdall/ops/glob.h"
#include "holdall/ops/inspect.h"
#include "holdall/ops/update.h"
#include "holdall/trust/scan.h"
#include "listener.h"
#include "loads.h"
#include "memory.h"
#include "paths.h"
#include "tree.h"

namespace nb = nanobind;

namespace holdall::python {
namespace {

OpenedModel open(nb::handle source, const std::string& format, Context::Wanted wanted) {
  Bundle bundle = bundle_of(source);
  Result<Model> model = [&] {
    const nb::gil_scoped_release released;
    return open_model(bundle, {.limits = {}, .wanted = wanted, .format = format});
  }();
  return {std::move(bundle), std::make_shared<const Model>(checked(std::move(model)))};
}

void require(nb::handle source, const std::string& policy) {
  const Bundle bundle = nb::isinstance<OpenedModel>(source) ? nb::cast<const OpenedModel&>(source).bundle : bundle_of(source);
  const Status status = [&]() -> Status {
    const nb::gil_scoped_release released;
    ScanOptions options;
    HOLDALL_ASSIGN(options.policy, Policy::read(policy));
    return require_inert(scan_bundle(bundle, options));
  }();
  checked(status);
}

const NamedTensor& entry_of(const OpenedModel& opened, std::size_t entry) {
  if (entry >= opened.model->tensors().size()) throw nb::index_error();
  return opened.model->tensors()[entry];
}

// (dtype, shape, bytes, logical, file)
nb::tuple facts(const OpenedModel& opened, std::size_t entry) {
  const NamedTensor& named = entry_of(opened, entry);
  return nb::make_tuple(std::string(name(named.tensor.dtype())), tuple_of(named.tensor.shape()), named.tensor.bytes(),
                        named.tensor.logical(), text_of(named.file.str()));
}

// (path, offset) of the elements where they lie verbatim in a file, else None.
nb::object location(const OpenedModel& opened, std::size_t entry) {
  const Tensor& tensor = entry_of(opened, entry).tensor;
  if (!tensor.is_dense() || tensor.bytes() == 0) return nb::none();
  const auto place = checked(tensor.data()).locate();
  if (!place) return nb::none();
  return nb::make_tuple(text_of(place->path), place->offset);
}

// Bytes [begin, end) of the elements as a digest sees them.
Memory read_range(const OpenedModel& opened, std::size_t entry, std::uint64_t begin, std::uint64_t end) {
  Result<Bytes> bytes = [&]() -> Result<Bytes> {
    const nb::gil_scoped_release released;
    HOLDALL_ASSIGN(const Blob data, entry_of(opened, entry).tensor.data());
    HOLDALL_ASSIGN(const Blob part, data.slice(begin, end - begin));
    HOLDALL_ASSIGN(Buffer buffer, Buffer::allocate(part.size()));
    HOLDALL_TRY(part.read_at(0, buffer.span()));
    return std::move(buffer).into_bytes();
  }();
  return {checked(std::move(bytes))};
}

nb::object tree(const OpenedModel& opened, const std::string& part, nb::handle tensors, nb::handle tensor, nb::handle global,
                nb::handle make, nb::handle fill) {
  const Model& model = *opened.model;
  const Value root = part == "tree" ? model.tree() : part == "metadata" ? model.metadata() : model.config();
  return to_python(root, {tensors, tensor, global, make, fill}, Limits{}.depth + 1);
}

// By TensorNode::index: the first entry of each tensor of the tree; a length of its own is that of the list.
std::vector<std::optional<std::size_t>> entries_by_index(const OpenedModel& opened) {
  std::vector<std::optional<std::size_t>> entries;
  const auto& tensors = opened.model->tensors();
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].index >= entries.size()) entries.resize(tensors[i].index + 1);
    if (!entries[tensors[i].index]) entries[tensors[i].index] = i;
  }
  return entries;
}

nb::typed<nb::list, nb::str> files(const OpenedModel& opened) {
  nb::list list;
  for (const std::string& file : opened.model->origin().files) list.append(text_of(file));
  return list;
}

nb::typed<nb::list, nb::str> warnings(const OpenedModel& opened) {
  nb::list list;
  for (const std::string& warning : opened.model->warnings()) list.append(text_of(warning));
  return list;
}

nb::typed<nb::list, nb::str> side_files(const OpenedModel& opened) {
  nb::list list;
  for (const auto& [name, blob] : opened.model->side_files()) list.append(text_of(name));
  return list;
}

Memory side_file(const OpenedModel& opened, const std::string& name) {
  Result<Bytes> bytes = [&]() -> Result<Bytes> {
    const nb::gil_scoped_release released;
    const auto found = opened.model->side_files().find(name);
    if (found == opened.model->side_files().end()) return not_found(text("there is no side file '{}'", name));
    return found->second.read();
  }();
  return {checked(std::move(bytes))};
}

std::vector<std::string> names(const OpenedModel& opened) {
  std::vector<std::string> list;
  list.reserve(opened.model->tensors().size());
  for (const NamedTensor& named : opened.model->tensors()) list.push_back(named.name);
  return list;
}

OpenedModel made(nb::handle root, nb::handle describe, nb::handle metadata, const std::string& framework, nb::handle config,
                 nb::handle side_files) {
  return {Bundle(), to_model(root, describe, metadata, framework, config, side_files, Limits{}.depth)};
}

OpenedModel with_other_metadata(const OpenedModel& opened, nb::handle describe, nb::handle metadata) {
  return {opened.bundle, with_metadata(*opened.model, describe, metadata, Limits{}.depth)};
}

// {what: names} as FitReport has them.
nb::dict lists_of(const FitReport& report) {
  nb::list mismatched, cast, renamed;
  for (const FitReport::Mismatch& m : report.mismatched)
    mismatched.append(nb::make_tuple(m.name, tuple_of(m.file), tuple_of(m.module)));
  for (const FitReport::Cast& c : report.cast) cast.append(nb::make_tuple(c.name, c.from, c.to));
  for (const FitReport::Renamed& r : report.renamed) renamed.append(nb::make_tuple(r.name, r.found_as));
  nb::dict lists;
  lists["loaded"] = report.loaded;
  lists["missing"] = report.missing;
  lists["unexpected"] = report.unexpected;
  lists["mismatched"] = mismatched;
  lists["cast"] = cast;
  lists["renamed"] = renamed;
  return lists;
}

// What fits; where several places do, a MismatchError names them.
template <class T>
T fitted(Result<T>&& found) {
  if (!found && found.error().code() == Code::kConflict) raise(found.error(), "MismatchError");
  return checked(std::move(found));
}

// The model with the tensors of another where they fit, and what fitted.
nb::tuple updated(const OpenedModel& graph, const OpenedModel& weights) {
  Result<Updated> made = [&] {
    const nb::gil_scoped_release released;
    return update_model(*graph.model, *weights.model);
  }();
  Updated result = fitted(std::move(made));
  const nb::dict lists = lists_of(result.report);
  return nb::make_tuple(OpenedModel{graph.bundle, std::make_shared<const Model>(std::move(result.model))}, lists);
}

// {what: names} as FitReport has them, and the pairs (entry of the module, entry of the model). `entries`: [(name, shape, dtype
// or None)]; `rename`: a callable, or pairs of names.
nb::tuple fit_entries(const OpenedModel& opened, const nb::list& entries, nb::handle rename, const std::string& prefix) {
  std::vector<FitEntry> own;
  own.reserve(entries.size());
  for (const nb::handle given : entries) {
    const auto [name, shape, dtype] =
        nb::cast<std::tuple<std::string, std::vector<std::uint64_t>, std::optional<std::string>>>(given);
    own.push_back({name, Shape(shape.begin(), shape.end()), dtype ? dtype_named(*dtype) : std::nullopt});
  }
  FitOptions options;
  options.prefix = prefix;
  if (PyCallable_Check(rename.ptr()) != 0) {
    options.renamer = [&](const std::string& name) { return nb::cast<std::string>(rename(name)); };
  } else if (!rename.is_none()) {
    options.rename = nb::cast<std::vector<std::pair<std::string, std::string>>>(rename);
  }
  const Fit found = fitted(fit(*opened.model, own, options));
  nb::list pairs;
  for (const Fit::Pair& pair : found.pairs) pairs.append(nb::make_tuple(pair.entry, pair.tensor));
  return nb::make_tuple(lists_of(found.report), pairs);
}

// What each name becomes by the rules that fit() takes.
std::vector<std::string> renamed_all(const std::vector<std::pair<std::string, std::string>>& rules,
                                     std::vector<std::string> names) {
  if (const Status sound = check_rules(rules); !sound) raise(sound.error());
  for (std::string& name : names) name = renamed(rules, name).value_or(std::move(name));
  return names;
}

void save(const OpenedModel& opened, nb::handle to, const std::string& format, bool allow_loss, bool durable,
          std::uint64_t shard_bytes, std::uint64_t alignment, bool compress, nb::handle progress, nb::handle beside,
          const std::vector<std::string>& may_go) {
  const std::string path = path_of(to);
  Listener listener(progress);
  SaveOptions options;
  options.to = format;
  options.losses = allow_loss ? SaveOptions::Losses::kAllow : SaveOptions::Losses::kRefuse;
  options.execute.durable = durable;
  options.write.shard_bytes = shard_bytes;
  options.write.alignment = alignment;
  options.write.compress = compress;
  options.may_go = may_go;
  options.beside = models_of(beside);
  options.execute.progress = [&](std::uint64_t bytes, std::uint64_t total) { return listener.told(bytes, total); };
  Status status;
  {
    const nb::gil_scoped_release released;
    status = save_model(*opened.model, path, options);
  }
  listener.finish();
  checked(status);
}

}  // namespace

nb::tuple tuple_of(const Shape& shape) {
  nb::object sizes = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(shape.size())));
  for (std::size_t i = 0; i < shape.size(); ++i) {
    PyTuple_SetItem(sizes.ptr(), static_cast<Py_ssize_t>(i), PyLong_FromUnsignedLongLong(shape[i]));
  }
  return nb::borrow<nb::tuple>(sizes);
}

std::vector<std::pair<std::string, std::shared_ptr<const Model>>> models_of(nb::handle named) {
  std::vector<std::pair<std::string, std::shared_ptr<const Model>>> models;
  for (const auto& [name, opened] : nb::borrow<nb::dict>(named)) {
    models.emplace_back(nb::cast<std::string>(name), nb::cast<const OpenedModel&>(opened).model);
  }
  return models;
}

Bundle bundle_of(nb::handle source) {
  if (!nb::isinstance<nb::str>(source)) return Bundle::of(file_source(nb::borrow(source)));
  const std::string path = path_of(source);
  Result<Bundle> bundle = [&] {
    const nb::gil_scoped_release released;
    return Bundle::open(path, Limits{});
  }();
  return checked(std::move(bundle));
}

void bind_models(nb::module_& module) {
  nb::class_<OpenedModel> model(module, "Model", "An opened model: names, tensors on disk, values.");
  bind_loads(module, model);
  model.def("__len__", [](const OpenedModel& m) { return m.model->tensors().size(); })
      .def("names", names)
      .def("facts", facts, nb::arg("entry"))
      .def(
          "is_fortran", [](const OpenedModel& m, std::size_t entry) { return is_fortran(entry_of(m, entry).tensor); },
          nb::arg("entry"))
      .def("location", location, nb::arg("entry"))
      .def("entries_by_index", entries_by_index)
      .def("side_file", side_file, nb::arg("name"))
      .def("read_range", read_range, nb::arg("entry"), nb::arg("begin"), nb::arg("end"))
      .def("tree", tree, nb::arg("part"), nb::arg("tensors"), nb::arg("tensor").none(), nb::arg("global_"), nb::arg("make"),
           nb::arg("fill"))
      .def("save", save, nb::arg("path"), nb::arg("format"), nb::arg("allow_loss"), nb::arg("durable"), nb::arg("shard_bytes"),
           nb::arg("alignment"), nb::arg("compress"), nb::arg("progress").none(), nb::arg("beside"), nb::arg("may_go"))
      .def("fit", fit_entries, nb::arg("entries"), nb::arg("rename").none(), nb::arg("prefix"))
      .def("updated", updated, nb::arg("weights"))
      .def("with_metadata", with_other_metadata, nb::arg("describe"), nb::arg("metadata"))
      .def_prop_ro("parameters", [](const OpenedModel& m) { return m.model->parameters(); })
      .def_prop_ro("format", [](const OpenedModel& m) { return m.model->origin().format; })
      .def_prop_ro("detail", [](const OpenedModel& m) { return m.model->origin().detail; })
      .def_prop_ro("path", [](const OpenedModel& m) { return text_of(m.model->origin().path); })
      .def_prop_ro("files", files)
      .def_prop_ro("side_files", side_files)
      .def_prop_ro("bytes", [](const OpenedModel& m) { return m.model->origin().bytes; })
      .def_prop_ro("warnings", warnings)
      .def_prop_ro("has_config", [](const OpenedModel& m) { return bool(m.model->config()); });
  module.def("renamed", renamed_all, nb::arg("rules"), nb::arg("names"));
  const auto open_some = [](nb::handle source, const std::string& format) {
    return open(source, format, Context::Wanted::kSome);
  };
  const auto open_all = [](nb::handle source) { return open(source, "", Context::Wanted::kAll); };
  module.def("open", open_some, nb::arg("source"), nb::arg("format") = "");
  module.def("open_to_load", open_all, nb::arg("source"));
  module.def("require", require, nb::arg("source"), nb::arg("policy"));
  module.def("build", made, nb::arg("root").none(), nb::arg("describe"), nb::arg("metadata").none(), nb::arg("framework"),
             nb::arg("config").none(), nb::arg("side_files").none());
}

}  // namespace holdall::python

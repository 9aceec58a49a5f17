#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <unordered_map>
#include <utility>

#include "errors.h"
#include "holdall/base/text.h"
#include "holdall/ops/edit.h"
#include "memory.h"
#include "models.h"
#include "tree.h"

namespace nb = nanobind;

namespace holdall::python {
namespace {

Shape shape_of(nb::handle shape) {
  std::vector<std::uint64_t> sizes;
  for (const nb::handle size : shape) sizes.push_back(nb::cast<std::uint64_t>(size));
  return Shape(sizes.begin(), sizes.end());
}

DType dtype_of_name(nb::handle name) {
  const auto text_name = nb::cast<std::string>(name);
  const auto dtype = dtype_named(text_name);
  if (!dtype) raise(unsupported(text("there is no dtype '{}'", text_name)));
  return *dtype;
}

class Builder {
 public:
  Builder(nb::handle describe, std::uint32_t depth, std::shared_ptr<Arena> arena = std::make_shared<Arena>())
      : describe_(describe), depth_(depth), builder_(std::move(arena)) {}

  std::shared_ptr<const Model> build(nb::handle root, nb::handle metadata, const std::string& framework, nb::handle config,
                                     nb::handle side_files) {
    builder_.tree = node_of(root);
    if (!metadata.is_none()) builder_.metadata = node_of(metadata);
    if (!config.is_none()) builder_.config = node_of(config);
    if (!side_files.is_none()) {
      for (const auto& [name, bytes] : nb::borrow<nb::dict>(side_files)) {
        const auto file = nb::cast<std::string>(name);
        builder_.side_files.emplace(file, Blob::memory(bytes_of_buffer(bytes), file));
      }
    }
    builder_.origin.framework = framework;
    return std::make_shared<const Model>(checked(std::move(builder_).named_by_tree()));
  }

  NodeId node_of(nb::handle object) {
    PyObject* const raw = object.ptr();
    if (object.is_none()) return arena().null();
    if (PyBool_Check(raw)) return arena().boolean(raw == Py_True);
    if (PyLong_CheckExact(raw)) return integer(object);
    if (PyFloat_CheckExact(raw)) return arena().real(PyFloat_AsDouble(raw));
    if (PyUnicode_CheckExact(raw)) return string(raw);
    if (PyComplex_CheckExact(raw)) return arena().complex({PyComplex_RealAsDouble(raw), PyComplex_ImagAsDouble(raw)});
    if (const auto found = nodes_.find(raw); found != nodes_.end()) return found->second;
    if (level_ >= depth_) raise(unsupported(text("values nest deeper than {} levels", depth_)));
    ++level_;
    const NodeId node = container(object);
    --level_;
    return node;
  }

  NodeId integer(nb::handle object) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(object.ptr(), &overflow);
    if (overflow == 0) return arena().integer(value);
    const nb::str decimal = nb::steal<nb::str>(PyObject_Str(object.ptr()));
    if (!decimal.is_valid()) throw nb::python_error();
    return arena().big_integer(decimal.c_str());
  }

  NodeId string(PyObject* raw) {
    Py_ssize_t size = 0;
    if (const char* const utf8 = PyUnicode_AsUTF8AndSize(raw, &size)) {
      return arena().string({utf8, static_cast<std::size_t>(size)});
    }
    PyErr_Clear();  // lone surrogates, as texts that are not UTF-8 come out of to_python()
    nb::object encoded = nb::steal(PyUnicode_AsEncodedString(raw, "utf-8", "surrogateescape"));
    if (!encoded.is_valid()) {
      PyErr_Clear();
      encoded = nb::steal(PyUnicode_AsEncodedString(raw, "utf-8", "surrogatepass"));
    }
    if (!encoded.is_valid()) throw nb::python_error();
    return arena().string(bytes_in(encoded));
  }

  static std::string_view bytes_in(nb::handle object) {
    const auto bytes = nb::borrow<nb::bytes>(object);
    return {bytes.c_str(), bytes.size()};
  }

  // Keeps what was made for an object, and the object, so that its address stays its own.
  NodeId keep(nb::handle object, NodeId node) {
    if (nodes_.insert_or_assign(object.ptr(), node).second) kept_.push_back(nb::borrow(object));
    return node;
  }

 private:
  Arena& arena() { return *builder_.arena; }

  NodeId container(nb::handle object) {
    PyObject* const raw = object.ptr();
    if (PyBytes_CheckExact(raw)) {
      return keep(object, arena().bytes(bytes_in(object)));
    }
    if (PyDict_CheckExact(raw)) {
      const NodeId dict = keep(object, arena().dict());
      for (const auto& [key, value] : nb::borrow<nb::dict>(object)) {
        const NodeId key_node = node_of(key);
        arena().set_item(dict, key_node, node_of(value));
      }
      return dict;
    }
    if (PyList_CheckExact(raw)) return items(object, keep(object, arena().list()));
    if (PyTuple_CheckExact(raw)) return items(object, keep(object, arena().tuple()));
    if (PySet_CheckExact(raw)) return items(object, keep(object, arena().set()));
    if (PyFrozenSet_CheckExact(raw)) return items(object, keep(object, arena().frozen_set()));
    return described(object, nb::borrow<nb::tuple>(describe_(object)));
  }

  NodeId items(nb::handle object, NodeId container) {
    for (const nb::handle item : object) arena().append(container, node_of(item));
    return container;
  }

  NodeId optional(nb::handle object) { return object.is_none() ? kNoNode : node_of(object); }

  NodeId described(nb::handle object, nb::tuple what) {
    const auto kind = nb::cast<std::string>(what[0]);
    if (kind == "tensor") return keep(object, tensor(what));
    if (kind == "elements") return keep(object, elements(what));
    if (kind == "model") return keep(object, of_model(what));
    if (kind == "global") return keep(object, arena().global(nb::cast<std::string>(what[1]), nb::cast<std::string>(what[2])));
    const NodeId node = keep(object, arena().object({}));
    ObjectParts parts;
    parts.callee = arena().global(nb::cast<std::string>(what[1][0]), nb::cast<std::string>(what[1][1]));
    parts.args = optional(what[2]);
    parts.kwargs = optional(what[3]);
    parts.state = optional(what[4]);
    parts.new_object = nb::cast<bool>(what[7]);
    if (!what[5].is_none()) {
      for (const nb::handle item : nb::borrow(what[5])) parts.items.push_back(node_of(item));
    }
    if (!what[6].is_none()) {
      for (const nb::handle pair : nb::borrow(what[6])) {
        parts.pairs.push_back(node_of(nb::borrow(pair[0])));
        parts.pairs.push_back(node_of(nb::borrow(pair[1])));
      }
    }
    arena().object_parts(node) = std::move(parts);
    return node;
  }

  NodeId tensor(nb::tuple what) {
    const nb::object key = nb::borrow(what[1]);
    const Py_hash_t hash = PyObject_Hash(key.ptr());
    if (hash == -1) throw nb::python_error();
    StorageRef storage;
    const auto [begin, end] = storages_.equal_range(hash);
    for (auto it = begin; it != end && storage == nullptr; ++it) {
      if (it->second.key.equal(key)) storage = it->second.storage;
    }
    if (storage == nullptr) {
      Bytes bytes = bytes_at(nb::cast<std::uintptr_t>(what[2]), nb::cast<std::size_t>(what[3]), what[11]);
      storage = std::make_shared<Storage>(Storage{Blob::memory(std::move(bytes), "memory")});
      storages_.emplace(hash, Known{key, storage});
    }
    Tensor::View view;
    if (!what[6].is_none()) view.strides = nb::cast<std::vector<std::int64_t>>(what[6]);
    view.offset = nb::cast<std::uint64_t>(what[7]);
    Tensor made = checked(Tensor::view(dtype_of_name(what[4]), shape_of(what[5]), std::move(storage), std::move(view)));
    if (const auto logical = nb::cast<std::string>(what[12]); !logical.empty()) made = made.with_logical(logical);
    TensorNode node;
    node.requires_grad = nb::cast<bool>(what[8]);
    node.parameter = nb::cast<bool>(what[9]);
    node.attributes = optional(what[10]);
    node.index = builder_.add(std::move(made));
    return arena().tensor(node);
  }

  NodeId elements(nb::tuple what) {
    const DType dtype = dtype_of_name(what[1]);
    Blob data = Blob::memory(bytes_of_buffer(what[3]), "memory");
    Tensor made = checked(dtype == DType::kString ? Tensor::strings(shape_of(what[2]), std::move(data))
                                                  : Tensor::dense(dtype, shape_of(what[2]), std::move(data)));
    if (const auto logical = nb::cast<std::string>(what[5]); !logical.empty()) made = made.with_logical(logical);
    TensorNode node;
    node.attributes = optional(what[4]);
    node.index = builder_.add(std::move(made));
    return arena().tensor(node);
  }

  // Tensors that are one in the model they come from stay one.
  NodeId of_model(nb::tuple what) {
    const auto& from = nb::cast<const OpenedModel&>(what[1]);
    const auto entry = nb::cast<std::size_t>(what[2]);
    const NamedTensor& named = from.model->tensors().at(entry);
    const auto [place, is_new] = of_models_.try_emplace({from.model.get(), named.index}, 0u);
    if (is_new) place->second = builder_.add(named.tensor);
    return arena().tensor({.index = place->second});
  }

  struct Known {
    nb::object key;
    StorageRef storage;
  };
  struct PairHash {
    std::size_t operator()(const std::pair<const Model*, std::uint32_t>& pair) const noexcept {
      return std::hash<const Model*>()(pair.first) * 31 + pair.second;
    }
  };

  nb::handle describe_;
  std::uint32_t depth_;
  std::uint32_t level_ = 0;
  ModelBuilder builder_;
  std::unordered_map<PyObject*, NodeId> nodes_;
  std::vector<nb::object> kept_;
  std::unordered_multimap<Py_hash_t, Known> storages_;
  std::unordered_map<std::pair<const Model*, std::uint32_t>, std::uint32_t, PairHash> of_models_;
};

}  // namespace

std::shared_ptr<const Model> to_model(nb::handle root, nb::handle describe, nb::handle metadata, const std::string& framework,
                                      nb::handle config, nb::handle side_files, std::uint32_t depth) {
  return Builder(describe, depth).build(root, metadata, framework, config, side_files);
}

std::shared_ptr<const Model> with_metadata(const Model& model, nb::handle describe, nb::handle metadata, std::uint32_t depth) {
  const auto amend = [&](ModelBuilder& own) { own.metadata = Builder(describe, depth, own.arena).node_of(metadata); };
  return std::make_shared<const Model>(ModelBuilder::amended(checked(edit_model(model, Edits::none(model))), "", amend));
}

}  // namespace holdall::python

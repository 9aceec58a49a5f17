#include <unordered_map>

#include "errors.h"
#include "holdall/base/text.h"
#include "tree.h"

namespace nb = nanobind;

namespace holdall::python {
namespace {

// What is not UTF-8 is a text with lone surrogates, as pickles spell them, or any bytes.
nb::str text_of(std::string_view text) {
  const auto size = static_cast<Py_ssize_t>(text.size());
  PyObject* made = PyUnicode_DecodeUTF8(text.data(), size, "surrogatepass");
  if (made == nullptr) {
    PyErr_Clear();
    made = PyUnicode_DecodeUTF8(text.data(), size, "surrogateescape");
  }
  if (made == nullptr) throw nb::python_error();
  return nb::steal<nb::str>(made);
}

nb::object big_integer(std::string_view decimal) {
  PyObject* made = PyLong_FromString(std::string(decimal).c_str(), nullptr, 10);
  if (made == nullptr) throw nb::python_error();
  return nb::steal(made);
}

class Maker {
 public:
  Maker(const TreeMaker& maker, std::uint32_t depth) : maker_(maker), depth_(depth) {}

  nb::object make(Value value) {
    if (!value) return nb::none();
    switch (value.kind()) {
      case ValueKind::kNull:
        return nb::none();
      case ValueKind::kBool:
        return nb::bool_(value.as_bool());
      case ValueKind::kInt:
        return nb::int_(value.as_int());
      case ValueKind::kBigInt:
        return big_integer(value.as_big_int());
      case ValueKind::kFloat:
        return nb::float_(value.as_float());
      case ValueKind::kComplex:
        return nb::steal(PyComplex_FromDoubles(value.as_complex().real(), value.as_complex().imag()));
      case ValueKind::kString:
        return text_of(value.as_string());
      default:
        break;
    }
    if (const auto found = made_.find(value.id()); found != made_.end()) return found->second;
    if (level_ >= depth_) raise(over_limit(text("values nest deeper than {} levels", depth_)));
    ++level_;
    nb::object object = make_container(value);
    --level_;
    return object;
  }

 private:
  nb::object keep(Value value, nb::object object) {
    made_.insert_or_assign(value.id(), object);
    return object;
  }

  nb::object make_container(Value value) {
    switch (value.kind()) {
      case ValueKind::kBytes:
        return keep(value, bytes(value));
      case ValueKind::kList: {
        nb::list list;
        keep(value, list);
        for (std::size_t i = 0; i < value.size(); ++i) list.append(make(value.item(i)));
        return list;
      }
      case ValueKind::kTuple:
        return keep(value, tuple(value));
      case ValueKind::kSet:
      case ValueKind::kFrozenSet: {
        nb::object items = nb::steal(PySet_New(nullptr));
        for (std::size_t i = 0; i < value.size(); ++i) {
          if (PySet_Add(items.ptr(), make(value.item(i)).ptr()) != 0) throw nb::python_error();
        }
        if (value.is(ValueKind::kFrozenSet)) items = nb::steal(PyFrozenSet_New(items.ptr()));
        return keep(value, items);
      }
      case ValueKind::kDict: {
        nb::dict dict;
        keep(value, dict);
        for (std::size_t i = 0; i < value.size(); ++i) {
          const nb::object key = make(value.key(i));
          if (PyDict_SetItem(dict.ptr(), key.ptr(), make(value.mapped(i)).ptr()) != 0) throw nb::python_error();
        }
        return dict;
      }
      case ValueKind::kTensor:
        return keep(value, tensor(value));
      case ValueKind::kGlobal:
        return keep(value, maker_.global(text_of(value.global_module()), text_of(value.global_name())));
      default:
        return object(value);
    }
  }

  nb::object bytes(Value value) {
    if (value.bytes_resident()) return nb::bytes(value.as_bytes().data(), value.as_bytes().size());
    Result<Bytes> read = [&] {
      const nb::gil_scoped_release released;
      return value.as_blob().read();
    }();
    const Bytes bytes = checked(std::move(read));
    return nb::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  nb::object tuple(Value value) {
    nb::object tuple = nb::steal(PyTuple_New(static_cast<Py_ssize_t>(value.size())));
    for (std::size_t i = 0; i < value.size(); ++i) {
      PyTuple_SetItem(tuple.ptr(), static_cast<Py_ssize_t>(i), make(value.item(i)).release().ptr());
    }
    return tuple;
  }

  nb::object tensor(Value value) {
    const TensorNode& node = value.as_tensor();
    const bool is_plain = !node.requires_grad && !node.parameter && node.attributes == kNoNode;
    if (is_plain || maker_.tensor.is_none()) return nb::borrow(maker_.tensors[node.index]);
    return maker_.tensor(node.index, node.requires_grad, node.parameter, make(value.of(node.attributes)));
  }

  // What the file gave beyond the call is made once the object is there: it may refer back to it.
  nb::object object(Value value) {
    const ObjectParts& parts = value.as_object();
    const Value called = value.of(parts.callee);
    nb::object module = nb::none(), name = nb::none(), callee = nb::none();
    if (called.is(ValueKind::kGlobal)) {
      module = text_of(called.global_module());
      name = text_of(called.global_name());
    } else {
      callee = make(called);
    }
    const nb::object args = make(value.of(parts.args));
    const nb::object kwargs = make(value.of(parts.kwargs));
    nb::object made = keep(value, maker_.make(module, name, callee, args, kwargs, parts.new_object));
    if (parts.state == kNoNode && parts.items.empty() && parts.pairs.empty()) return made;
    nb::object items = nb::none(), pairs = nb::none();
    if (!parts.items.empty()) {
      nb::list list;
      for (const NodeId item : parts.items) list.append(make(value.of(item)));
      items = list;
    }
    if (!parts.pairs.empty()) {
      nb::list list;
      for (std::size_t i = 0; i + 1 < parts.pairs.size(); i += 2) {
        list.append(nb::make_tuple(make(value.of(parts.pairs[i])), make(value.of(parts.pairs[i + 1]))));
      }
      pairs = list;
    }
    nb::object state = parts.state == kNoNode ? nb::none() : make(value.of(parts.state));
    return keep(value, maker_.fill(made, state, items, pairs));
  }

  const TreeMaker& maker_;
  std::uint32_t depth_;
  std::uint32_t level_ = 0;
  std::unordered_map<NodeId, nb::object> made_;
};

}  // namespace

nb::object to_python(Value value, const TreeMaker& maker, std::uint32_t depth) { return Maker(maker, depth).make(value); }

}  // namespace holdall::python

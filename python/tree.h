// A model's values as Python objects, and Python objects as a model.
//
// Thread-safety: the caller holds the GIL. Ownership: what is made owns itself; models share the memory of the arrays they were
// made from.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <string>
#include <vector>

#include "holdall/core/model.h"

namespace holdall::python {

// How a tree is built. Each callable may be None.
struct TreeMaker {
  // By TensorNode::index: what stands for each tensor; a list.
  nanobind::handle tensors;
  // tensor(index, requires_grad, is_parameter, attributes): for those that are more than their values; attributes is a dict or
  // None. None: tensors[index] stands for them too.
  nanobind::handle tensor;
  // name(module, name): what a global stands for.
  nanobind::handle global;
  // make(module, name, callee, args, kwargs, is_new): an object before its contents are there. What is called is the global
  // `name` of `module` (callee is None), or a value (callee; module and name are None); args a tuple or None (no call was
  // recorded), kwargs a dict or None.
  nanobind::handle make;
  // fill(object, state, items, pairs): None where the file gave none; a list of items, a list of (key, value). Returns the
  // object.
  nanobind::handle fill;
};

// Dicts, lists, tuples, sets, numbers, texts and bytes become Python's own; what is met twice is one object, cycles included.
// Raises what the callables raise; LimitError for nesting beyond `depth`.
nanobind::object to_python(Value value, const TreeMaker& maker, std::uint32_t depth);

// describe(object) says what an object is that is no plain value, as a tuple:
//   ("tensor", storage, address, bytes, dtype, shape, strides, offset, requires_grad, is_parameter, attributes, owner, logical)
//       storage: any hashable that is equal for tensors that share memory; address and bytes are of that memory; strides and
//       offset in elements; attributes: a dict or None; owner keeps the memory alive
//   ("elements", dtype, shape, bytes, attributes, logical)   a tensor that exists as bytes, laid out as its digest is (strings)
//   ("model", model, entry)                           a tensor of an opened model: still on disk
//   ("object", callee, args, kwargs, state, items, pairs, is_new)   callee: (module, name); items, pairs: lists or None
//   ("global", module, name)
// An object met twice is described once. Raises what `describe` raises, UnsupportedError for nesting beyond `depth`.
// `config` is a dict or None, `side_files` a dict of names to objects with the buffer protocol, or None: those of a folder.
std::shared_ptr<const Model> to_model(nanobind::handle root, nanobind::handle describe, nanobind::handle metadata,
                                      const std::string& framework, nanobind::handle config, nanobind::handle side_files,
                                      std::uint32_t depth);

// The same model with other metadata, a dict, described as above.
std::shared_ptr<const Model> with_metadata(const Model& model, nanobind::handle describe, nanobind::handle metadata,
                                           std::uint32_t depth);

}  // namespace holdall::python

// Opened models and their tensors as the module has them; the package's classes (holdall/_model.py) stand on these.
//
// Thread-safety: immutable. Ownership: shared.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "holdall/core/model.h"
#include "holdall/io/bundle.h"

namespace holdall::python {

struct OpenedModel {
  Bundle bundle;
  std::shared_ptr<const Model> model;
};

void bind_models(nanobind::module_& module);

// Sizes, outermost first.
nanobind::tuple tuple_of(const Shape& shape);

// The models of a dict of opened ones, by name.
std::vector<std::pair<std::string, std::shared_ptr<const Model>>> models_of(nanobind::handle named);

// The bundle of a path (str), or of a Python file object with read(), seek() and a name. Raises as Bundle::open().
Bundle bundle_of(nanobind::handle source);

}  // namespace holdall::python

// Writing models as HDF5: tensors as data sets under their names, groups, attributes; and holdall.tree as an attribute of the
// root, where the model says more than those do.
//
// Thread-safety: one thread. Ownership: what is planned shares the model's tensors.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "holdall/codec/hdf5_writer.h"
#include "holdall/formats/format.h"
#include "holdall/formats/tree_metadata.h"

namespace holdall {

// Whether the tree is groups (dicts) of groups and tensors, each in the order of its names, whose paths, divided by '/', are
// the tensors' names: what a reader makes of an HDF5 file, which can be written as one without a word beside it.
bool is_hdf5_tree(const Model& model);

// A value as an attribute: texts and lists of them as Keras writes them, numbers, booleans, rectangular lists. Empty where it
// is none.
std::optional<Hdf5Value> hdf5_attribute(Value value);

// Adds an attribute; a list of names that no header holds is cut into `name0`, `name1`, … as Keras does. Errors: invalid
// argument for other attributes that are too large.
Status add_hdf5_attribute(Hdf5Planner& planner, Hdf5Planner::Object object, std::string_view name, Hdf5Value value);

// Whether hdf5_attribute() takes all of a dict of a reader's, `left_out` apart: the root's attributes, and under "/path" a dict
// of those of each other object.
bool are_hdf5_attributes(Value attributes, std::span<const std::string_view> left_out);

// Adds the data sets and groups of a model whose tree is_hdf5_tree(), and attributes as above, but for `left_out` at the root
// and lists of names whose pieces stand beside them. Errors: those of the planner.
Status plan_hdf5_groups(Hdf5Planner& planner, const Model& model, Value attributes, std::span<const std::string_view> left_out,
                        std::vector<Loss>& losses);

// Adds the data sets of any model, and holdall.tree with all that they do not say.

Status plan_hdf5_tree(Hdf5Planner& planner, const Model& model, const TreeOptions& options, std::vector<Loss>& losses);

}  // namespace holdall

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/core/numbers.h"
#include "holdall/formats/xgboost/xgboost.h"

namespace holdall::xgboost {
namespace {

// Arrays of one item a node; those that old versions lack are looked at where they are there.
constexpr std::array kNodeArrays = {"left_children",    "right_children", "parents",      "split_indices",
                                    "split_conditions", "default_left",   "loss_changes", "sum_hessian"};
constexpr std::array kNodeArraysOfSome = {"split_type"};
constexpr std::int64_t kNoNodeHere = -1;
// A root has no parent: RTreeNode's kInvalidNodeId with all bits of a parent set.
constexpr std::int64_t kNoParent = 2147483647;

// A parameter, which XGBoost writes as a text.
std::optional<std::int64_t> parameter(Value params, std::string_view name) {
  const auto spelled = params.find_string(name);
  if (!spelled) return params.find_int(name);
  std::int64_t value = 0;
  const char* const end = spelled->data() + spelled->size();
  return std::from_chars(spelled->data(), end, value).ptr == end ? std::optional(value) : std::nullopt;
}

class Checker {
 public:
  Checker(const Model& model, Faults& faults) : model_(model), faults_(faults) {}

  Status run() {
    const Value whole = model_.tree();
    const Value learner = (whole.find("Model") ? whole.find("Model") : whole).find("learner");
    features_ = parameter(learner.find("learner_model_param"), "num_feature");
    check_features(learner);
    const Value booster = learner.find("gradient_booster");
    const Value inner = booster.find("gbtree") ? booster.find("gbtree") : booster;
    const Value trees = inner.find("model").find("trees");
    if (!trees.is(ValueKind::kList)) return {};
    for (std::size_t i = 0; i < trees.size(); ++i) HOLDALL_TRY(check_tree(trees.item(i), i));
    const std::size_t weights = tensor_size(booster.find("weight_drop"));
    if (booster.find("weight_drop") && weights != 0 && weights != trees.size()) {
      fault("weight_drop", text("{} weights for {} trees", weights, trees.size()));
    }
    return check_counts(inner.find("model"), trees.size());
  }

 private:
  void fault(std::string where, std::string what) { faults_.list.push_back({std::move(where), std::nullopt, std::move(what)}); }

  // The integers of an array; empty for what is none.
  Result<std::vector<std::int64_t>> integers(Value value) {
    std::vector<std::int64_t> found;
    if (!value.is(ValueKind::kTensor)) return found;
    HOLDALL_ASSIGN(const Tensor tensor, tensor_at(value));
    if (number_kind(tensor.dtype()) != NumberKind::kInteger) return found;
    HOLDALL_ASSIGN(const Bytes bytes, tensor.read_bytes());
    found.resize(static_cast<std::size_t>(tensor.elements()));
    load_integers(tensor.dtype(), bytes.data(), 0, found);
    return found;
  }

  // Tensors stand in the model in the order of their indices, which are their places: Model::tensor() would look for each.
  Result<Tensor> tensor_at(Value value) {
    const std::uint32_t index = value.as_tensor().index;
    if (index < model_.tensors().size() && model_.tensors()[index].index == index) return model_.tensors()[index].tensor;
    return model_.tensor(value);
  }

  void check_features(Value learner) {
    for (const char* field : {"feature_names", "feature_types"}) {
      const Value names = learner.find(field);
      if (!names.is(ValueKind::kList) || names.size() == 0 || !features_) continue;
      if (names.size() != static_cast<std::uint64_t>(*features_)) {
        fault(field, text("{} names for {} features", names.size(), *features_));
      }
    }
  }

  Status check_tree(Value tree, std::size_t number) {
    const std::string where = text("tree {}", number);
    const auto nodes = parameter(tree.find("tree_param"), "num_nodes");
    if (!nodes) {
      fault(where, "'tree_param' has no 'num_nodes'");
      return {};
    }
    if (const auto id = tree.find_int("id"); id && *id != static_cast<std::int64_t>(number)) {
      fault(where, text("its id is {}", *id));
    }
    const bool is_multi = parameter(tree.find("tree_param"), "size_leaf_vector").value_or(0) > 1;
    const auto sized = [&](std::string_view field, bool is_optional) {
      const Value array = tree.find(field);
      if (!array && (is_optional || is_multi)) return;
      const std::size_t size = array ? tensor_size(array) : 0;
      if (!array || size != static_cast<std::uint64_t>(*nodes)) {
        fault(where, text("'{}' has {} items for {} nodes", field, size, *nodes));
      }
    };
    for (const char* field : kNodeArrays) sized(field, false);
    for (const char* field : kNodeArraysOfSome) sized(field, true);
    if (!is_multi) sized("base_weights", false);
    HOLDALL_TRY(check_links(tree, where, is_multi));
    return check_categories(tree, where);
  }

  std::size_t tensor_size(Value value) {
    if (!value.is(ValueKind::kTensor)) return 0;
    const auto tensor = tensor_at(value);
    return tensor ? static_cast<std::size_t>(tensor->elements()) : 0;
  }

  // Every node but the root is the child of one, which it names as its parent. A leaf of several targets has, where others have
  // their right child, its place among the vectors of "leaf_weights".
  Status check_links(Value tree, const std::string& where, bool is_multi) {
    HOLDALL_ASSIGN(const auto left, integers(tree.find("left_children")));
    HOLDALL_ASSIGN(const auto right, integers(tree.find("right_children")));
    HOLDALL_ASSIGN(const auto parents, integers(tree.find("parents")));
    HOLDALL_ASSIGN(const auto features, integers(tree.find("split_indices")));
    const std::size_t count = left.size();
    if (right.size() != count || parents.size() != count) return {};
    std::vector<bool> is_child(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (left[i] == kNoNodeHere && is_multi) continue;
      if ((left[i] == kNoNodeHere) != (right[i] == kNoNodeHere)) fault(where, text("node {} has one child", i));
      for (const std::int64_t child : {left[i], right[i]}) {
        if (child == kNoNodeHere) continue;
        const auto place = static_cast<std::size_t>(child);
        if (child <= 0 || place >= count) {
          fault(where, text("node {} has the child {}, there are {}", i, child, count));
        } else if (is_child[place]) {
          fault(where, text("node {} is the child of two", child));
        } else {
          is_child[place] = true;
          if (parents[place] != static_cast<std::int64_t>(i)) {
            fault(where, text("node {} says its parent is {}, it is {}", child, parents[place], i));
          }
        }
      }
      const bool is_split = left[i] != kNoNodeHere;
      if (is_split && features_ && i < features.size() && (features[i] < 0 || features[i] >= *features_)) {
        fault(where, text("node {} splits feature {}, there are {}", i, features[i], *features_));
      }
    }
    if (count != 0 && parents[0] != kNoParent && parents[0] != kNoNodeHere) {
      fault(where, text("the root says its parent is {}", parents[0]));
    }
    return {};
  }

  // categories[segments[i], + sizes[i]) are those of node nodes[i].
  Status check_categories(Value tree, const std::string& where) {
    HOLDALL_ASSIGN(const auto nodes, integers(tree.find("categories_nodes")));
    HOLDALL_ASSIGN(const auto segments, integers(tree.find("categories_segments")));
    HOLDALL_ASSIGN(const auto sizes, integers(tree.find("categories_sizes")));
    HOLDALL_ASSIGN(const auto types, integers(tree.find("split_type")));
    const std::size_t total = tree.find("categories") ? tensor_size(tree.find("categories")) : 0;
    if (segments.size() != nodes.size() || sizes.size() != nodes.size()) {
      fault(where, text("{} nodes with categories have {} segments of {} sizes", nodes.size(), segments.size(), sizes.size()));
      return {};
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const bool fits = segments[i] >= 0 && sizes[i] >= 0 && static_cast<std::uint64_t>(segments[i]) <= total &&
                        static_cast<std::uint64_t>(sizes[i]) <= total - static_cast<std::uint64_t>(segments[i]);
      if (!fits) fault(where, text("categories {} of {} from {} on, there are {}", i, sizes[i], segments[i], total));
      const auto node = static_cast<std::size_t>(nodes[i]);
      if (nodes[i] < 0 || node >= types.size() || types[node] != 1) {
        fault(where, text("node {} has categories and is no split by them", nodes[i]));
      }
    }
    return {};
  }

  Status check_counts(Value model, std::size_t trees) {
    const auto said = parameter(model.find("gbtree_model_param"), "num_trees");
    if (said && *said != static_cast<std::int64_t>(trees)) fault("trees", text("{} trees, 'num_trees' says {}", trees, *said));
    HOLDALL_ASSIGN(const auto groups, integers(model.find("tree_info")));
    if (groups.size() != trees) fault("tree_info", text("{} items for {} trees", groups.size(), trees));
    HOLDALL_ASSIGN(const auto rounds, integers(model.find("iteration_indptr")));
    const bool is_sorted = std::is_sorted(rounds.begin(), rounds.end());
    if (!rounds.empty() && (!is_sorted || rounds.front() != 0 || rounds.back() != static_cast<std::int64_t>(trees))) {
      fault("iteration_indptr", text("does not rise from 0 to {}", trees));
    }
    return {};
  }

  const Model& model_;
  Faults& faults_;
  std::optional<std::int64_t> features_;
};

}  // namespace

Status check(const Model& model, Faults& faults) { return Checker(model, faults).run(); }

}  // namespace holdall::xgboost

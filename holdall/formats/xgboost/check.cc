#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/core/numbers.h"
#include "holdall/formats/fault_findings.h"
#include "holdall/formats/xgboost/xgboost.h"

namespace holdall::xgboost {
namespace {

// Arrays of one item a node; those that old versions lack are looked at where they are there.
constexpr std::array kNodeArrays = {"left_children", "right_children",   "parents",
                                    "split_indices", "split_conditions", "default_left"};
constexpr std::array kNodeArraysOfSome = {"split_type"};
// What trees of several targets did not have in the beginning.
constexpr std::array kStatistics = {"loss_changes", "sum_hessian"};
constexpr std::int64_t kMostCategories = 1 << 24;  // XGBoost keeps categories in float32
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

  // A file is loaded by its 'learner', what a pickle holds by that within 'Model': each is held to the rules where both stand.
  Status run() {
    for (const Value each : {model_.tree(), model_.tree().find("Model")}) {
      if (each.find("learner")) HOLDALL_TRY(check_learner(each.find("learner")));
    }
    return {};
  }

 private:
  void fault(std::string where, std::string what) {
    if (faults_.list.size() < kMostFaults) faults_.list.push_back({std::move(where), std::nullopt, std::move(what)});
  }

  // One that is there and is no number is a fault: XGBoost might make one of it.
  std::optional<std::int64_t> number(Value params, std::string_view name, const std::string& where) {
    const auto value = parameter(params, name);
    if (params.find(name) && !value) fault(where, text("'{}' is no whole number", name));
    return value;
  }

  Status check_learner(Value learner) {
    const Value params = learner.find("learner_model_param");
    constexpr std::string_view kWhere = "learner_model_param";
    features_ = number(params, "num_feature", std::string(kWhere));
    if (!features_) fault(std::string(kWhere), "there is no 'num_feature'");
    groups_ = 1;
    for (const char* count : {"num_class", "num_target"}) {
      groups_ = std::max(groups_, number(params, count, std::string(kWhere)).value_or(0));
    }
    check_features(learner);
    // The trees of DART lie one level deeper; 'name' says which of the two XGBoost takes.
    const Value booster = learner.find("gradient_booster");
    const bool is_dart = booster.find_string("name") == "dart";
    for (const Value each : {booster, booster.find("gbtree")}) {
      HOLDALL_TRY(check_model(each.find("model"), booster.find("weight_drop"), is_dart));
    }
    return {};
  }

  Status check_model(Value model, Value weight_drop, bool is_dart) {
    const Value weights = model.find("weights");
    const std::size_t known = tensor_size(weights);
    if (known != 0 && features_ &&
        known != (static_cast<std::uint64_t>(*features_) + 1) * static_cast<std::uint64_t>(groups_)) {
      fault("weights", text("{} weights for {} features and {} outputs", known, *features_, groups_));
    }
    const Value trees = model.find("trees");
    if (!trees.is(ValueKind::kList)) return {};
    for (std::size_t i = 0; i < trees.size(); ++i) HOLDALL_TRY(check_tree(trees.item(i), i));
    const std::size_t drops = tensor_size(weight_drop ? weight_drop : model.find("weight_drop"));
    if (drops != trees.size() && (drops != 0 || is_dart)) {
      fault("weight_drop", text("{} weights for {} trees", drops, trees.size()));
    }
    HOLDALL_TRY(check_names_of_categories(model.find("cats")));
    return check_counts(model, trees.size());
  }

  // The integers of an array; empty for what is none.
  Result<std::vector<std::int64_t>> integers(Value value) {
    std::vector<std::int64_t> found;
    if (!value.is(ValueKind::kTensor)) return found;
    HOLDALL_ASSIGN(const Tensor tensor, tensor_at(value));
    if (number_kind(tensor.dtype()) != NumberKind::kInteger) {
      fault("arrays", "there are real numbers in an array of whole ones");
      return found;
    }
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

  Status check_tree(Value tree, std::size_t number_of_tree) {
    const std::string where = text("tree {}", number_of_tree);
    const auto nodes = number(tree.find("tree_param"), "num_nodes", where);
    if (!nodes || *nodes < 1) {
      fault(where, "'tree_param' has no 'num_nodes'");
      return {};
    }
    if (const auto id = tree.find_int("id"); id && *id != static_cast<std::int64_t>(number_of_tree)) {
      fault(where, text("its id is {}", *id));
    }
    const std::int64_t said = number(tree.find("tree_param"), "size_leaf_vector", where).value_or(1);
    if (said < 0) fault(where, text("its leaves are vectors of {}", said));
    const std::int64_t targets = std::max(said, std::int64_t{1});
    const bool is_multi = targets > 1;
    const auto sized = [&](std::string_view field, bool is_optional) {
      const Value array = tree.find(field);
      if (!array && is_optional) return;
      const std::size_t size = array ? tensor_size(array) : 0;
      if (!array || size != static_cast<std::uint64_t>(*nodes)) {
        fault(where, text("'{}' has {} items for {} nodes", field, size, *nodes));
      }
    };
    for (const char* field : kNodeArrays) sized(field, false);
    for (const char* field : kStatistics) sized(field, is_multi);
    for (const char* field : kNodeArraysOfSome) sized(field, true);
    if (is_multi) {
      check_vectors(tree, where, static_cast<std::uint64_t>(*nodes), static_cast<std::uint64_t>(targets));
    } else {
      sized("base_weights", false);
    }
    HOLDALL_TRY(check_links(tree, where, targets));
    return check_categories(tree, where);
  }

  // The weights of several targets: a vector a leaf, or in what old versions wrote one a node.
  void check_vectors(Value tree, const std::string& where, std::uint64_t nodes, std::uint64_t targets) {
    const std::size_t weights = tensor_size(tree.find("base_weights"));
    const bool has_leaves = static_cast<bool>(tree.find("leaf_weights"));
    const bool fits = has_leaves ? weights != 0 && weights % nodes == 0 : weights / targets == nodes && weights % targets == 0;
    if (!fits) fault(where, text("'base_weights' has {} items for {} nodes and {} targets", weights, nodes, targets));
  }

  std::size_t tensor_size(Value value) {
    if (!value.is(ValueKind::kTensor)) return 0;
    const auto tensor = tensor_at(value);
    return tensor ? static_cast<std::size_t>(tensor->elements()) : 0;
  }

  // Every node but the root is the child of one, which it names as its parent. A leaf of several targets has, where others have
  // their right child, its place among the vectors of "leaf_weights".
  Status check_links(Value tree, const std::string& where, std::int64_t targets) {
    HOLDALL_ASSIGN(const auto left, integers(tree.find("left_children")));
    HOLDALL_ASSIGN(const auto right, integers(tree.find("right_children")));
    HOLDALL_ASSIGN(const auto parents, integers(tree.find("parents")));
    HOLDALL_ASSIGN(const auto features, integers(tree.find("split_indices")));
    const std::size_t count = left.size();
    if (right.size() != count || parents.size() != count) return {};
    const bool has_vectors = targets > 1 && tree.find("leaf_weights");
    const auto vectors = static_cast<std::int64_t>(tensor_size(tree.find("leaf_weights"))) / targets;
    std::vector<bool> is_child(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (i != 0 && (parents[i] < 0 || parents[i] >= static_cast<std::int64_t>(count))) {
        fault(where, text("node {} says its parent is {}, there are {}", i, parents[i], count));
      }
      if (left[i] == kNoNodeHere && has_vectors) {
        if (right[i] < 0 || right[i] >= vectors) fault(where, text("leaf {} has vector {} of {}", i, right[i], vectors));
        continue;
      }
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
    HOLDALL_ASSIGN(const auto categories, integers(tree.find("categories")));
    const std::size_t total = categories.size();
    const auto beyond = std::find_if(categories.begin(), categories.end(),
                                     [](std::int64_t each) { return each < 0 || each >= kMostCategories; });
    if (beyond != categories.end()) fault(where, text("there is a category {}", *beyond));
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

  // The names of a table's categories, in the order of its columns: segments say where those of each begin.
  Status check_names_of_categories(Value cats) {
    const Value columns = cats.find("enc");
    HOLDALL_ASSIGN(const auto segments, integers(cats.find("feature_segments")));
    HOLDALL_ASSIGN(const auto order, integers(cats.find("sorted_idx")));
    const std::size_t count = columns.is(ValueKind::kList) ? columns.size() : 0;
    std::int64_t names = 0;
    for (std::size_t i = 0; i < count; ++i) {
      HOLDALL_ASSIGN(const auto offsets, integers(columns.item(i).find("offsets")));
      const auto bytes = static_cast<std::int64_t>(tensor_size(columns.item(i).find("values")));
      const bool is_text = static_cast<bool>(columns.item(i).find("offsets"));
      const bool rises = offsets.empty() ||
                         (std::is_sorted(offsets.begin(), offsets.end()) && offsets.front() == 0 && offsets.back() <= bytes);
      if (!rises) fault("cats", text("the names of column {} lead out of their {} bytes", i, bytes));
      names += is_text ? static_cast<std::int64_t>(std::max<std::size_t>(offsets.size(), 1)) - 1 : bytes;
      if (i + 1 >= segments.size() || segments[i + 1] != names) {
        fault("cats", text("column {} ends with category {}, 'feature_segments' says otherwise", i, names));
      }
    }
    for (const std::int64_t each : order) {
      if (each < 0 || each >= names) fault("cats", text("'sorted_idx' has {} of {}", each, names));
    }
    if (!order.empty() && static_cast<std::int64_t>(order.size()) != names) {
      fault("cats", text("'sorted_idx' has {} items for {} categories", order.size(), names));
    }
    return {};
  }

  Status check_counts(Value model, std::size_t trees) {
    const auto said = parameter(model.find("gbtree_model_param"), "num_trees");
    if (said && *said != static_cast<std::int64_t>(trees)) fault("trees", text("{} trees, 'num_trees' says {}", trees, *said));
    HOLDALL_ASSIGN(const auto groups, integers(model.find("tree_info")));
    if (groups.size() != trees) fault("tree_info", text("{} items for {} trees", groups.size(), trees));
    for (const std::int64_t group : groups) {
      if (group < 0 || group >= groups_) fault("tree_info", text("a tree is of output {} of {}", group, groups_));
    }
    HOLDALL_ASSIGN(const auto rounds, integers(model.find("iteration_indptr")));
    const bool is_sorted = std::is_sorted(rounds.begin(), rounds.end());
    if (!rounds.empty() && (!is_sorted || rounds.front() != 0 || rounds.back() != static_cast<std::int64_t>(trees))) {
      fault("iteration_indptr", text("does not rise from 0 to {}", trees));
    }
    return {};
  }

  const Model& model_;
  Faults& faults_;
  // Of the learner being looked at.
  std::optional<std::int64_t> features_;
  std::int64_t groups_ = 1;
};

}  // namespace

Status check(const Model& model, Faults& faults) { return Checker(model, faults).run(); }

}  // namespace holdall::xgboost

#include <algorithm>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/fault_findings.h"
#include "holdall/formats/lightgbm/lightgbm.h"

namespace holdall::lightgbm {
namespace {

constexpr int kCategorical = 1;         // bit of decision_type (include/LightGBM/tree.h)
constexpr std::size_t kMostLines = 22;  // of a tree: LightGBM reads no more of them (src/io/tree.cpp)
constexpr std::string_view kClassesOfObjective = "num_class";

class Checker {
 public:
  Checker(const Model& model, const Contents& contents, Faults& faults) : model_(model), contents_(contents), faults_(faults) {}

  Status run() {
    const Value root = model_.tree();
    const Value trees = root.find("trees");
    for (const char* needed : {"num_class", "label_index", "max_feature_idx", "feature_names", "feature_infos"}) {
      if (!root.find(needed)) fault("header", text("'{}' is missing", needed), std::nullopt);
    }
    const auto last = root.find_int("max_feature_idx");
    features_ = last ? *last + 1 : INT64_MAX;
    for (const char* list : {"feature_names", "feature_infos"}) {
      const Value names = root.find(list);
      if (last && names.is(ValueKind::kList) && static_cast<std::int64_t>(names.size()) != features_) {
        fault("header", text("'{}' has {} items for {} features", list, names.size(), features_), std::nullopt);
      }
    }
    const std::int64_t a_round = root.find_int("num_tree_per_iteration").value_or(root.find_int("num_class").value_or(1));
    if (a_round < 1 || static_cast<std::int64_t>(trees.size()) % a_round != 0) {
      fault("header", text("{} trees are no rounds of {}", trees.size(), a_round), std::nullopt);
    }
    check_classes(root, a_round);
    check_sizes();
    for (std::size_t i = 0; i < trees.size(); ++i) HOLDALL_TRY(check_tree(trees.item(i), i));
    return {};
  }

 private:
  void fault(std::string where, std::string what, std::optional<std::uint64_t> offset) {
    if (faults_.list.size() < kMostFaults) faults_.list.push_back({std::move(where), offset, std::move(what)});
  }

  // Predictions have num_class places a row; rounds and the objective fill as many as they say themselves.
  void check_classes(Value root, std::int64_t a_round) {
    const std::int64_t classes = root.find_int("num_class").value_or(1);
    if (a_round > classes) fault("header", text("rounds of {} trees for {} classes", a_round, classes), std::nullopt);
    const std::string_view objective = root.find_string("objective").value_or("");
    const std::size_t at = objective.find(kClassesOfObjective);
    if (at == std::string_view::npos) return;
    const std::string_view rest = objective.substr(at);
    if (rest.substr(0, rest.find(' ')) != text("{}:{}", kClassesOfObjective, classes) ||
        rest.find(kClassesOfObjective, 1) != std::string_view::npos) {
      fault("header", text("the objective is '{}', there are {} classes", objective, classes), std::nullopt);
    }
  }

  // LightGBM finds the trees by these sizes and reads nothing between.
  void check_sizes() {
    const auto& blocks = contents_.blocks;
    const auto& sizes = contents_.tree_sizes;
    if (!contents_.has_tree_sizes) return;
    if (sizes.size() != blocks.size()) {
      fault("tree_sizes", text("{} sizes for {} trees", sizes.size(), blocks.size()), std::nullopt);
      return;
    }
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (sizes[i] == blocks[i].size) continue;
      fault(text("tree {}", i), text("it has {} bytes, 'tree_sizes' says {}", blocks[i].size, sizes[i]), blocks[i].offset);
    }
  }

  template <class T>
  Result<std::vector<T>> values(Value tree, std::string_view field) {
    const Value value = tree.find(field);
    if (!value.is(ValueKind::kTensor)) return std::vector<T>();
    const std::uint32_t index = value.as_tensor().index;
    const auto& entries = model_.tensors();
    if (index < entries.size() && entries[index].index == index) return entries[index].tensor.read<T>();
    HOLDALL_ASSIGN(const Tensor tensor, model_.tensor(value));
    return tensor.read<T>();
  }

  Status check_tree(Value tree, std::size_t number) {
    where_ = text("tree {}", number);
    offset_ = contents_.blocks[number].offset;
    const std::int64_t leaves = tree.find_int("num_leaves").value_or(1);
    HOLDALL_ASSIGN(const auto left, values<std::int32_t>(tree, "left_child"));
    HOLDALL_ASSIGN(const auto right, values<std::int32_t>(tree, "right_child"));
    HOLDALL_ASSIGN(const auto features, values<std::int32_t>(tree, "split_feature"));
    if (leaves > 1) {
      for (const char* needed : {"left_child", "right_child", "split_feature", "threshold"})
        if (!tree.find(needed)) fault(where_, text("'{}' is missing", needed), offset_);
    }
    if (tree.size() > kMostLines) fault(where_, text("it has {} lines, {} are read", tree.size(), kMostLines), offset_);
    if (left.size() == right.size()) check_links(left, right, leaves);
    for (std::size_t i = 0; i < features.size(); ++i) {
      if (features[i] >= 0 && features[i] < features_) continue;
      fault(where_, text("split {} is by feature {}, there are {}", i, features[i], features_), offset_);
    }
    HOLDALL_TRY(check_linear(tree));
    return check_categories(tree);
  }

  // Linear leaves: as many coefficients as features, which are columns of the data.
  Status check_linear(Value tree) {
    HOLDALL_ASSIGN(const auto counts, values<std::int32_t>(tree, "num_features"));
    HOLDALL_ASSIGN(const auto features, values<std::int32_t>(tree, "leaf_features"));
    HOLDALL_ASSIGN(const auto factors, values<double>(tree, "leaf_coeff"));
    std::uint64_t total = 0;
    for (const std::int32_t each : counts) total += static_cast<std::uint64_t>(each);
    if (features.size() != total || factors.size() != total) {
      fault(where_,
            text("{} features and {} factors of linear leaves, 'num_features' says {}", features.size(), factors.size(), total),
            offset_);
    }
    for (const std::int32_t each : features) {
      if (each < 0 || each >= features_)
        fault(where_, text("a leaf is linear in feature {}, there are {}", each, features_), offset_);
    }
    return {};
  }

  // A child is a split, or the complement of a leaf's number; each but the root is the child of one.
  void check_links(const std::vector<std::int32_t>& left, const std::vector<std::int32_t>& right, std::int64_t leaves) {
    std::vector<bool> is_split(left.size()), is_leaf(static_cast<std::size_t>(leaves));
    for (std::size_t i = 0; i < left.size(); ++i) {
      for (const std::int32_t child : {left[i], right[i]}) {
        std::vector<bool>& seen = child < 0 ? is_leaf : is_split;
        const auto place = static_cast<std::size_t>(child < 0 ? ~child : child);
        if (place >= seen.size() || child == 0) {
          fault(where_, text("split {} has the child {}, there are {} leaves", i, child, leaves), offset_);
        } else if (seen[place]) {
          fault(where_, text("child {} is that of two splits", child), offset_);
        } else {
          seen[place] = true;
        }
      }
    }
  }

  Status check_categories(Value tree) {
    HOLDALL_ASSIGN(const auto boundaries, values<std::int32_t>(tree, "cat_boundaries"));
    HOLDALL_ASSIGN(const auto types, values<std::int8_t>(tree, "decision_type"));
    HOLDALL_ASSIGN(const auto thresholds, values<double>(tree, "threshold"));
    const std::int64_t splits = tree.find_int("num_cat").value_or(0);
    if (splits > 0 && (!tree.find("cat_boundaries") || !tree.find("cat_threshold"))) {
      fault(where_, "its splits by category have no categories", offset_);
    }
    if (!std::is_sorted(boundaries.begin(), boundaries.end()) || (!boundaries.empty() && boundaries.front() != 0)) {
      fault(where_, "'cat_boundaries' do not rise from 0", offset_);
    }
    for (std::size_t i = 0; i < types.size() && i < thresholds.size(); ++i) {
      if ((types[i] & kCategorical) == 0) continue;
      const double which = thresholds[i];
      if (!(which >= 0 && which < static_cast<double>(splits))) {
        fault(where_, text("split {} is by the categories {}, there are {}", i, which, splits), offset_);
      }
    }
    return {};
  }

  const Model& model_;
  const Contents& contents_;
  Faults& faults_;
  std::int64_t features_ = 0;
  std::string where_;  // the tree being looked at
  std::uint64_t offset_ = 0;
};

}  // namespace

Status check(const Model& model, const Contents& contents, Faults& faults) { return Checker(model, contents, faults).run(); }

}  // namespace holdall::lightgbm

// What the parts of the lightgbm format share: the text of a model as values, with the arrays of its trees as tensors.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/formats/format.h"

namespace holdall::lightgbm {

struct Line {
  std::string_view text;     // without its end
  std::uint64_t offset = 0;  // of its first byte
};

// The lines of a text one by one.
class Lines {
 public:
  explicit Lines(std::string_view text) : text_(text) {}
  // Empty behind the last.
  std::optional<Line> next();
  // Of the next line.
  std::uint64_t offset() const noexcept { return at_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// How LightGBM reads a field of a tree (Tree::Tree in src/io/tree.cpp): its type in memory, how many items it has, and whether
// its reals go by the quick reader, which does not round to the nearest, or by the exact one.
struct Field {
  std::string_view name;
  DType dtype;
  enum class Count : std::uint8_t { kSplits, kLeaves, kCategorySplits, kCategoryWords, kLeafFeatures } count;
  bool is_quick;
};
const Field* field_named(std::string_view name) noexcept;

// The reals of Common::Atof (quick) and of AtofPrecise and std::stod (exact). Empty: no number.
std::optional<double> quick_real(std::string_view spelling) noexcept;
std::optional<double> exact_real(std::string_view spelling) noexcept;

// Where a tree's block stands in the text: from "Tree=" on, as tree_sizes counts it.
struct Block {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

struct Contents {
  NodeId root = kNoNode;
  std::vector<Block> blocks;
  std::vector<std::uint64_t> tree_sizes;
  bool has_tree_sizes = false;
  std::string version;
};
// The whole text of the source `name`; the tensors are said to lie in `file`. Errors: corrupt, limit, with the offset in it.
Result<Contents> parse(std::string_view text, const std::string& name, const SharedText& file, const Limits& limits,
                       ModelBuilder& builder);

// What does not fit together in a model that was read: counts, children, features, categories, sizes of blocks.
Status check(const Model& model, const Contents& contents, Faults& faults);

}  // namespace holdall::lightgbm

// The text that GBDT::SaveModelToString and Tree::ToString write (src/boosting/gbdt_model_text.cpp, src/io/tree.cpp), and what
// the Python package puts behind it.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/json.h"
#include "holdall/formats/lightgbm/lightgbm.h"

namespace holdall::lightgbm {
namespace {

constexpr std::string_view kTree = "Tree=";
constexpr std::string_view kEnd = "end of trees";
constexpr std::string_view kPandas = "pandas_categorical:";
constexpr std::array kWholeNumbers = {"num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "num_leaves",
                                      "num_cat"};
constexpr std::array kListsOfTexts = {"feature_names", "feature_infos"};
// A tree's arrays cannot have more items than this: indices of nodes have 32 bits.
constexpr std::int64_t kMostLeaves = 1 << 30;

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<const char*, N>& names) {
  return std::find(names.begin(), names.end(), text) != names.end();
}

template <class T>
std::optional<T> whole_number(std::string_view spelling) {
  if (spelling.starts_with('+')) spelling.remove_prefix(1);
  T value = 0;
  const char* const end = spelling.data() + spelling.size();
  const auto read = std::from_chars(spelling.data(), end, value);
  return read.ec == std::errc() && read.ptr == end ? std::optional(value) : std::nullopt;
}

// Takes the next of the words that blanks divide.
std::optional<std::string_view> take_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  if (text.empty()) return std::nullopt;
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& name, const SharedText& file, const Limits& limits, ModelBuilder& builder)
      : text_(text), lines_(text), name_(name), file_(file), limits_(limits), builder_(builder), arena_(*builder.arena) {}

  Result<Contents> run() {
    HOLDALL_TRY(check_lines());
    root_ = made_.root = arena_.dict();
    const auto name = lines_.next();
    if (!name || name->text != "tree") return fault("the first line is not 'tree'", 0);
    put(root_, "submodel", arena_.string(name->text));
    HOLDALL_TRY(read_head());
    trees_ = arena_.list();
    HOLDALL_TRY(read_trees());
    put(root_, "trees", trees_);
    HOLDALL_TRY(read_tail());
    return std::move(made_);
  }

 private:
  Error fault(std::string what, std::uint64_t offset) const { return corrupt(std::move(what)).at(offset).in(name_); }

  // LightGBM ends a line at a carriage return too, and never where it meets a zero.
  Status check_lines() const {
    if (const std::size_t at = text_.find('\0'); at != std::string_view::npos) return fault("a zero byte in a text", at);
    for (std::size_t at = text_.find('\r'); at != std::string_view::npos; at = text_.find('\r', at + 1)) {
      if (text_.substr(at + 1, 1) != "\n") return fault("a carriage return within a line", at);
    }
    return {};
  }

  void put(NodeId dict, std::string_view key, NodeId value) { arena_.set_item(dict, key, value); }

  Status put_once(NodeId dict, std::string_view key, NodeId value, const Line& line) {
    if (!is_utf8(line.text)) return fault("a line is not UTF-8", line.offset);
    if (arena_.at(dict).find(key)) return fault(text("'{}' stands twice", key), line.offset);
    put(dict, key, value);
    if (arena_.memory() > limits_.value_bytes) {
      return over_limit(text("values take more than the {} bytes allowed", limits_.value_bytes)).at(line.offset).in(name_);
    }
    return {};
  }

  static std::pair<std::string_view, std::string_view> divided(std::string_view text, char mark) {
    const std::size_t at = text.find(mark);
    if (at == std::string_view::npos) return {text, {}};
    return {text.substr(0, at), text.substr(at + 1)};
  }

  NodeId words(std::string_view value) {
    const NodeId list = arena_.list();
    while (const auto word = take_word(value)) arena_.append(list, arena_.string(*word));
    return list;
  }

  Result<NodeId> head_value(std::string_view key, std::string_view value, const Line& line) {
    if (is_one_of(key, kListsOfTexts)) return words(value);
    if (key == "average_output") return arena_.boolean(true);
    if (key == "monotone_constraints") {
      HOLDALL_ASSIGN(Tensor tensor, integers<std::int8_t>(DType::kInt8, value, std::nullopt, line));
      return added(std::move(tensor));
    }
    if (!is_one_of(key, kWholeNumbers)) return arena_.string(value);
    const auto number = whole_number<std::int64_t>(value);
    if (!number) return fault(text("'{}' is no whole number", key), line.offset);
    return arena_.integer(*number);
  }

  // Up to the first tree, or to the end of them.
  Status read_head() {
    while (true) {
      const std::uint64_t before = lines_.offset();
      const auto line = lines_.next();
      if (!line) return fault(text("'{}' is missing", kEnd), before);
      if (line->text.starts_with(kTree) || line->text == kEnd) {
        pending_ = line;
        return {};
      }
      if (line->text.empty()) continue;
      const auto [key, value] = divided(line->text, '=');
      if (key == "tree_sizes") {
        HOLDALL_TRY(read_tree_sizes(value, *line));
        continue;
      }
      if (key.empty()) return fault("a line begins with '='", line->offset);  // LightGBM takes what follows for the key
      if (key == "version") made_.version = value;
      HOLDALL_ASSIGN(const NodeId node, head_value(key, value, *line));
      HOLDALL_TRY(put_once(root_, key, node, *line));
    }
  }

  Status read_tree_sizes(std::string_view value, const Line& line) {
    if (made_.has_tree_sizes) return fault("'tree_sizes' stands twice", line.offset);
    made_.has_tree_sizes = true;
    while (const auto word = take_word(value)) {
      const auto size = whole_number<std::uint64_t>(*word);
      if (!size) return fault("'tree_sizes' holds what is no size", line.offset);
      made_.tree_sizes.push_back(*size);
    }
    return {};
  }

  Status read_trees() {
    while (pending_ && pending_->text != kEnd) {
      if (!pending_->text.starts_with(kTree)) {
        return fault(text("a tree or '{}' should stand here", kEnd), pending_->offset);
      }
      const auto number = whole_number<std::uint64_t>(pending_->text.substr(kTree.size()));
      if (number != made_.blocks.size()) {
        return fault(text("tree {} should stand here", made_.blocks.size()), pending_->offset);
      }
      made_.blocks.push_back({pending_->offset, 0});
      HOLDALL_TRY(read_tree());
      // tree_sizes counts what stands between, empty lines and all.
      do pending_ = lines_.next();
      while (pending_ && pending_->text.empty());
      if (!pending_) return fault(text("'{}' is missing", kEnd), text_.size());
      made_.blocks.back().size = pending_->offset - made_.blocks.back().offset;
    }
    return {};
  }

  Status read_tree() {
    const NodeId tree = arena_.dict();
    arena_.append(trees_, tree);
    leaves_ = category_splits_ = leaf_features_ = category_words_ = std::nullopt;
    while (true) {
      const std::uint64_t before = lines_.offset();
      const auto line = lines_.next();
      if (!line) return fault(text("'{}' is missing", kEnd), before);
      if (line->text.empty()) break;
      const auto [key, value] = divided(line->text, '=');
      if (key.size() == line->text.size()) return fault("a line of a tree has no '='", line->offset);
      HOLDALL_ASSIGN(const NodeId node, tree_value(key, value, *line));
      HOLDALL_TRY(put_once(tree, key, node, *line));
    }
    for (const char* needed : {"num_leaves", "num_cat", "leaf_value"}) {
      if (!arena_.at(tree).find(needed)) return fault(text("a tree has no '{}'", needed), made_.blocks.back().offset);
    }
    return {};
  }

  Result<NodeId> tree_value(std::string_view key, std::string_view value, const Line& line) {
    if (key == "num_leaves" || key == "num_cat") {
      const auto number = whole_number<std::int64_t>(value);
      const std::int64_t least = key == "num_leaves" ? 1 : 0;
      if (!number || *number < least || *number > kMostLeaves) return fault(text("'{}' is {}", key, value), line.offset);
      (key == "num_leaves" ? leaves_ : category_splits_) = *number;
      return arena_.integer(*number);
    }
    if (key == "is_linear") {
      if (value != "0" && value != "1") return fault("'is_linear' is neither 0 nor 1", line.offset);
      return arena_.boolean(value == "1");
    }
    if (key == "shrinkage") {
      const auto number = quick_real(value);
      if (!number) return fault("'shrinkage' is no number", line.offset);
      return arena_.real(*number);
    }
    const Field* const field = field_named(key);
    if (field == nullptr) return arena_.string(value);
    HOLDALL_ASSIGN(Tensor tensor, array(*field, value, line));
    if (key == "num_features" || key == "cat_boundaries") HOLDALL_TRY(keep_count(key, tensor, line));
    return added(std::move(tensor));
  }

  // How many items of another field these say.
  Status keep_count(std::string_view key, const Tensor& tensor, const Line& line) {
    HOLDALL_ASSIGN(const std::vector<std::int32_t> values, tensor.read<std::int32_t>());
    if (key == "cat_boundaries") {
      category_words_ = values.empty() ? 0 : values.back();
      return {};
    }
    std::int64_t total = 0;
    for (const std::int32_t value : values) {
      if (value < 0) return fault("'num_features' holds what is no count", line.offset);
      total += value;
    }
    leaf_features_ = total;
    return {};
  }

  // Empty: nothing says it.
  std::optional<std::int64_t> count_of(Field::Count count) const {
    const auto plus = [](std::optional<std::int64_t> base, std::int64_t more) {
      return base ? std::optional(*base + more) : std::nullopt;
    };
    switch (count) {
      case Field::Count::kSplits:
        return plus(leaves_, -1);
      case Field::Count::kLeaves:
        return leaves_;
      case Field::Count::kCategorySplits:
        return plus(category_splits_, 1);
      case Field::Count::kCategoryWords:
        return category_words_;
      case Field::Count::kLeafFeatures:
        return leaf_features_;
    }
    return std::nullopt;
  }

  Result<Tensor> array(const Field& field, std::string_view value, const Line& line) {
    const auto count = count_of(field.count);
    if (!count) return fault(text("'{}' stands before what says how many items it has", field.name), line.offset);
    switch (field.dtype) {
      case DType::kInt8:
        return integers<std::int8_t>(field.dtype, value, count, line);
      case DType::kInt32:
        return integers<std::int32_t>(field.dtype, value, count, line);
      case DType::kUInt32:
        return integers<std::uint32_t>(field.dtype, value, count, line);
      case DType::kFloat32:
        return reals<float>(field, value, *count, line);
      default:
        return reals<double>(field, value, *count, line);
    }
  }

  template <class T>
  Result<Tensor> integers(DType dtype, std::string_view value, std::optional<std::int64_t> count, const Line& line) {
    const auto read = [](std::string_view word) { return whole_number<T>(word); };
    return items<T>(dtype, value, count, line, read);
  }

  template <class T>
  Result<Tensor> reals(const Field& field, std::string_view value, std::int64_t count, const Line& line) {
    const auto read = [&](std::string_view word) -> std::optional<T> {
      const auto number = field.is_quick ? quick_real(word) : exact_real(word);
      return number ? std::optional(static_cast<T>(*number)) : std::nullopt;
    };
    return items<T>(field.dtype, value, count, line, read);
  }

  template <class T, class Read>
  Result<Tensor> items(DType dtype, std::string_view value, std::optional<std::int64_t> count, const Line& line,
                       const Read& read) {
    std::vector<std::byte> bytes;
    std::int64_t found = 0;
    for (; const auto word = take_word(value); ++found) {
      const std::optional<T> number = read(*word);
      if (!number) return fault(text("'{}' is no number of its field", word->substr(0, 32)), line.offset);
      bytes.resize(bytes.size() + sizeof(T));
      store_le(bytes.data() + bytes.size() - sizeof(T), *number);
    }
    // Of a tree that is one leaf LightGBM reads the value alone, and writes the rest empty.
    const bool is_left_out = found == 0 && leaves_ == 1 && !line.text.starts_with("leaf_value=");
    if (count && found != *count && !is_left_out) {
      return fault(text("'{}' has {} items where {} belong", divided(line.text, '=').first, found, *count), line.offset);
    }
    return Tensor::dense(dtype, {static_cast<std::uint64_t>(found)}, Blob::memory(Bytes::adopt(std::move(bytes)), name_));
  }

  Result<NodeId> added(Tensor tensor) {
    if (++tensors_ > limits_.tensors) return over_limit(text("more arrays than the {} allowed", limits_.tensors)).in(name_);
    return arena_.tensor({.index = builder_.add(std::move(tensor), file_)});
  }

  // feature_importances:, parameters: and parser:, each up to an empty line or its own end; then what Python adds.
  Status read_tail() {
    while (const auto line = lines_.next()) {
      if (line->text.empty()) continue;
      if (line->text == "feature_importances:") {
        HOLDALL_TRY(read_importances());
      } else if (line->text == "parameters:") {
        HOLDALL_TRY(read_parameters());
      } else if (line->text == "parser:") {
        HOLDALL_TRY(read_parser(*line));
      } else if (line->text.starts_with(kPandas)) {
        HOLDALL_TRY(read_categories(*line));
      } else {
        return fault("a line behind the trees belongs to nothing", line->offset);
      }
    }
    return {};
  }

  Status read_importances() {
    const NodeId dict = arena_.dict();
    put(root_, "feature_importances", dict);
    while (const auto line = lines_.next()) {
      if (line->text.empty()) return {};
      const std::size_t mark = line->text.rfind('=');
      const auto number =
          mark == std::string_view::npos ? std::nullopt : whole_number<std::int64_t>(line->text.substr(mark + 1));
      if (!number) return fault("the importance of a feature is no whole number", line->offset);
      HOLDALL_TRY(put_once(dict, line->text.substr(0, mark), arena_.integer(*number), *line));
    }
    return {};
  }

  Status read_parameters() {
    const NodeId dict = arena_.dict();
    put(root_, "parameters", dict);
    while (const auto line = lines_.next()) {
      if (line->text == "end of parameters") return {};
      if (line->text.empty()) continue;
      std::string_view pair = line->text;
      if (!pair.starts_with('[') || !pair.ends_with(']')) return fault("a parameter stands in no brackets", line->offset);
      pair = pair.substr(1, pair.size() - 2);
      auto [key, value] = divided(pair, ':');
      if (value.starts_with(' ')) value.remove_prefix(1);
      HOLDALL_TRY(put_once(dict, key, arena_.string(value), *line));
    }
    return fault("'end of parameters' is missing", text_.size());
  }

  Status read_parser(const Line& first) {
    while (const auto line = lines_.next()) {
      // LightGBM looks for the first tree here too where there was none before.
      if (line->text.starts_with(kTree)) return fault("a tree stands in the parser's configuration", line->offset);
      if (line->text != "end of parser") continue;
      const std::uint64_t begin = first.offset + first.text.size() + 1;
      const std::string_view config =
          text_.substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(line->offset - begin));
      return put_once(root_, "parser", arena_.string(config), {config, begin});
    }
    return fault("'end of parser' is missing", text_.size());
  }

  Status read_categories(const Line& line) {
    JsonOptions options;
    options.depth = limits_.depth;
    options.value_bytes = limits_.value_bytes;
    const std::uint64_t begin = line.offset + kPandas.size();
    auto parsed = parse_json(arena_, line.text.substr(kPandas.size()), options);
    if (!parsed) return std::move(parsed).error().shifted(begin).in(name_);
    return put_once(root_, "pandas_categorical", *parsed, line);
  }

  std::string_view text_;
  Lines lines_;
  const std::string& name_;
  const SharedText& file_;
  const Limits& limits_;
  ModelBuilder& builder_;
  Arena& arena_;
  Contents made_;
  NodeId root_ = kNoNode, trees_ = kNoNode;
  std::optional<Line> pending_;
  std::size_t tensors_ = 0;
  // Of the tree being read, as far as it has said them.
  std::optional<std::int64_t> leaves_, category_splits_, category_words_, leaf_features_;
};

}  // namespace

std::optional<Line> Lines::next() {
  if (at_ >= text_.size()) return std::nullopt;
  const std::size_t end = std::min(text_.find('\n', at_), text_.size());
  Line line{text_.substr(at_, end - at_), at_};
  if (line.text.ends_with('\r')) line.text.remove_suffix(1);
  at_ = end + 1;
  return line;
}

Result<Contents> parse(std::string_view text, const std::string& name, const SharedText& file, const Limits& limits,
                       ModelBuilder& builder) {
  return Parser(text, name, file, limits, builder).run();
}

}  // namespace holdall::lightgbm

#include "holdall/ops/flatten.h"

#include <algorithm>
#include <string_view>

#include "holdall/base/digest.h"
#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/core/children.h"
#include "holdall/io/blob.h"
#include "holdall/objects/numpy_objects.h"

namespace holdall {
namespace {

constexpr std::size_t kLong = 4096;

std::string digest_text(std::string_view kind, std::string_view data) {
  Sha256 sha;
  sha.update(as_bytes(data));
  return text("{{\"{}\":{},\"sha256\":\"{}\"}}", kind, data.size(), to_hex(sha.finish()));
}

std::string scalar(Value value) {
  JsonWriter writer;
  switch (value.kind()) {
    case ValueKind::kNull:
      writer.null();
      break;
    case ValueKind::kBool:
      writer.boolean(value.as_bool());
      break;
    case ValueKind::kInt:
      writer.integer(value.as_int());
      break;
    case ValueKind::kBigInt:
      writer.raw(value.as_big_int());
      break;
    case ValueKind::kFloat:
      writer.number(value.as_float());
      break;
    case ValueKind::kComplex:
      writer.begin_object().key("$complex").begin_array().number(value.as_complex().real()).number(value.as_complex().imag());
      writer.end_array().end_object();
      break;
    case ValueKind::kString:
      if (value.as_string().size() > kLong) return digest_text("$text", value.as_string());
      writer.string(value.as_string());
      break;
    case ValueKind::kGlobal:
      writer.begin_object().key("$global").string(text("{}.{}", value.global_module(), value.global_name())).end_object();
      break;
    default:
      break;
  }
  return std::move(writer).take();
}

std::string bytes_leaf(Value value) {
  if (value.bytes_resident()) return digest_text("$bytes", value.as_bytes());
  Sha256 sha;
  const Blob blob = value.as_blob();
  const Status read = for_each_tile(blob, std::size_t{1} << 20, [&](std::uint64_t, std::span<const std::byte> piece) {
    sha.update(piece);
    return Status();
  });
  if (!read) return text("{{\"$bytes\":{},\"unreadable\":true}}", blob.size());
  return text("{{\"$bytes\":{},\"sha256\":\"{}\"}}", blob.size(), to_hex(sha.finish()));
}

// RFC 6901.
std::string escaped(std::string_view component) {
  std::string result = "/";
  for (const char c : component) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result += c;
    }
  }
  return result;
}

// A component as paths show it: a long one is cut, not inside of a character.
std::string shortened(std::string component) {
  constexpr std::size_t kMost = 200;
  if (component.size() <= kMost) return component;
  std::size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(component[end]) & 0xc0) == 0x80) --end;
  component.resize(end);
  return component + "…";
}

std::string key_text(Value key) {
  if (key.is(ValueKind::kString)) return std::string(key.as_string());
  if (key.is(ValueKind::kTuple)) {
    std::string joined = "(";
    for (std::size_t i = 0; i < key.size(); ++i)
      joined += (i == 0 ? "" : ",") + (key.item(i).is(ValueKind::kTuple) ? "()" : key_text(key.item(i)));
    return joined + ")";
  }
  const std::string plain = scalar(key);
  return plain.empty() ? std::string(name(key.kind())) : plain;
}

// Whose array a tensor is, torch's or NumPy's, is a matter of the container and no difference.
bool has_attributes(Value tensor) { return tensor.as_tensor().attributes != kNoNode && !is_numpy_array(tensor); }

// Whether two scalars that are no bytes on disk say the same, without writing them out.
std::optional<bool> are_equal_texts(Value a, Value b) {
  if (a.kind() != b.kind()) return std::nullopt;
  if (a.is(ValueKind::kString)) return a.as_string() == b.as_string();
  if (a.is(ValueKind::kBytes) && a.bytes_resident() && b.bytes_resident()) return a.as_bytes() == b.as_bytes();
  return std::nullopt;
}

bool is_mapping(const ObjectParts& parts) { return !parts.pairs.empty() && parts.items.empty(); }

}  // namespace

// Walks a tree: a container at a time, its children one by one, so that what waits is as much as the tree is deep.
class Flattening {
 public:
  Flattening(FlatTree& tree, Detail detail)
      : tree_(tree), arena_(*tree.arena_), detail_(detail), open_(arena_.size()), entered_(arena_.size()) {
    repeats_left_ = 100'000 + 4 * static_cast<std::uint64_t>(arena_.size());
  }

  void run(Value root) && {
    visit(root.id(), FlatTree::kRoot);
    while (!stack_.empty()) {
      Frame& frame = stack_.back();
      const Value value = arena_.at(frame.node);
      if (frame.next == children(value)) {
        open_[frame.node] = false;
        stack_.pop_back();
      } else {
        visit_child(value, frame.next++, frame.step);
      }
    }
  }

 private:
  using Word = FlatTree::Word;
  using What = FlatTree::What;
  struct Frame {
    NodeId node;
    std::uint32_t step;
    std::size_t next;  // child
  };
  static constexpr std::size_t kParts = 4;  // of an object: callee, args, kwargs, state

  bool says_call(const ObjectParts& parts) const { return detail_ == Detail::kAll || !is_mapping(parts); }

  static bool opens(Value value) { return value.is(ValueKind::kTensor) ? has_attributes(value) : is_container(value.kind()); }

  void visit(NodeId node, std::uint32_t step) {
    const Value value = arena_.at(node);
    if (!opens(value)) {
      add_leaf(value, step);
    } else if (open_[node] || (entered_[node] && repeats_left_ == 0)) {
      add(step, node, What::kReference);
    } else {
      if (entered_[node]) --repeats_left_;
      open_[node] = entered_[node] = true;
      stack_.push_back({node, step, 0});
      say_container(value, step);
    }
  }

  void add_leaf(Value value, std::uint32_t step) {
    if (!value.is(ValueKind::kTensor)) return add(step, value.id(), What::kScalar);
    const TensorNode& tensor = value.as_tensor();
    if (tensor.parameter || tensor.requires_grad) say_flags(tensor, step);
  }

  // What is to be said of a container beside what it holds.
  void say_container(Value value, std::uint32_t step) {
    if (value.is(ValueKind::kTensor)) return say_flags(value.as_tensor(), step);
    if (value.is(ValueKind::kObject)) {
      if (value.as_object().new_object && says_call(value.as_object())) add(below(step, Word::kNew), value.id(), What::kTrue);
    } else if (detail_ == Detail::kAll) {
      add(step, value.id(), What::kKind);
    }
  }

  void say_flags(const TensorNode& tensor, std::uint32_t step) {
    if (detail_ == Detail::kPlain) return;
    add(below(step, Word::kParameter), kNoNode, tensor.parameter ? What::kTrue : What::kFalse);
    add(below(step, Word::kGradient), kNoNode, tensor.requires_grad ? What::kTrue : What::kFalse);
  }

  static std::size_t children(Value value) {
    if (value.is(ValueKind::kTensor)) return 1;
    if (!value.is(ValueKind::kObject)) return value.size();
    const ObjectParts& parts = value.as_object();
    return kParts + parts.items.size() + parts.pairs.size() / 2;
  }

  void visit_child(Value value, std::size_t i, std::uint32_t step) {
    if (value.is(ValueKind::kObject)) return visit_part(value.as_object(), i, step);
    if (value.is(ValueKind::kTensor)) {
      if (detail_ == Detail::kAll) visit(value.as_tensor().attributes, below(step, Word::kAttributes));
    } else if (value.is(ValueKind::kDict)) {
      visit_under(value.key(i), value.mapped(i).id(), step);
    } else {
      visit(value.item(i).id(), below(step, Word::kNumber, static_cast<std::uint32_t>(i)));
    }
  }

  void visit_part(const ObjectParts& parts, std::size_t i, std::uint32_t step) {
    if (i < kParts) {
      if (!says_call(parts)) return;
      constexpr Word kWords[kParts] = {Word::kCallee, Word::kArgs, Word::kKwargs, Word::kState};
      const NodeId part[kParts] = {parts.callee, parts.args, parts.kwargs, parts.state};
      if (part[i] != kNoNode) visit(part[i], below(step, kWords[i]));
    } else if (i -= kParts; i < parts.items.size()) {
      visit(parts.items[i], below(step, Word::kNumber, static_cast<std::uint32_t>(i)));
    } else {
      i = 2 * (i - parts.items.size());
      visit_under(arena_.at(parts.pairs[i]), parts.pairs[i + 1], step);
    }
  }

  // A tensor of which there is nothing to say needs no path.
  void visit_under(Value key, NodeId node, std::uint32_t step) {
    const Value value = arena_.at(node);
    const bool is_silent =
        value.is(ValueKind::kTensor) && !opens(value) && !value.as_tensor().parameter && !value.as_tensor().requires_grad;
    if (!is_silent) visit(node, below(step, Word::kKey, key.id()));
  }

  std::uint32_t below(std::uint32_t parent, Word word, std::uint32_t component = 0) {
    FlatTree::Step step{parent, component, word, 0};
    const std::uint64_t own = word == Word::kKey && arena_.at(component).is(ValueKind::kString)
                                  ? keyed_hash(arena_.at(component).as_string())
                                  : keyed_hash(tree_.component(step));
    step.hash = keyed_hash(tree_.hash_at(parent) + 0x9E3779B97F4A7C15u * own);
    tree_.steps_.push_back(step);
    return static_cast<std::uint32_t>(tree_.steps_.size() - 1);
  }

  void add(std::uint32_t step, NodeId node, What what) {
    const auto leaf = static_cast<std::uint32_t>(tree_.leaves_.size());
    tree_.leaves_.push_back({step, node, what});
    const auto hash_of = [&](std::uint32_t i) { return tree_.hash_at(tree_.leaves_[i].step); };
    const auto is_same = [&](std::uint32_t i) { return tree_.is_same_path(tree_.leaves_[i].step, tree_, step); };
    if (tree_.by_path_.find(hash_of(leaf), is_same) == HashIndex::kNone) tree_.by_path_.add(hash_of(leaf), leaf, hash_of);
  }

  FlatTree& tree_;
  const Arena& arena_;
  Detail detail_;
  std::uint64_t repeats_left_ = 0;
  std::vector<Frame> stack_;
  std::vector<bool> open_, entered_;
};

FlatTree::FlatTree(Value root, Detail detail) {
  if (!root) return;
  arena_ = &root.arena();
  Flattening(*this, detail).run(root);
}

std::string FlatTree::component(const Step& step) const {
  static constexpr std::string_view kWords[] = {"",        "",       "$object",     "$new",       "$args",
                                                "$kwargs", "$state", "$attributes", "$parameter", "$requires_grad"};
  if (step.word == Word::kKey) return key_text(arena_->at(step.component));
  if (step.word == Word::kNumber) return std::to_string(step.component);
  return std::string(kWords[static_cast<std::size_t>(step.word)]);
}

std::string FlatTree::path(std::size_t leaf) const {
  std::vector<const Step*> steps;
  for (std::uint32_t at = leaves_[leaf].step; at != kRoot; at = steps_[at].parent) steps.push_back(&steps_[at]);
  std::string path;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) path += escaped(shortened(component(**step)));
  return path;
}

std::string FlatTree::value(std::size_t leaf) const {
  const auto& [step, node, what] = leaves_[leaf];
  switch (what) {
    case What::kKind:
      return std::string(name(arena_->at(node).kind()));
    case What::kReference:
      return "{\"$ref\":true}";
    case What::kTrue:
      return "true";
    case What::kFalse:
      return "false";
    case What::kScalar:
      break;
  }
  const Value value = arena_->at(node);
  return value.is(ValueKind::kBytes) ? bytes_leaf(value) : scalar(value);
}

std::optional<std::size_t> FlatTree::counterpart(std::size_t i, const FlatTree& other) const {
  const std::uint32_t step = leaves_[i].step;
  const auto is_same = [&](std::uint32_t j) { return is_same_path(step, other, other.leaves_[j].step); };
  const std::uint32_t found = other.by_path_.find(hash_at(step), is_same);
  return found == HashIndex::kNone ? std::nullopt : std::optional<std::size_t>(found);
}

bool FlatTree::is_same_path(std::uint32_t step, const FlatTree& other, std::uint32_t theirs) const {
  if (step == kRoot || theirs == kRoot) return step == theirs;
  const Step& a = steps_[step];
  const Step& b = other.steps_[theirs];
  // The hash, whose key no file knows, is that of the whole path: what stands above needs no second look at every leaf.
  if (a.hash != b.hash) return false;
  const Value x = a.word == Word::kKey ? arena_->at(a.component) : Value();
  const Value y = b.word == Word::kKey ? other.arena_->at(b.component) : Value();
  if (x.is(ValueKind::kString) && y.is(ValueKind::kString)) return x.as_string() == y.as_string();
  return component(a) == other.component(b);
}

bool FlatTree::has_value_of(std::size_t i, const FlatTree& other, std::size_t j) const {
  const Leaf& a = leaves_[i];
  const Leaf& b = other.leaves_[j];
  if (a.what == What::kScalar && b.what == What::kScalar) {
    const auto equal = are_equal_texts(arena_->at(a.node), other.arena_->at(b.node));
    if (equal) return *equal;
  }
  return value(i) == other.value(j);
}

bool is_names_only(const Model& model) {
  const Value tree = model.tree();
  if (!tree.is(ValueKind::kDict)) return false;
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const Value tensor = tree.mapped(i);
    if (!tree.key(i).is(ValueKind::kString) || !tensor.is(ValueKind::kTensor)) return false;
    const TensorNode& node = tensor.as_tensor();
    if (node.parameter || node.requires_grad || has_attributes(tensor)) return false;
    if (model.find(tree.key(i).as_string()) == nullptr) return false;
  }
  return true;
}

}  // namespace holdall

// Values: the tree of plain data beside a model's tensors, in one arena.
//
// A node is an index, so sharing and cycles are the same index met again and nothing is destroyed recursively. Python's types
// are told apart where losing the difference would change what a framework gets back (list and tuple, set and frozenset, text
// and bytes). Globals and objects are names and recorded arguments: inert, never resolved.
// Thread-safety: an Arena is built by one thread and read by many afterwards. Ownership: an Arena owns its nodes and texts;
// a Value is a view that is valid while its Arena lives.
#pragma once

#include <bit>
#include <complex>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "holdall/base/hash_index.h"
#include "holdall/base/plain_vector.h"
#include "holdall/core/item_lists.h"
#include "holdall/io/blob.h"

namespace holdall {

enum class ValueKind : std::uint8_t {
  kNull,
  kBool,
  kInt,
  kBigInt,
  kFloat,
  kComplex,
  kString,
  kBytes,
  kList,
  kTuple,
  kSet,
  kFrozenSet,
  kDict,
  kTensor,
  kGlobal,
  kObject,
};
std::string_view name(ValueKind kind) noexcept;

using NodeId = std::uint32_t;
inline constexpr NodeId kNoNode = UINT32_MAX;

// What Python would have called, and with what.
struct ObjectParts {
  NodeId callee = kNoNode;    // a kGlobal, or any node where the file calls something computed
  NodeId args = kNoNode;      // a kTuple, or absent
  NodeId kwargs = kNoNode;    // a kDict, or absent
  NodeId state = kNoNode;     // what BUILD gave, or absent
  bool new_object = false;    // made by the class's __new__ (NEWOBJ), not by a call
  PlainVector<NodeId> items;  // what APPENDS or ADDITEMS gave
  PlainVector<NodeId> pairs;  // what SETITEMS gave: key, value, key, value
};

// How a tensor stands in the tree, beyond its values.
struct TensorNode {
  std::uint32_t index = 0;  // into the model's distinct tensors, by first appearance
  bool requires_grad = false;
  bool parameter = false;       // torch.nn.Parameter
  NodeId attributes = kNoNode;  // a kDict of anything else (quantizer, state of a Parameter, hooks), or absent
};

class Value;

class Arena {
 public:
  Arena();
  Arena& operator=(const Arena&) = delete;
  // A copy that can be changed; every NodeId means the same in it. Blobs are shared.
  std::shared_ptr<Arena> clone() const;

  // Null, true and false are single nodes.
  NodeId null() const noexcept { return 0; }
  NodeId boolean(bool value) const noexcept { return value ? 2 : 1; }
  NodeId integer(std::int64_t value);
  // Decimal digits with an optional '-', beyond int64. A text that fits becomes an integer.
  NodeId big_integer(std::string_view decimal);
  // `spelling` is kept for JSON, where 1.0 and 1e0 are different texts.
  NodeId real(double value, std::string_view spelling = {});
  NodeId complex(std::complex<double> value);
  NodeId string(std::string_view text);
  NodeId bytes(std::string_view data);
  // Bytes that stay on disk.
  NodeId bytes(Blob blob);
  NodeId list(std::span<const NodeId> items = {});
  NodeId list(std::initializer_list<NodeId> items) { return list(std::span(items.begin(), items.size())); }
  NodeId tuple(std::span<const NodeId> items = {});
  NodeId tuple(std::initializer_list<NodeId> items) { return tuple(std::span(items.begin(), items.size())); }
  NodeId set(std::span<const NodeId> items = {});
  NodeId set(std::initializer_list<NodeId> items) { return set(std::span(items.begin(), items.size())); }
  NodeId frozen_set(std::span<const NodeId> items = {});
  NodeId frozen_set(std::initializer_list<NodeId> items) { return frozen_set(std::span(items.begin(), items.size())); }
  NodeId dict();
  NodeId tensor(TensorNode node);
  NodeId global(std::string_view module, std::string_view name);
  NodeId object(ObjectParts parts);

  // Precondition: the node is a list, set, frozen set or tuple (tuples grow only while a reader builds them).
  void append(NodeId container, NodeId item);
  // Python's semantics: an equal key's value is replaced in its place. Precondition: the node is a dict.
  void set_item(NodeId dict, NodeId key, NodeId value);
  void set_item(NodeId dict, std::string_view key, NodeId value) { set_item(dict, string(key), value); }
  // Precondition: the node is an object.
  ObjectParts& object_parts(NodeId object);
  TensorNode& tensor_node(NodeId tensor);
  // Makes `node` show `other`'s content (for readers that learn late what an object is). The two share children.
  void replace(NodeId node, NodeId other);

  // A moment in the arena's life, to go back to.
  struct Mark {
    NodeId nodes = 0;
    std::uint32_t objects = 0, tensors = 0, globals = 0, blobs = 0;
    std::uint64_t texts = 0;
    ItemLists::Mark lists;
  };
  Mark mark() const noexcept;
  // Takes away all that was made since, `kept` apart, and returns what that is now. Preconditions: `kept` is a tensor without
  // attributes; since the mark no container has been given an item after it was made; nothing that stays refers to what goes.
  NodeId rewind(const Mark& mark, NodeId kept);

  std::size_t size() const noexcept { return nodes_.size(); }
  // Bytes of all texts: keys, strings, bytes.
  std::uint64_t text_bytes() const noexcept { return texts_.size(); }
  // Bytes taken, for Limits::value_bytes.
  std::uint64_t memory() const noexcept;
  Value at(NodeId node) const noexcept;

 private:
  friend class Value;
  Arena(const Arena&) = default;
  struct Node {
    ValueKind kind;
    std::uint32_t a;  // length of a text, or index into a side table
    std::uint64_t b;  // payload: integer, float bits, or offset of a text
  };
  // Marks, in `b` of a kBytes node, a blob's index.
  static constexpr std::uint64_t kOnDisk = std::uint64_t{1} << 63;
  NodeId add(Node node);
  NodeId add_text(ValueKind kind, std::string_view text);
  NodeId add_items(ValueKind kind, std::span<const NodeId> items);
  std::string key_of(NodeId key) const;
  std::uint64_t hash_of(NodeId key) const;
  bool are_equal_keys(NodeId a, NodeId b) const;

  PlainVector<Node> nodes_;
  PlainVector<char> texts_;
  ItemLists lists_;
  std::deque<ObjectParts> objects_;
  PlainVector<TensorNode> tensors_;
  std::deque<Blob> blobs_;
  struct Global {
    NodeId module, name;  // both kString
  };
  PlainVector<Global> globals_;
  std::unordered_map<std::uint32_t, HashIndex> dict_indices_;  // by list index: entries of large dicts by key
  std::uint64_t index_bytes_ = 0;                              // of dict_indices_
};

// A node seen for reading. Accessors' precondition: kind() is theirs.
class Value {
 public:
  Value() = default;
  Value(const Arena* arena, NodeId id) : arena_(arena), id_(id) {}

  explicit operator bool() const noexcept { return arena_ != nullptr; }  // false: no such value
  NodeId id() const noexcept { return id_; }
  const Arena& arena() const noexcept { return *arena_; }
  ValueKind kind() const noexcept;
  bool is(ValueKind kind) const noexcept { return arena_ != nullptr && this->kind() == kind; }
  bool is_null() const noexcept { return is(ValueKind::kNull); }

  bool as_bool() const noexcept;
  std::int64_t as_int() const noexcept;
  std::string_view as_big_int() const noexcept;  // decimal
  double as_float() const noexcept;
  std::string_view float_spelling() const noexcept;  // empty when not kept
  std::complex<double> as_complex() const noexcept;
  std::string_view as_string() const noexcept;
  // kBytes: resident ones as text; blob-backed ones only by as_blob().
  bool bytes_resident() const noexcept;
  std::string_view as_bytes() const noexcept;
  Blob as_blob() const;
  std::uint64_t bytes_size() const noexcept;
  const TensorNode& as_tensor() const noexcept;
  std::string_view global_module() const noexcept;
  std::string_view global_name() const noexcept;
  bool is_global(std::string_view module, std::string_view name) const noexcept;
  const ObjectParts& as_object() const noexcept;

  // List, tuple, set, frozen set: items. Dict: entries are size() pairs.
  std::size_t size() const noexcept;
  Value item(std::size_t i) const noexcept;
  Value key(std::size_t i) const noexcept;
  Value mapped(std::size_t i) const noexcept;
  // The value under a text key of a dict; false when there is none or this is no dict.
  Value find(std::string_view key) const noexcept;
  // The same for an integer key, as an optimizer's state has them.
  Value find(std::int64_t key) const noexcept;
  // find() of an integer; empty when absent or of another kind.
  std::optional<std::int64_t> find_int(std::string_view key) const noexcept;
  // An integer or a float.
  std::optional<double> find_number(std::string_view key) const noexcept;
  std::optional<std::string_view> find_string(std::string_view key) const noexcept;

  Value of(NodeId id) const noexcept { return id == kNoNode ? Value() : Value(arena_, id); }

 private:
  template <class IsKey>
  Value find(std::uint64_t hash, const IsKey& is_key) const noexcept;

  const Arena* arena_ = nullptr;
  NodeId id_ = 0;
};

// Accessors are small and met millions of times: they stand where callers can see them.
inline ValueKind Value::kind() const noexcept { return arena_->nodes_[id_].kind; }
inline bool Value::as_bool() const noexcept { return arena_->nodes_[id_].b != 0; }
inline std::int64_t Value::as_int() const noexcept { return std::bit_cast<std::int64_t>(arena_->nodes_[id_].b); }
inline double Value::as_float() const noexcept { return std::bit_cast<double>(arena_->nodes_[id_].b); }
inline std::string_view Value::as_string() const noexcept {
  const auto& node = arena_->nodes_[id_];
  return {arena_->texts_.begin() + node.b, node.a};
}
inline bool Value::bytes_resident() const noexcept { return (arena_->nodes_[id_].b & Arena::kOnDisk) == 0; }
inline std::string_view Value::as_bytes() const noexcept { return bytes_resident() ? as_string() : std::string_view(); }
inline const TensorNode& Value::as_tensor() const noexcept { return arena_->tensors_[arena_->nodes_[id_].a]; }
inline std::string_view Value::global_module() const noexcept {
  return of(arena_->globals_[arena_->nodes_[id_].a].module).as_string();
}
inline std::string_view Value::global_name() const noexcept {
  return of(arena_->globals_[arena_->nodes_[id_].a].name).as_string();
}
inline bool Value::is_global(std::string_view module, std::string_view name) const noexcept {
  return is(ValueKind::kGlobal) && global_module() == module && global_name() == name;
}
inline const ObjectParts& Value::as_object() const noexcept { return arena_->objects_[arena_->nodes_[id_].a]; }
inline std::size_t Value::size() const noexcept {
  const std::size_t entries = arena_->lists_[arena_->nodes_[id_].a].size();
  return kind() == ValueKind::kDict ? entries / 2 : entries;
}
inline Value Value::item(std::size_t i) const noexcept { return of(arena_->lists_[arena_->nodes_[id_].a][i]); }
inline Value Value::key(std::size_t i) const noexcept { return item(2 * i); }
inline Value Value::mapped(std::size_t i) const noexcept { return item(2 * i + 1); }
inline Value Arena::at(NodeId node) const noexcept { return {this, node}; }

}  // namespace holdall

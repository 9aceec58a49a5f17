#include "holdall/core/value.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>

#include "holdall/base/keyed_hash.h"

namespace holdall {
namespace {

constexpr std::array<std::string_view, 16> kKindNames = {"null",   "bool",   "int",    "big int", "float", "complex",
                                                         "string", "bytes",  "list",   "tuple",   "set",   "frozen set",
                                                         "dict",   "tensor", "global", "object"};
static_assert(kKindNames.size() == static_cast<std::size_t>(ValueKind::kObject) + 1);

// From this many entries on a dict has a hash index.
constexpr std::size_t kIndexFrom = 16;

}  // namespace

std::string_view name(ValueKind kind) noexcept { return kKindNames[static_cast<std::size_t>(kind)]; }

Arena::Arena() {
  add({ValueKind::kNull, 0, 0});
  add({ValueKind::kBool, 0, 0});
  add({ValueKind::kBool, 0, 1});
}

std::shared_ptr<Arena> Arena::clone() const { return std::shared_ptr<Arena>(new Arena(*this)); }

NodeId Arena::add(Node node) {
  nodes_.push_back(node);
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Arena::add_text(ValueKind kind, std::string_view text) {
  const std::uint64_t offset = texts_.size();
  texts_.append({text.data(), text.size()});
  return add({kind, static_cast<std::uint32_t>(text.size()), offset});
}

NodeId Arena::add_items(ValueKind kind, std::span<const NodeId> items) { return add({kind, lists_.add(items), 0}); }

NodeId Arena::integer(std::int64_t value) { return add({ValueKind::kInt, 0, std::bit_cast<std::uint64_t>(value)}); }

NodeId Arena::big_integer(std::string_view decimal) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(decimal.data(), decimal.data() + decimal.size(), value);
  if (error == std::errc() && end == decimal.data() + decimal.size()) return integer(value);
  return add_text(ValueKind::kBigInt, decimal);
}

NodeId Arena::real(double value, std::string_view spelling) {
  std::uint32_t kept = kNoNode;
  if (!spelling.empty()) kept = string(spelling);
  return add({ValueKind::kFloat, kept, std::bit_cast<std::uint64_t>(value)});
}

NodeId Arena::complex(std::complex<double> value) {
  const NodeId imaginary = real(value.imag());
  return add({ValueKind::kComplex, imaginary, std::bit_cast<std::uint64_t>(value.real())});
}

NodeId Arena::string(std::string_view text) { return add_text(ValueKind::kString, text); }

// Resident bytes have a == length; bytes on disk have the top bit of b set and their blob's index in it.
NodeId Arena::bytes(std::string_view data) { return add_text(ValueKind::kBytes, data); }

NodeId Arena::bytes(Blob blob) {
  blobs_.push_back(std::move(blob));
  return add({ValueKind::kBytes, 0, kOnDisk | (blobs_.size() - 1)});
}

NodeId Arena::list(std::span<const NodeId> items) { return add_items(ValueKind::kList, items); }
NodeId Arena::tuple(std::span<const NodeId> items) { return add_items(ValueKind::kTuple, items); }
NodeId Arena::set(std::span<const NodeId> items) { return add_items(ValueKind::kSet, items); }
NodeId Arena::frozen_set(std::span<const NodeId> items) { return add_items(ValueKind::kFrozenSet, items); }
NodeId Arena::dict() { return add_items(ValueKind::kDict, {}); }

NodeId Arena::tensor(TensorNode node) {
  tensors_.push_back(node);
  return add({ValueKind::kTensor, static_cast<std::uint32_t>(tensors_.size() - 1), 0});
}

NodeId Arena::global(std::string_view module, std::string_view name) {
  const NodeId module_id = string(module);
  const NodeId name_id = string(name);
  globals_.push_back({module_id, name_id});
  return add({ValueKind::kGlobal, static_cast<std::uint32_t>(globals_.size() - 1), 0});
}

NodeId Arena::object(ObjectParts parts) {
  objects_.push_back(std::move(parts));
  return add({ValueKind::kObject, static_cast<std::uint32_t>(objects_.size() - 1), 0});
}

void Arena::append(NodeId container, NodeId item) { lists_.push_back(nodes_[container].a, item); }

namespace {

std::string tagged(char tag, std::string_view text) {
  std::string key;
  key.reserve(text.size() + 1);
  key.push_back(tag);
  key.append(text);
  return key;
}

}  // namespace

// Keys but for texts: those that Python holds equal (1, 1.0 and True) give one text; what has no such text stands for itself.
std::string Arena::key_of(NodeId key) const {
  const Value value = at(key);
  switch (value.kind()) {
    case ValueKind::kNull:
      return "n";
    case ValueKind::kBool:
      return value.as_bool() ? "i1" : "i0";
    case ValueKind::kInt:
      return tagged('i', std::to_string(value.as_int()));
    case ValueKind::kBigInt:
      return tagged('i', value.as_big_int());
    case ValueKind::kFloat: {
      const double number = value.as_float();
      if (number == std::floor(number) && std::abs(number) < 9e15) {
        return tagged('i', std::to_string(static_cast<std::int64_t>(number)));
      }
      return tagged('f', std::to_string(std::bit_cast<std::uint64_t>(number)));
    }
    case ValueKind::kBytes:
      if (value.bytes_resident()) return tagged('b', value.as_bytes());
      break;
    case ValueKind::kGlobal: {
      std::string names = tagged('g', value.global_module());
      names.push_back('\0');
      return names.append(value.global_name());
    }
    default:
      break;
  }
  return tagged('#', std::to_string(key));
}

// Text equals nothing but text.
bool Arena::are_equal_keys(NodeId a, NodeId b) const {
  const bool is_text = nodes_[a].kind == ValueKind::kString;
  if (is_text != (nodes_[b].kind == ValueKind::kString)) return false;
  return is_text ? at(a).as_string() == at(b).as_string() : key_of(a) == key_of(b);
}

std::uint64_t Arena::hash_of(NodeId key) const {
  return keyed_hash(nodes_[key].kind == ValueKind::kString ? at(key).as_string() : key_of(key));
}

void Arena::set_item(NodeId dict, NodeId key, NodeId value) {
  const std::uint32_t list = nodes_[dict].a;
  const std::span<NodeId> entries = lists_[list];
  const auto count = static_cast<std::uint32_t>(entries.size() / 2);
  const auto is_key = [&](std::uint32_t i) { return are_equal_keys(entries[2 * i], key); };
  std::uint32_t found = HashIndex::kNone;
  if (count < kIndexFrom) {
    for (std::uint32_t i = 0; i < count && found == HashIndex::kNone; ++i)
      if (is_key(i)) found = i;
  } else {
    HashIndex& index = dict_indices_[list];
    const std::uint64_t before = index.memory();
    const auto hash_of_entry = [&](std::uint32_t i) { return hash_of(entries[2 * i]); };
    for (auto i = static_cast<std::uint32_t>(index.size()); i < count; ++i) index.add(hash_of_entry(i), i, hash_of_entry);
    const std::uint64_t hash = hash_of(key);
    found = index.find(hash, is_key);
    if (found == HashIndex::kNone) index.add(hash, count, hash_of_entry);
    index_bytes_ += index.memory() - before;
  }
  if (found != HashIndex::kNone) {
    entries[2 * found + 1] = value;
    return;
  }
  lists_.push_back(list, key);
  lists_.push_back(list, value);
}

ObjectParts& Arena::object_parts(NodeId object) { return objects_[nodes_[object].a]; }
TensorNode& Arena::tensor_node(NodeId tensor) { return tensors_[nodes_[tensor].a]; }
void Arena::replace(NodeId node, NodeId other) { nodes_[node] = nodes_[other]; }

Arena::Mark Arena::mark() const noexcept {
  const auto count = [](const auto& things) { return static_cast<std::uint32_t>(things.size()); };
  return {count(nodes_), count(objects_), count(tensors_), count(globals_), count(blobs_), texts_.size(), lists_.mark()};
}

NodeId Arena::rewind(const Mark& mark, NodeId kept) {
  const TensorNode node = tensor_node(kept);
  nodes_.resize(mark.nodes);
  objects_.resize(mark.objects);
  tensors_.resize(mark.tensors);
  globals_.resize(mark.globals);
  blobs_.resize(mark.blobs);
  texts_.resize(mark.texts);
  lists_.rewind(mark.lists);
  return tensor(node);
}

std::uint64_t Arena::memory() const noexcept {
  std::uint64_t total = nodes_.size() * sizeof(Node) + texts_.size() + lists_.memory();
  total += objects_.size() * sizeof(ObjectParts);
  total += tensors_.size() * sizeof(TensorNode) + blobs_.size() * sizeof(Blob) + globals_.size() * 8;
  return total + dict_indices_.size() * sizeof(HashIndex) + index_bytes_;
}

std::string_view Value::as_big_int() const noexcept { return as_string(); }

std::string_view Value::float_spelling() const noexcept {
  const NodeId kept = arena_->nodes_[id_].a;
  return kept == kNoNode ? std::string_view() : of(kept).as_string();
}

std::complex<double> Value::as_complex() const noexcept {
  return {std::bit_cast<double>(arena_->nodes_[id_].b), of(arena_->nodes_[id_].a).as_float()};
}

Blob Value::as_blob() const {
  if (bytes_resident()) return Blob::memory(Bytes::copy(as_bytes()), "bytes");
  return arena_->blobs_[arena_->nodes_[id_].b & ~Arena::kOnDisk];
}

std::uint64_t Value::bytes_size() const noexcept {
  return bytes_resident() ? arena_->nodes_[id_].a : arena_->blobs_[arena_->nodes_[id_].b & ~Arena::kOnDisk].size();
}

template <class IsKey>
Value Value::find(std::uint64_t hash, const IsKey& is_key) const noexcept {
  const auto index = size() <= kIndexFrom ? arena_->dict_indices_.end() : arena_->dict_indices_.find(arena_->nodes_[id_].a);
  if (index != arena_->dict_indices_.end()) {
    const std::uint32_t place = index->second.find(hash, [&](std::uint32_t i) { return is_key(this->key(i)); });
    return place == HashIndex::kNone ? Value() : mapped(place);
  }
  for (std::size_t i = 0; i < size(); ++i)
    if (is_key(this->key(i))) return mapped(i);
  return {};
}

Value Value::find(std::string_view key) const noexcept {
  if (!is(ValueKind::kDict)) return {};
  return find(size() <= kIndexFrom ? 0 : keyed_hash(key),
              [&](Value held) { return held.is(ValueKind::kString) && held.as_string() == key; });
}

Value Value::find(std::int64_t key) const noexcept {
  if (!is(ValueKind::kDict)) return {};
  return find(size() <= kIndexFrom ? 0 : keyed_hash(tagged('i', std::to_string(key))),
              [&](Value held) { return held.is(ValueKind::kInt) && held.as_int() == key; });
}

std::optional<std::int64_t> Value::find_int(std::string_view key) const noexcept {
  const Value found = find(key);
  if (!found.is(ValueKind::kInt)) return std::nullopt;
  return found.as_int();
}

std::optional<double> Value::find_number(std::string_view key) const noexcept {
  const Value found = find(key);
  if (found.is(ValueKind::kInt)) return static_cast<double>(found.as_int());
  if (!found.is(ValueKind::kFloat)) return std::nullopt;
  return found.as_float();
}

std::optional<std::string_view> Value::find_string(std::string_view key) const noexcept {
  const Value found = find(key);
  if (!found.is(ValueKind::kString)) return std::nullopt;
  return found.as_string();
}

}  // namespace holdall

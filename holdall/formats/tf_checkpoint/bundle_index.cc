#include "holdall/formats/tf_checkpoint/bundle_index.h"

#include <algorithm>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/tf_checkpoint/slices.h"

namespace holdall::tf_checkpoint {
namespace {

constexpr std::uint64_t kMostShards = 1'000'000;
constexpr std::uint32_t kProducer = 1;  // of the bundles' layout, since it began

Blob in_memory(std::string_view value) { return Blob::memory(Bytes::copy(value), {}); }

Status read_header(std::string_view value, Index& index) {
  ProtoReader header(in_memory(value));
  while (true) {
    HOLDALL_ASSIGN(const auto field, header.next());
    if (!field) break;
    if (field->is_varint(1)) index.shards = field->value;
    if (field->is_varint(2)) {
      if (field->value > 1) return unsupported(text("byte order {} is not known", field->value));
      index.order = field->value == 1 ? ByteOrder::kBig : ByteOrder::kLittle;
    }
    if (!field->is_bytes(3)) continue;
    HOLDALL_ASSIGN(ProtoReader version, header.message(*field));
    while (true) {
      HOLDALL_ASSIGN(const auto part, version.next());
      if (!part) break;
      if (part->is_varint(1)) index.producer = part->value;
    }
  }
  if (index.shards == 0 || index.shards > kMostShards) return corrupt(text("the header says {} data files", index.shards));
  return {};
}

Result<Entry> read_entry(std::string_view value) {
  ProtoReader message(in_memory(value));
  Entry entry;
  while (true) {
    HOLDALL_ASSIGN(const auto field, message.next());
    if (!field) return entry;
    if (field->is_varint(1)) entry.dtype = field->value;
    if (field->is_varint(3)) entry.shard = field->value;
    if (field->is_varint(4)) entry.offset = field->value;
    if (field->is_varint(5)) entry.size = field->value;
    if (field->is(6, ProtoWire::kFixed32)) entry.crc = static_cast<std::uint32_t>(field->value);
    if (field->is_bytes(2)) {
      HOLDALL_ASSIGN(ProtoReader shape, message.message(*field));
      HOLDALL_ASSIGN(entry.shape, read_tensorflow_shape(std::move(shape)));
    }
    if (field->is_bytes(7)) {
      if (entry.slices.size() == kMostPieces) return over_limit(text("more than {} slices", kMostPieces));
      HOLDALL_ASSIGN(ProtoReader slice, message.message(*field));
      HOLDALL_ASSIGN(Slice read, read_slice(std::move(slice)));
      entry.slices.push_back(std::move(read));
    }
  }
}

// Marks the entries of slices; each must be there, once, and have bytes of its own.
Status link_slices(Index& index) {
  for (const Entry& whole : index.entries) {
    const auto fault = [&](std::string_view what) { return corrupt(text("tensor '{}': {}", whole.key, what)).at(whole.at); };
    for (const Slice& slice : whole.slices) {
      const Entry* part = index.find(slice_key(whole.key, slice));
      if (part == nullptr) return fault("a slice has no entry");
      if (!part->slices.empty()) return fault("a slice has slices");
      if (part->is_slice) return fault("two slices are the same");
      const_cast<Entry*>(part)->is_slice = true;
    }
  }
  return {};
}

}  // namespace

const Entry* Index::find(std::string_view key) const noexcept {
  const auto found = std::lower_bound(entries.begin(), entries.end(), key,
                                      [](const Entry& entry, std::string_view wanted) { return entry.key < wanted; });
  return found != entries.end() && found->key == key ? &*found : nullptr;
}

Kind kind_of(const SortedTable& table) {
  const auto first = table.find("");
  if (!first || !*first) return Kind::kNeither;
  ProtoReader message(in_memory(**first));
  Kind kind = Kind::kNeither;
  while (true) {
    const auto field = message.next();
    if (!field) return Kind::kNeither;
    if (!*field) return kind;
    if ((*field)->number == 1) kind = (*field)->wire == ProtoWire::kVarint ? Kind::kBundle : Kind::kV1;
  }
}

Result<Index> read_index(const SortedTable& table, const Limits& limits) {
  Index index;
  bool has_header = false;
  std::uint64_t bytes = 0;
  HOLDALL_TRY(table.for_each([&](std::string_view key, std::string_view value, std::uint64_t at) -> Status {
    if (key.empty()) {
      has_header = true;
      return read_header(value, index);
    }
    if (index.entries.size() == limits.tensors) return over_limit(text("more than the {} tensors allowed", limits.tensors));
    auto entry = read_entry(value);
    if (!entry) return Error(entry.error().code(), entry.error().message()).with(text("tensor '{}'", key));
    bytes += sizeof(Entry) + key.size() + entry->shape.sizes.size() * sizeof(std::uint64_t) + entry->shape.text.size();
    for (const Slice& slice : entry->slices) bytes += sizeof(Slice) + slice.size() * sizeof(Extent);
    if (bytes > limits.value_bytes) return over_limit(text("names and entries take more than {} bytes", limits.value_bytes));
    if (entry->shard >= index.shards && entry->slices.empty()) {
      return corrupt(text("tensor '{}' lies in data file {} of {}", key, entry->shard, index.shards));
    }
    entry->key = key;
    entry->at = at;
    index.entries.push_back(std::move(*entry));
    return {};
  }));
  if (!has_header) return corrupt("the table has no header of a bundle").in(table.source()->name());
  if (Status linked = link_slices(index); !linked) return std::move(linked).error().in(table.source()->name());
  return index;
}

std::string write_header(std::uint64_t shards) {
  return ProtoWriter().varint(1, shards).message(3, ProtoWriter().varint(1, kProducer)).take();
}

std::string write_entry(std::uint32_t dtype, std::span<const std::uint64_t> shape, std::uint64_t shard, std::uint64_t offset,
                        std::uint64_t size, std::uint32_t crc) {
  ProtoWriter entry;
  entry.varint(1, dtype).message(2, write_tensorflow_shape(shape));
  if (shard != 0) entry.varint(3, shard);
  if (offset != 0) entry.varint(4, offset);
  if (size != 0) entry.varint(5, size);
  entry.fixed32(6, mask_crc32c(crc));
  return entry.take();
}

}  // namespace holdall::tf_checkpoint

#include "holdall/codec/hdf5_header.h"

#include <algorithm>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/codec/hdf5_heaps.h"

namespace holdall::hdf5 {
namespace {

constexpr std::uint16_t kLastKnown = 0x17;
constexpr unsigned kDeepest = 4;
constexpr std::uint64_t kOldPrefix = 16;
constexpr std::uint64_t kMostPrefix = 4 + 1 + 1 + 16 + 4 + 8;

}  // namespace

const Message* ObjectHeader::find(MessageType type) const noexcept {
  const auto is = [&](const Message& message) { return message.type == type; };
  const auto found = std::find_if(messages.begin(), messages.end(), is);
  return found == messages.end() ? nullptr : &*found;
}

Result<ObjectHeader> Headers::read(std::uint64_t address) {
  if (++depth_ > kDeepest) return corrupt("shared messages lead to one another").at(metadata_.base() + address);
  std::vector<Pending> outer;
  outer.swap(pending_);
  const bool outer_creation = has_creation_;
  ObjectHeader header;
  header.address = address;
  auto start = metadata_.read_at_most(address, kMostPrefix);
  Status status = start ? Status() : Status(std::move(start).error());
  if (status) {
    const bool is_new = start->bytes.text().starts_with("OHDR");
    status = is_new ? read_new(header, *start) : read_old(header, metadata_.fields(*start));
  }
  pending_.swap(outer);
  has_creation_ = outer_creation;
  --depth_;
  if (!status) return std::move(status).error();
  return header;
}

Status Headers::read_old(ObjectHeader& header, Fields fields) {
  HOLDALL_ASSIGN(const std::uint8_t version, fields.version("an object header", 1, 1));
  static_cast<void>(version);
  HOLDALL_TRY(fields.skip(1));
  HOLDALL_ASSIGN(const std::uint16_t count, fields.half());
  HOLDALL_TRY(fields.skip(4));
  HOLDALL_ASSIGN(const std::uint32_t size, fields.word());
  pending_.push_back({header.address + kOldPrefix, size});
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    HOLDALL_ASSIGN(Block block, metadata_.read(pending_[i].address, pending_[i].size));
    HOLDALL_TRY(take_old(header, metadata_.fields(std::move(block)), count));
  }
  return {};
}

Status Headers::take_old(ObjectHeader& header, Fields fields, std::uint64_t most) {
  // What is left behind the last message may be too short for another.
  while (fields.remaining() >= 8 && header.messages.size() < most) {
    HOLDALL_ASSIGN(const std::uint16_t type, fields.half());
    HOLDALL_ASSIGN(const std::uint16_t size, fields.half());
    HOLDALL_ASSIGN(const std::uint8_t flags, fields.byte());
    HOLDALL_TRY(fields.skip(3));
    HOLDALL_ASSIGN(Block data, fields.take(size));
    HOLDALL_TRY(add(header, type, flags, std::move(data)));
  }
  return {};
}

Status Headers::read_new(ObjectHeader& header, const Block& start) {
  Fields fields = metadata_.fields(start);
  HOLDALL_TRY(fields.expect("OHDR"));
  HOLDALL_ASSIGN(const std::uint8_t version, fields.version("an object header", 2, 2));
  static_cast<void>(version);
  HOLDALL_ASSIGN(const std::uint8_t flags, fields.byte());
  if ((flags & 0x20) != 0) HOLDALL_TRY(fields.skip(16));
  if ((flags & 0x10) != 0) HOLDALL_TRY(fields.skip(4));
  HOLDALL_ASSIGN(const std::uint64_t size, fields.number(1u << (flags & 3)));
  const auto whole = checked_add(size, fields.position() + 4);
  if (!whole) return fields.fault("an object header has 2^64 bytes");
  has_creation_ = (flags & 4) != 0;
  HOLDALL_ASSIGN(const Block first, metadata_.read_checked(header.address, *whole));
  HOLDALL_TRY(take_new(header, metadata_.fields(first.slice(fields.position(), size))));
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    HOLDALL_ASSIGN(Block block, metadata_.read_checked(pending_[i].address, pending_[i].size));
    Fields more = metadata_.fields(std::move(block));
    HOLDALL_TRY(more.expect("OCHK"));
    HOLDALL_TRY(take_new(header, std::move(more)));
  }
  return {};
}

Status Headers::take_new(ObjectHeader& header, Fields fields) {
  const std::size_t prefix = has_creation_ ? 6 : 4;
  while (fields.remaining() >= prefix) {
    HOLDALL_ASSIGN(const std::uint8_t type, fields.byte());
    HOLDALL_ASSIGN(const std::uint16_t size, fields.half());
    HOLDALL_ASSIGN(const std::uint8_t flags, fields.byte());
    if (has_creation_) HOLDALL_TRY(fields.skip(2));
    HOLDALL_ASSIGN(Block data, fields.take(size));
    HOLDALL_TRY(add(header, type, flags, std::move(data)));
  }
  return {};
}

Status Headers::add(ObjectHeader& header, std::uint16_t type, std::uint8_t flags, Block data) {
  if (type > kLastKnown && (flags & 0x80) != 0) {
    return unsupported(text("a message of the unknown type {} that must not be passed over", type)).at(data.at);
  }
  const auto kind = static_cast<MessageType>(type);
  if (kind == MessageType::kContinuation) {
    Fields fields = metadata_.fields(data);
    HOLDALL_ASSIGN(const std::uint64_t address, fields.address());
    HOLDALL_ASSIGN(const std::uint64_t size, fields.length());
    pending_.push_back({address, size});
  }
  if (kind != MessageType::kNil && type <= kLastKnown && (flags & 2) != 0) {
    HOLDALL_ASSIGN(data, shared(kind, data));
  }
  // Messages that say nothing count too: a header of version 1 tells how many there are.
  header.messages.push_back({kind, std::move(data)});
  return {};
}

Result<Block> Headers::shared(MessageType type, const Block& reference) {
  Fields fields = metadata_.fields(reference);
  HOLDALL_ASSIGN(const std::uint8_t version, fields.version("a shared message", 1, 3));
  HOLDALL_ASSIGN(const std::uint8_t place, fields.byte());
  if (version == 1) HOLDALL_TRY(fields.skip(6 + fields.widths().length));
  if (version == 3 && place == 1) {
    HOLDALL_ASSIGN(const Block id, fields.take(8));
    const auto serves = [&](const SharedIndex& index) { return (index.types >> static_cast<unsigned>(type) & 1) != 0; };
    const auto index = std::find_if(shared_.begin(), shared_.end(), serves);
    if (index == shared_.end()) return fields.fault("a shared message without a table of them");
    if (!index->opened) {
      HOLDALL_ASSIGN(index->opened, FractalHeap::open(metadata_, index->heap));
    }
    return index->opened->object(id.bytes);
  }
  HOLDALL_ASSIGN(const std::uint64_t address, fields.address());
  HOLDALL_ASSIGN(const ObjectHeader header, read(address));
  const Message* found = header.find(type);
  if (found == nullptr) return fields.fault("a shared message is not where it should be");
  return found->data;
}

Status Headers::read_shared_table(const Message& message) {
  Fields fields = metadata_.fields(message.data);
  HOLDALL_ASSIGN(const std::uint8_t version, fields.version("a table of shared messages", 0, 0));
  static_cast<void>(version);
  HOLDALL_ASSIGN(const std::uint64_t address, fields.address());
  HOLDALL_ASSIGN(const std::uint8_t count, fields.byte());
  const std::uint64_t entry = 1 + 1 + 2 + 4 + 2 + 2 + 2 + 2 * std::uint64_t{metadata_.widths.address};
  HOLDALL_ASSIGN(Block block, metadata_.read_checked(address, 4 + count * entry + 4));
  Fields table = metadata_.fields(std::move(block));
  HOLDALL_TRY(table.expect("SMTB"));
  for (std::uint8_t i = 0; i < count; ++i) {
    SharedIndex index;
    HOLDALL_TRY(table.skip(2));
    HOLDALL_ASSIGN(index.types, table.half());
    HOLDALL_TRY(table.skip(4 + 2 + 2 + 2));
    HOLDALL_TRY(table.skip(metadata_.widths.address));
    HOLDALL_ASSIGN(index.heap, table.address());
    shared_.push_back(index);
  }
  return {};
}

}  // namespace holdall::hdf5

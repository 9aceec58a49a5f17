#include "holdall/formats/tf_checkpoint/variants.h"

#include <algorithm>
#include <array>
#include <utility>

#include "holdall/base/crc32c.h"
#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/codec/protobuf.h"
#include "holdall/codec/sstable.h"

namespace holdall::tf_checkpoint {
namespace {

constexpr std::size_t kTile = 1u << 20;
constexpr std::uint64_t kSum = 4;
constexpr std::uint64_t kLongestVarint = 10;

template <typename T>
std::array<std::byte, sizeof(T)> stored_as(T value, ByteOrder order) {
  std::array<std::byte, sizeof(T)> raw;
  order == ByteOrder::kBig ? store_be(raw.data(), value) : store_le(raw.data(), value);
  return raw;
}

// One element at the front of `rest`, which it is taken off.
Status check_one(Blob& rest, std::uint32_t& crc, ByteOrder order,
                 const std::function<Status(std::span<const std::byte>)>& use) {
  const auto fault = [&](std::string what) { return corrupt(std::move(what)).at(rest.offset()).in(rest.name()); };
  HOLDALL_ASSIGN(const Blob front, rest.slice(0, std::min<std::uint64_t>(kLongestVarint, rest.size())));
  HOLDALL_ASSIGN(const Bytes read, front.read());
  auto ahead = read.span();
  const auto found = take_varint(ahead);
  if (!found) return fault("an element has no length");
  const std::uint64_t length = *found;
  const std::uint64_t begin = read.size() - ahead.size();
  const std::uint64_t left = rest.size() - begin;
  if (left < kSum || length > left - kSum)
    return fault(text("an element of {} bytes and its checksum, {} remain", length, left));
  crc = crc32c(stored_as(length, order), crc);
  HOLDALL_ASSIGN(const Blob bytes, rest.slice(begin, length));
  HOLDALL_TRY(for_each_tile(bytes, kTile, [&](std::uint64_t, std::span<const std::byte> piece) {
    crc = crc32c(piece, crc);
    return use(piece);
  }));
  HOLDALL_ASSIGN(const Blob after, rest.slice(begin + length, kSum));
  HOLDALL_ASSIGN(const Bytes sum, after.read());
  const std::byte* at = sum.span().data();
  const std::uint32_t stored = order == ByteOrder::kBig ? load_be<std::uint32_t>(at) : load_le<std::uint32_t>(at);
  if (mask_crc32c(crc) != stored)
    return fault(text("the CRC-32C of an element is {:08x}, {:08x} was stored", crc, unmask_crc32c(stored)));
  crc = crc32c(sum.span(), crc);
  HOLDALL_ASSIGN(rest, rest.slice(begin + length + kSum, left - length - kSum));
  return {};
}

}  // namespace

Status check_variants(const Shape& shape, const Blob& data, std::uint32_t crc, ByteOrder order,
                      const std::function<Status(std::span<const std::byte>)>& use) {
  HOLDALL_ASSIGN(const std::uint64_t count, element_count(shape));
  Blob rest = data.without_checks();
  std::uint32_t seen = 0;
  for (std::uint64_t i = 0; i < count; ++i) HOLDALL_TRY(check_one(rest, seen, order, use));
  if (rest.size() != 0)
    return corrupt(text("{} bytes behind the {} elements", rest.size(), count)).at(rest.offset()).in(data.name());
  if (seen != crc) return corrupt(text("CRC-32C is {:08x}, {:08x} was stored", seen, crc)).at(data.offset()).in(data.name());
  return {};
}

}  // namespace holdall::tf_checkpoint

#include "holdall/codec/hdf5_fields.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "holdall/base/checked.h"

namespace holdall::hdf5 {
namespace {

constexpr std::uint64_t kPage = 16'384;
constexpr std::size_t kMostPages = 1'024;
// A file may read its metadata as often as this, all in all, and this much beside it.
constexpr std::uint64_t kReadings = 8;
constexpr std::uint64_t kAllowance = 1u << 20;

struct Lookup3 {
  std::uint32_t a, b, c;

  void mix() noexcept {
    const auto step = [](std::uint32_t& x, std::uint32_t& y, std::uint32_t& z, int by) {
      x -= z;
      x ^= std::rotl(z, by);
      z += y;
    };
    step(a, b, c, 4);
    step(b, c, a, 6);
    step(c, a, b, 8);
    step(a, b, c, 16);
    step(b, c, a, 19);
    step(c, a, b, 4);
  }
  void finish() noexcept {
    const auto step = [](std::uint32_t& x, std::uint32_t y, int by) { x = (x ^ y) - std::rotl(y, by); };
    step(c, b, 14);
    step(a, c, 11);
    step(b, a, 25);
    step(c, b, 16);
    step(a, c, 4);
    step(b, a, 14);
    step(c, b, 24);
  }
};

}  // namespace

std::uint32_t lookup3(std::span<const std::byte> data) noexcept {
  const std::uint32_t start = 0xdeadbeef + static_cast<std::uint32_t>(data.size());
  Lookup3 state{start, start, start};
  while (data.size() > 12) {
    state.a += load_le<std::uint32_t>(data.data());
    state.b += load_le<std::uint32_t>(data.data() + 4);
    state.c += load_le<std::uint32_t>(data.data() + 8);
    state.mix();
    data = data.subspan(12);
  }
  if (data.empty()) return state.c;
  std::array<std::byte, 12> last{};
  std::copy(data.begin(), data.end(), last.begin());
  state.a += load_le<std::uint32_t>(last.data());
  state.b += load_le<std::uint32_t>(last.data() + 4);
  state.c += load_le<std::uint32_t>(last.data() + 8);
  state.finish();
  return state.c;
}

Status Fields::need(std::uint64_t size) const {
  if (size <= remaining()) return {};
  return fault(text("{} bytes are needed, {} remain", size, remaining()));
}

Result<std::uint64_t> Fields::number(unsigned bytes) {
  HOLDALL_TRY(need(bytes));
  std::uint64_t value = 0;
  std::memcpy(&value, block_.bytes.data() + position_, bytes);
  position_ += bytes;
  return value;
}

Result<std::uint8_t> Fields::byte() {
  HOLDALL_ASSIGN(const std::uint64_t value, number(1));
  return static_cast<std::uint8_t>(value);
}

Result<std::uint16_t> Fields::half() {
  HOLDALL_ASSIGN(const std::uint64_t value, number(2));
  return static_cast<std::uint16_t>(value);
}

Result<std::uint32_t> Fields::word() {
  HOLDALL_ASSIGN(const std::uint64_t value, number(4));
  return static_cast<std::uint32_t>(value);
}

Result<std::uint64_t> Fields::address() {
  HOLDALL_ASSIGN(const std::uint64_t value, number(widths_.address));
  const std::uint64_t undefined = widths_.address == 8 ? UINT64_MAX : (std::uint64_t{1} << (8 * widths_.address)) - 1;
  return value == undefined ? kUndefined : value;
}

Result<Block> Fields::take(std::uint64_t size) {
  HOLDALL_TRY(need(size));
  Block block = block_.slice(position_, size);
  position_ += static_cast<std::size_t>(size);
  return block;
}

Status Fields::skip(std::uint64_t size) {
  HOLDALL_TRY(need(size));
  position_ += static_cast<std::size_t>(size);
  return {};
}

void Fields::align(std::size_t unit) noexcept {
  const std::size_t up = (position_ + unit - 1) / unit * unit;
  position_ = std::min(up, block_.bytes.size());
}

Result<std::string_view> Fields::terminated() {
  const std::string_view rest = block_.bytes.text().substr(position_);
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) return fault("a text does not end");
  position_ += end + 1;
  return rest.substr(0, end);
}

Result<std::uint8_t> Fields::version(std::string_view of, std::uint8_t least, std::uint8_t most) {
  HOLDALL_ASSIGN(const std::uint8_t found, byte());
  if (found >= least && found <= most) return found;
  --position_;
  return refused(text("{} of version {}, {} to {} are known", of, found, least, most));
}

Status Fields::expect(std::string_view signature) {
  HOLDALL_TRY(need(signature.size()));
  if (block_.bytes.text().substr(position_, signature.size()) != signature) {
    return fault(text("'{}' should stand here", signature));
  }
  position_ += signature.size();
  return {};
}

Metadata::Metadata(SourceRef source, std::uint64_t base, const Limits& limits)
    : source_(std::move(source)), base_(base), limits_(limits) {
  budget_ = checked_multiply(source_->size(), kReadings).value_or(UINT64_MAX - kAllowance);
  budget_ = checked_add(budget_, kAllowance).value_or(UINT64_MAX);
}

bool Metadata::holds(std::uint64_t address, std::uint64_t size) const noexcept {
  const auto offset = checked_add(base_, address);
  return address != kUndefined && offset && fits(*offset, size, source_->size());
}

Result<Block> Metadata::read(std::uint64_t address, std::uint64_t size) {
  if (!holds(address, size)) {
    const std::uint64_t offset = checked_add(base_, address).value_or(UINT64_MAX);
    return corrupt(text("{} bytes of metadata are needed, the file has {} in all", size, source_->size())).at(offset);
  }
  if (size > limits_.header_bytes) {
    return over_limit(text("a block of metadata has {} bytes, {} are allowed", size, limits_.header_bytes)).at(base_ + address);
  }
  HOLDALL_TRY(charge(size, address));
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  HOLDALL_TRY(copy(base_ + address, bytes));
  return Block{Bytes::adopt(std::move(bytes)), base_ + address};
}

Status Metadata::charge(std::uint64_t size, std::uint64_t address) {
  if (size > budget_) return corrupt("metadata leads back to itself").at(checked_add(base_, address).value_or(UINT64_MAX));
  budget_ -= size;
  return {};
}

Result<Block> Metadata::read_at_most(std::uint64_t address, std::uint64_t size) {
  if (!holds(address, 1)) return read(address, 1);
  return read(address, std::min(size, source_->size() - base_ - address));
}

Status Metadata::check(const Block& block, std::uint32_t stored) {
  const std::uint32_t found = lookup3(block.bytes);
  if (found != stored) return corrupt(text("the checksum is {:08x}, {:08x} was stored", found, stored)).at(block.at);
  ++checked_;
  return {};
}

Result<Block> Metadata::read_checked(std::uint64_t address, std::uint64_t size) {
  HOLDALL_ASSIGN(const Block whole, read(address, size));
  if (size < 4) return corrupt("a block is too short for its checksum").at(whole.at);
  Block block = whole.slice(0, size - 4);
  HOLDALL_TRY(check(block, load_le<std::uint32_t>(whole.bytes.data() + size - 4)));
  return block;
}

Status Metadata::copy(std::uint64_t offset, std::span<std::byte> out) {
  if (out.size() > kPage) return source_->read_at(offset, out);
  while (!out.empty()) {
    const std::uint64_t number = offset / kPage;
    auto found = pages_.find(number);
    if (found == pages_.end()) {
      if (pages_.size() == kMostPages) pages_.clear();
      const std::uint64_t size = std::min(kPage, source_->size() - number * kPage);
      HOLDALL_ASSIGN(Bytes page, read_range(*source_, number * kPage, size));
      found = pages_.emplace(number, std::move(page)).first;
    }
    const auto inside = static_cast<std::size_t>(offset % kPage);
    const std::size_t part = std::min(out.size(), found->second.size() - inside);
    std::memcpy(out.data(), found->second.data() + inside, part);
    out = out.subspan(part);
    offset += part;
  }
  return {};
}

unsigned bytes_for(std::uint64_t most) noexcept { return most == 0 ? 1 : log2_of(most) / 8 + 1; }

unsigned log2_of(std::uint64_t value) noexcept { return static_cast<unsigned>(std::bit_width(value)) - 1; }

}  // namespace holdall::hdf5

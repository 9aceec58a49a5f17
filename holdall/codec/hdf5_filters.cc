#include "holdall/codec/hdf5_filters.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "holdall/codec/inflate.h"

namespace holdall::hdf5 {
namespace {

// Stored: never renumber.
constexpr std::uint16_t kDeflate = 1;
constexpr std::uint16_t kShuffle = 2;
constexpr std::uint16_t kFletcher = 3;
constexpr std::size_t kSum = 4;

template <std::size_t width>
void unshuffle_units(const std::byte* from, std::byte* to, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t part = 0; part < width; ++part) to[i * width + part] = from[part * count + i];
}

// First bytes of all elements stand first, then all second ones, and so on; what makes no whole element stands behind.
void unshuffle(std::span<const std::byte> from, std::span<std::byte> to, std::size_t width) noexcept {
  const std::size_t count = width == 0 ? 0 : from.size() / width;
  switch (width) {
    case 2:
      unshuffle_units<2>(from.data(), to.data(), count);
      break;
    case 4:
      unshuffle_units<4>(from.data(), to.data(), count);
      break;
    case 8:
      unshuffle_units<8>(from.data(), to.data(), count);
      break;
    default:
      for (std::size_t i = 0; i < count; ++i)
        for (std::size_t part = 0; part < width; ++part) to[i * width + part] = from[part * count + i];
  }
  const std::size_t whole = count * width;
  std::copy(from.begin() + static_cast<std::ptrdiff_t>(whole), from.end(), to.begin() + static_cast<std::ptrdiff_t>(whole));
}

Status check_sum(std::span<const std::byte> data, std::uint32_t stored) {
  const std::uint32_t found = fletcher32(data);
  // Versions before 1.6.3 stored the bytes of each half the other way round.
  const std::uint32_t turned = (found & 0x00ff00ff) << 8 | (found & 0xff00ff00) >> 8;
  if (stored == found || stored == turned) return {};
  return corrupt(text("the Fletcher checksum of a chunk is {:08x}, {:08x} was stored", found, stored));
}

}  // namespace

std::uint32_t fletcher32(std::span<const std::byte> data) noexcept {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  std::size_t words = data.size() / 2;
  const std::byte* at = data.data();
  while (words > 0) {
    // So many words may be added before 32 bits run over.
    std::size_t run = std::min<std::size_t>(words, 360);
    words -= run;
    for (; run > 0; --run, at += 2) {
      low += std::to_integer<std::uint32_t>(at[0]) << 8 | std::to_integer<std::uint32_t>(at[1]);
      high += low;
    }
    low = (low & 0xffff) + (low >> 16);
    high = (high & 0xffff) + (high >> 16);
  }
  if (data.size() % 2 != 0) {
    low += std::to_integer<std::uint32_t>(data.back()) << 8;
    high += low;
    low = (low & 0xffff) + (low >> 16);
    high = (high & 0xffff) + (high >> 16);
  }
  low = (low & 0xffff) + (low >> 16);
  high = (high & 0xffff) + (high >> 16);
  return high << 16 | low;
}

Status Pipeline::check() const {
  for (const Filter& filter : filters_) {
    if (filter.id < kDeflate || filter.id > kFletcher) {
      return unsupported(text("chunks pass the filter {}; deflate, shuffle and fletcher32 are known", filter.name));
    }
  }
  return {};
}

Status Pipeline::decode(std::span<const std::byte> stored, std::uint32_t mask, std::span<std::byte> out,
                        Scratch& scratch) const {
  // Bytes of the chunk before each filter that was used, while they are known.
  struct Step {
    const Filter* filter;
    std::optional<std::size_t> bytes;
  };
  std::vector<Step> steps;
  std::optional<std::size_t> bytes = out.size();
  for (std::size_t i = 0; i < filters_.size(); ++i) {
    if (i < 32 && (mask >> i & 1) != 0) continue;
    steps.push_back({&filters_[i], bytes});
    if (filters_[i].id == kFletcher && bytes) bytes = *bytes + kSum;
    if (filters_[i].id == kDeflate) bytes.reset();
  }
  std::vector<std::byte>* next = &scratch.first;
  for (std::size_t i = steps.size(); i-- > 0;) {
    const Step& step = steps[i];
    if (step.filter->id == kFletcher) {
      if (stored.size() < kSum) return corrupt(text("a chunk of {} bytes is too short for its checksum", stored.size()));
      HOLDALL_TRY(check_sum(stored.first(stored.size() - kSum), load_le<std::uint32_t>(stored.data() + stored.size() - kSum)));
      stored = stored.first(stored.size() - kSum);
      continue;
    }
    const std::size_t size = step.bytes.value_or(stored.size());
    if (step.filter->id == kDeflate && !step.bytes) return unsupported("chunks are deflated twice");
    if (step.filter->id == kShuffle && size != stored.size()) {
      return corrupt(text("a chunk has {} bytes, {} are needed", stored.size(), size));
    }
    std::span<std::byte> to = out;
    if (i != 0) {
      next->resize(size);
      to = *next;
      next = next == &scratch.first ? &scratch.second : &scratch.first;
    }
    if (step.filter->id == kDeflate) {
      HOLDALL_TRY(inflate_whole(stored, to, DeflateWrap::kZlib));
    } else {
      unshuffle(stored, to, step.filter->values.empty() ? 1 : step.filter->values.front());
    }
    stored = to;
  }
  if (stored.size() != out.size()) return corrupt(text("a chunk has {} bytes, {} are needed", stored.size(), out.size()));
  if (stored.data() != out.data()) std::memcpy(out.data(), stored.data(), out.size());
  return {};
}

}  // namespace holdall::hdf5

#include "holdall/formats/flax/elements.h"

#include <algorithm>
#include <vector>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"

namespace holdall::flax {
namespace {

constexpr std::uint64_t kTileBlocks = 16u << 10;

// Blocks of `from` bytes become blocks of `to` bytes: one of the two is the number of elements, the other their packed bytes.
class Recoded final : public Source {
 public:
  Recoded(Blob whole, std::uint32_t from, std::uint32_t to, unsigned bits)
      : whole_(std::move(whole)), from_(from), to_(to), bits_(bits) {}

  std::uint64_t size() const noexcept override { return whole_.size() / from_ * to_; }
  const std::string& name() const noexcept override { return whole_.name(); }
  bool random_access() const noexcept override { return whole_.source()->random_access(); }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), size())) {
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), size())).at(offset).in(name());
    }
    std::vector<std::byte> in, made;
    while (!out.empty()) {
      const std::uint64_t first = offset / to_;
      const std::uint64_t skipped = offset % to_;
      const std::uint64_t blocks = std::min(kTileBlocks, (skipped + out.size() + to_ - 1) / to_);
      in.resize(static_cast<std::size_t>(blocks * from_));
      made.resize(static_cast<std::size_t>(blocks * to_));
      HOLDALL_TRY(whole_.read_at(first * from_, in));
      for (std::size_t i = 0; i < blocks; ++i) recode(in.data() + i * from_, made.data() + i * to_);
      const auto part = std::span(made).subspan(static_cast<std::size_t>(skipped));
      const std::size_t count = std::min(part.size(), out.size());
      std::copy_n(part.begin(), count, out.begin());
      out = out.subspan(count);
      offset += count;
    }
    return {};
  }

 private:
  void recode(const std::byte* in, std::byte* out) const {
    const unsigned in_bits = from_ > to_ ? bits_ : 8;
    const unsigned out_bits = from_ > to_ ? 8 : bits_;
    std::uint32_t packed = 0;
    for (std::uint32_t i = 0; i < from_; ++i) {
      packed |= (std::to_integer<std::uint32_t>(in[i]) & ((1u << in_bits) - 1)) << (i * in_bits);
    }
    for (std::uint32_t i = 0; i < to_; ++i) {
      out[i] = static_cast<std::byte>((packed >> (i * out_bits)) & ((1u << out_bits) - 1));
    }
  }

  Blob whole_;
  std::uint32_t from_, to_;
  unsigned bits_;  // of an element
};

SourceRef recoded(Blob whole, DType dtype, bool packs) {
  const DTypeInfo& row = info(dtype);
  const unsigned bits = 8 * row.block_bytes / row.block_elements;
  return std::make_shared<Recoded>(std::move(whole), packs ? row.block_elements : row.block_bytes,
                                   packs ? row.block_bytes : row.block_elements, bits);
}

}  // namespace

SourceRef packed_source(Blob bytes, DType dtype) { return recoded(std::move(bytes), dtype, true); }
SourceRef unpacked_source(Blob packed, DType dtype) { return recoded(std::move(packed), dtype, false); }

}  // namespace holdall::flax

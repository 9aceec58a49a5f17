#include "holdall/formats/onnx/packed_elements.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/formats/onnx/onnx_types.h"

namespace holdall::onnx {
namespace {

constexpr std::uint64_t kTile = 64u << 10;  // elements

class UnpackedSource final : public Source {
 public:
  UnpackedSource(Blob packed, DType dtype, std::uint64_t count)
      : packed_(std::move(packed)), bits_(bits_of(dtype)), is_signed_(info(dtype).kind == DTypeKind::kSigned), count_(count) {}

  std::uint64_t size() const noexcept override { return count_; }
  const std::string& name() const noexcept override { return packed_.name(); }
  bool random_access() const noexcept override { return packed_.source()->random_access(); }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!fits(offset, out.size(), count_))
      return corrupt(text("{} bytes are needed, the end is at {}", out.size(), count_)).at(offset).in(name());
    while (!out.empty()) {
      const auto some = out.first(static_cast<std::size_t>(std::min<std::uint64_t>(kTile, out.size())));
      HOLDALL_TRY(unpack(offset, some));
      offset += some.size();
      out = out.subspan(some.size());
    }
    return {};
  }

 private:
  Status unpack(std::uint64_t first, std::span<std::byte> out) const {
    const std::uint64_t begin = first * bits_ / 8;
    const std::uint64_t end = ((first + out.size()) * bits_ + 7) / 8;
    std::vector<std::byte> raw(static_cast<std::size_t>(end - begin) + 1);
    HOLDALL_TRY(packed_.read_at(begin, std::span(raw).first(raw.size() - 1)));
    const unsigned sign = 1U << (bits_ - 1);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::uint64_t bit = (first + i) * bits_ - 8 * begin;
      const auto at = static_cast<std::size_t>(bit / 8);
      const unsigned pair = std::to_integer<unsigned>(raw[at]) | std::to_integer<unsigned>(raw[at + 1]) << 8;
      const unsigned value = (pair >> (bit % 8)) & ((1U << bits_) - 1);
      out[i] = static_cast<std::byte>(is_signed_ ? (value ^ sign) - sign : value);
    }
    return {};
  }

  Blob packed_;
  unsigned bits_;
  bool is_signed_;
  std::uint64_t count_;
};

}  // namespace

DType unpacked_dtype(DType dtype) noexcept { return info(dtype).kind == DTypeKind::kSigned ? DType::kInt8 : DType::kUInt8; }

SourceRef unpacked_source(Blob packed, DType dtype, std::uint64_t count) {
  return std::make_shared<UnpackedSource>(std::move(packed), dtype, count);
}

std::string packed_text(std::span<const std::byte> unpacked, DType dtype) {
  const unsigned bits = bits_of(dtype);
  std::string packed((unpacked.size() * bits + 7) / 8 + 1, '\0');
  for (std::size_t i = 0; i < unpacked.size(); ++i) {
    const unsigned value = (std::to_integer<unsigned>(unpacked[i]) & ((1U << bits) - 1)) << (i * bits % 8);
    const std::size_t at = i * bits / 8;
    packed[at] = static_cast<char>(static_cast<unsigned char>(packed[at]) | (value & 0xff));
    packed[at + 1] = static_cast<char>(static_cast<unsigned char>(packed[at + 1]) | (value >> 8));
  }
  packed.pop_back();
  return packed;
}

}  // namespace holdall::onnx

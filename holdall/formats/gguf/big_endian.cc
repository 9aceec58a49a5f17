#include "holdall/formats/gguf/big_endian.h"

#include <algorithm>
#include <array>

#include "holdall/base/text.h"

namespace holdall::gguf {
namespace {

// Numbers of `width` bytes, `count` of them from a byte of the block on.
struct Field {
  std::uint32_t offset, width, count;
};

// Which numbers a block holds (ggml-common.h; for qh of q5_0 and q5_1 ggml-quants.c). No field: single bytes alone.
struct BlockFields {
  DType dtype;
  std::array<Field, 2> fields;
};
constexpr Field kNone{0, 1, 0};
constexpr BlockFields kBlocks[] = {
    {DType::kQ4_0, {{{0, 2, 1}, kNone}}},     {DType::kQ4_1, {{{0, 2, 2}, kNone}}},
    {DType::kQ5_0, {{{0, 2, 1}, {2, 4, 1}}}}, {DType::kQ5_1, {{{0, 2, 2}, {4, 4, 1}}}},
    {DType::kQ8_0, {{{0, 2, 1}, kNone}}},     {DType::kQ8_1, {{{0, 2, 2}, kNone}}},
    {DType::kQ2_K, {{{80, 2, 2}, kNone}}},    {DType::kQ3_K, {{{108, 2, 1}, kNone}}},
    {DType::kQ4_K, {{{0, 2, 2}, kNone}}},     {DType::kQ5_K, {{{0, 2, 2}, kNone}}},
    {DType::kQ6_K, {{{208, 2, 1}, kNone}}},   {DType::kQ8_K, {{{0, 4, 1}, {260, 2, 16}}}},
    {DType::kIQ2_XS, {{{0, 2, 33}, kNone}}},  {DType::kIQ2_S, {{{0, 2, 1}, kNone}}},
    {DType::kIQ3_S, {{{0, 2, 1}, kNone}}},    {DType::kIQ1_S, {{{0, 2, 1}, {34, 2, 8}}}},
    {DType::kIQ4_NL, {{{0, 2, 1}, kNone}}},   {DType::kIQ4_XS, {{{0, 2, 2}, kNone}}},
    {DType::kTQ1_0, {{{52, 2, 1}, kNone}}},   {DType::kTQ2_0, {{{64, 2, 1}, kNone}}},
    {DType::kMXFP4, {{kNone, kNone}}},        {DType::kNVFP4, {{kNone, kNone}}},
    {DType::kQ1_0, {{{0, 2, 1}, kNone}}},     {DType::kQ2_0, {{{0, 2, 1}, kNone}}},
};

class SwappedBlocks final : public Source {
 public:
  SwappedBlocks(SourceRef big, const BlockFields& fields)
      : big_(std::move(big)), fields_(fields), block_(info(fields.dtype).block_bytes) {}

  std::uint64_t size() const noexcept override { return big_->size(); }
  const std::string& name() const noexcept override { return big_->name(); }
  bool random_access() const noexcept override { return big_->random_access(); }
  std::uint64_t unit() const noexcept override { return block_; }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size() || out.size() > size() - offset) {
      return corrupt(text("bytes [{}, {}) of {}", offset, offset + out.size(), size())).at(offset).in(name());
    }
    std::vector<std::byte> blocks;
    while (!out.empty()) {
      const std::uint64_t skip = offset % block_;
      const std::uint64_t wanted = std::min<std::uint64_t>(skip + out.size(), kBlocksAtOnce * block_);
      blocks.resize(static_cast<std::size_t>((wanted + block_ - 1) / block_ * block_));
      HOLDALL_TRY(big_->read_at(offset - skip, blocks));
      for (std::size_t at = 0; at < blocks.size(); at += block_) swap(std::span(blocks).subspan(at, block_));
      const auto take = static_cast<std::size_t>(wanted - skip);
      std::copy_n(blocks.begin() + static_cast<std::ptrdiff_t>(skip), take, out.begin());
      out = out.subspan(take);
      offset += take;
    }
    return {};
  }

 private:
  static constexpr std::uint64_t kBlocksAtOnce = 1024;

  void swap(std::span<std::byte> block) const noexcept {
    for (const Field& field : fields_.fields)
      reverse_units(block.subspan(field.offset, std::size_t{field.width} * field.count), field.width);
  }

  SourceRef big_;
  const BlockFields& fields_;
  std::size_t block_;
};

}  // namespace

Result<SourceRef> little_endian(SourceRef big, DType dtype) {
  const DTypeInfo& row = info(dtype);
  if (row.kind != DTypeKind::kBlock) {
    if (row.block_bytes == 1) return big;
    return byte_swapped_source(std::move(big), row.block_bytes);
  }
  for (const BlockFields& fields : kBlocks)
    if (fields.dtype == dtype) return SourceRef(std::make_shared<SwappedBlocks>(std::move(big), fields));
  return unsupported(text("blocks of {} in a big-endian file: ggml says no layout of them", name(dtype)));
}

}  // namespace holdall::gguf

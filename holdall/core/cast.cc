#include "holdall/core/cast.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/core/blocks.h"
#include "holdall/core/half.h"
#include "holdall/core/numbers.h"
#include "holdall/core/small_float.h"

namespace holdall {
namespace {

// Elements converted at a time between two dtypes that have no path of their own: a multiple of every sub-byte block.
constexpr std::size_t kRun = 512;

// --- Which casts are exact -------------------------------------------------------------------------------------------------

// The real numbers of a dtype: significand · 2^e with at most `precision` bits, e at least `least`, magnitudes below 2^`top`.
struct Reach {
  int precision;
  int least;
  int top;
  bool negative, negative_zero, zero, nan, infinity;
};

Reach reach_of(const SmallFloat& layout) noexcept {
  const bool powers = layout.sign == SmallFloat::Sign::kNone;
  const int top = std::ilogb(decode(layout.largest, layout)) + 1;
  return {.precision = layout.mantissa_bits + 1,
          .least = powers ? -layout.bias : 1 - layout.bias - layout.mantissa_bits,
          .top = top,
          .negative = !powers,
          .negative_zero = layout.sign == SmallFloat::Sign::kBit,
          .zero = !powers,
          .nan = layout.has_nan(),
          .infinity = layout.overflow == SmallFloat::Overflow::kInfinity};
}

Reach reach_of(DType dtype) noexcept {
  switch (dtype) {
    case DType::kFloat16:
      return reach_of(kHalf);
    case DType::kBFloat16:
      return reach_of(kBrain);
    case DType::kFloat8E4M3FN:
      return reach_of(kE4M3FN);
    case DType::kFloat8E4M3FNUZ:
      return reach_of(kE4M3FNUZ);
    case DType::kFloat8E5M2:
      return reach_of(kE5M2);
    case DType::kFloat8E5M2FNUZ:
      return reach_of(kE5M2FNUZ);
    case DType::kFloat8E8M0FNU:
      return reach_of(kE8M0FNU);
    case DType::kFloat6E2M3:
      return reach_of(kE2M3);
    case DType::kFloat6E3M2:
      return reach_of(kE3M2);
    case DType::kFloat4E2M1:
      return reach_of(kE2M1);
    case DType::kFloat32:
      return {24, -149, 128, true, true, true, true, true};
    default:
      // What blocks mean are float32.
      if (info(dtype).kind == DTypeKind::kBlock) return reach_of(DType::kFloat32);
      return {53, -1074, 1024, true, true, true, true, true};
  }
}

int integer_bits(DType dtype) noexcept {
  return dtype == DType::kBool ? 1 : static_cast<int>(8 * info(dtype).block_bytes / info(dtype).block_elements);
}
bool is_signed(DType dtype) noexcept { return info(dtype).kind == DTypeKind::kSigned; }

bool integers_fit_integers(DType from, DType to) noexcept {
  if (to == DType::kBool) return from == DType::kBool;
  const int room = integer_bits(to) - (is_signed(to) ? 1 : 0);
  return integer_bits(from) - (is_signed(from) ? 1 : 0) <= room && (!is_signed(from) || is_signed(to));
}

bool integers_fit_reals(DType from, DType to) noexcept {
  const Reach room = reach_of(to);
  const int bits = integer_bits(from) - (is_signed(from) ? 1 : 0);
  // The largest magnitude is 2^bits - 1, or 2^bits below zero; the latter is one bit beyond the same top.
  return room.zero && bits <= room.precision && bits + (is_signed(from) ? 1 : 0) <= room.top && room.least <= 0;
}

bool reals_fit(DType from, DType to) noexcept {
  const Reach a = reach_of(from);
  const Reach b = reach_of(to);
  const bool values = a.precision <= b.precision && a.least >= b.least && a.top <= b.top && (!a.zero || b.zero);
  const bool signs = (!a.negative || b.negative) && (!a.negative_zero || b.negative_zero);
  return values && signs && (!a.nan || b.nan) && (!a.infinity || b.infinity);
}

// --- Runs ------------------------------------------------------------------------------------------------------------------

// The nearest float64 whose last bit says whether anything was lost, so that a second rounding to fewer bits is right.
double to_odd(std::uint64_t magnitude) noexcept {
  const int spare = 11 - std::countl_zero(magnitude | 1);
  if (spare <= 0) return static_cast<double>(magnitude);
  const std::uint64_t mask = (std::uint64_t{1} << spare) - 1;
  const std::uint64_t kept = (magnitude & ~mask) | ((magnitude & mask) != 0 ? mask + 1 : 0);
  return static_cast<double>(kept);
}

double odd_real(std::int64_t value, bool is_unsigned) noexcept {
  if (is_unsigned || value >= 0) return to_odd(static_cast<std::uint64_t>(value));
  return -to_odd(~static_cast<std::uint64_t>(value) + 1);
}

// Towards zero; beyond the range the nearest end of it, 0 for NaN. The bits of a uint64 come back as an int64.
std::int64_t truncated(double value, DType to) noexcept {
  if (std::isnan(value)) return 0;
  const int bits = integer_bits(to);
  if (!is_signed(to)) {
    if (value <= 0) return 0;
    const std::uint64_t most = bits == 64 ? UINT64_MAX : (std::uint64_t{1} << bits) - 1;
    return static_cast<std::int64_t>(value >= std::ldexp(1.0, bits) ? most : static_cast<std::uint64_t>(value));
  }
  const double end = std::ldexp(1.0, bits - 1);
  if (value >= end) return static_cast<std::int64_t>((std::uint64_t{1} << (bits - 1)) - 1);
  if (value <= -end) return -static_cast<std::int64_t>((std::uint64_t{1} << (bits - 1)) - 1) - 1;
  return static_cast<std::int64_t>(value);
}

struct Run {
  std::array<std::int64_t, kRun> integers;
  std::array<double, 2 * kRun> reals;  // complex: real, imaginary, real, imaginary
};

// Loads `count` elements as what `to` is made of: integers only where both are.
void load_run(DType from, DType to, const std::byte* in, std::size_t count, Run& run) noexcept {
  const NumberKind source = number_kind(from);
  const NumberKind target = number_kind(to);
  if (source == NumberKind::kComplex) {
    load_reals(complex_part(from), in, 0, std::span(run.reals).first(2 * count));
    return;
  }
  const bool is_long = source == NumberKind::kInteger && integer_bits(from) == 64;
  if (source == NumberKind::kInteger) load_integers(from, in, 0, std::span(run.integers).first(count));
  if (target == NumberKind::kInteger && source == NumberKind::kInteger) return;
  const DType part = target == NumberKind::kComplex ? complex_part(to) : to;
  const std::size_t step = target == NumberKind::kComplex ? 2 : 1;
  if (is_long && part != DType::kFloat64) {
    for (std::size_t i = 0; i < count; ++i) run.reals[i] = odd_real(run.integers[i], from == DType::kUInt64);
  } else {
    load_reals(from, in, 0, std::span(run.reals).first(count));
  }
  if (step == 2) {
    for (std::size_t i = count; i-- > 0;) {
      run.reals[2 * i] = run.reals[i];
      run.reals[2 * i + 1] = 0;
    }
  }
}

void store_run(DType from, DType to, std::byte* out, std::size_t count, Run& run) noexcept {
  const bool complex_source = number_kind(from) == NumberKind::kComplex;
  switch (number_kind(to)) {
    case NumberKind::kComplex:
      store_reals(complex_part(to), std::span(run.reals).first(2 * count), out);
      return;
    case NumberKind::kReal:
      if (complex_source)
        for (std::size_t i = 0; i < count; ++i) run.reals[i] = run.reals[2 * i];
      store_reals(to, std::span(run.reals).first(count), out);
      return;
    default:
      break;
  }
  if (number_kind(from) != NumberKind::kInteger) {
    for (std::size_t i = 0; i < count; ++i) {
      const double real = run.reals[complex_source ? 2 * i : i];
      const double imaginary = complex_source ? run.reals[2 * i + 1] : 0;
      run.integers[i] = to == DType::kBool ? (real != 0 || imaginary != 0 ? 1 : 0) : truncated(real, to);
    }
  }
  store_integers(to, std::span(run.integers).first(count), out);
}

// --- The pairs that models are cast between every day ------------------------------------------------------------------------

void float_to_brain(const std::byte* in, std::byte* out, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = load_le<std::uint32_t>(in + 4 * i);
    const std::uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const std::uint32_t nan = ((bits >> 16) & 0x8000) | 0x7fc0;
    store_le(out + 2 * i, static_cast<std::uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded));
  }
}

void brain_to_float(const std::byte* in, std::byte* out, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) store_le(out + 4 * i, std::uint32_t{load_le<std::uint16_t>(in + 2 * i)} << 16);
}

void float_to_half(const std::byte* in, std::byte* out, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) store_le(out + 2 * i, half_bits(load_le<std::uint32_t>(in + 4 * i)));
}

void half_to_float(const std::byte* in, std::byte* out, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) store_le(out + 4 * i, float_bits(load_le<std::uint16_t>(in + 2 * i)));
}

using PairCast = void (*)(const std::byte*, std::byte*, std::size_t) noexcept;

PairCast pair_cast(DType from, DType to) noexcept {
  if (from == DType::kFloat32 && to == DType::kFloat16) return float_to_half;
  if (from == DType::kFloat32 && to == DType::kBFloat16) return float_to_brain;
  if (from == DType::kFloat16 && to == DType::kFloat32) return half_to_float;
  if (from == DType::kBFloat16 && to == DType::kFloat32) return brain_to_float;
  return nullptr;
}

// --- Blocks ----------------------------------------------------------------------------------------------------------------

bool is_block(DType dtype) noexcept { return info(dtype).kind == DTypeKind::kBlock; }

// Whether float32 is all that lies between the two, and one of them is made of blocks.
bool goes_by_floats(DType from, DType to) noexcept {
  const auto is_near = [](DType dtype) {
    return is_block(dtype) || dtype == DType::kFloat32 || dtype == DType::kFloat16 || dtype == DType::kBFloat16;
  };
  return is_near(from) && is_near(to) && (is_block(from) || is_block(to));
}

using Floats = std::array<float, kRun>;

// Precondition of both: `count` is at most kRun, and whole blocks.
void load_floats(DType from, const std::byte* in, std::size_t count, Floats& floats) noexcept {
  if (is_block(from)) return decode_blocks(from, in, count / info(from).block_elements, floats.data());
  const std::span<std::byte> out = std::as_writable_bytes(std::span(floats)).first(4 * count);
  if (const PairCast pair = pair_cast(from, DType::kFloat32)) return pair(in, out.data(), count);
  std::copy_n(in, out.size(), out.data());
}

void store_floats(DType to, const Floats& floats, std::size_t count, std::byte* out) noexcept {
  if (is_block(to)) return encode_blocks(to, floats.data(), count / info(to).block_elements, out);
  const std::span<const std::byte> in = std::as_bytes(std::span(floats)).first(4 * count);
  if (const PairCast pair = pair_cast(DType::kFloat32, to)) return pair(in.data(), out, count);
  std::copy_n(in.data(), in.size(), out);
}

// --- The source ------------------------------------------------------------------------------------------------------------

class CastSource final : public Source {
 public:
  CastSource(Blob data, DType from, DType to, std::uint64_t elements)
      : data_(std::move(data)),
        from_(from),
        to_(to),
        group_(std::max(info(from).block_elements, info(to).block_elements)),
        group_in_(group_ / info(from).block_elements * info(from).block_bytes),
        group_out_(group_ / info(to).block_elements * info(to).block_bytes),
        size_(elements / group_ * group_out_),
        name_(text("{} as {}", data_.name(), holdall::name(to))) {}

  std::uint64_t size() const noexcept override { return size_; }
  const std::string& name() const noexcept override { return name_; }
  bool random_access() const noexcept override { return data_.source()->random_access(); }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size_ || out.size() > size_ - offset) {
      return corrupt(text("bytes [{}, {}) of {}", offset, offset + out.size(), size_)).at(offset).in(name_);
    }
    std::vector<std::byte> in(std::min<std::uint64_t>(kTileElements * 16, (out.size() / group_out_ + 2) * group_in_));
    while (!out.empty()) {
      const std::uint64_t group = offset / group_out_;
      const std::uint64_t skip = offset % group_out_;
      if (skip != 0 || out.size() < group_out_) {  // part of a group: made aside
        std::array<std::byte, kMostGroup> whole;
        HOLDALL_TRY(convert(group, std::span(whole).first(group_out_), in));
        const std::size_t take = std::min<std::size_t>(out.size(), group_out_ - skip);
        std::copy_n(whole.data() + skip, take, out.data());
        offset += take;
        out = out.subspan(take);
        continue;
      }
      const std::uint64_t groups = std::min<std::uint64_t>(out.size() / group_out_, in.size() / group_in_);
      HOLDALL_TRY(convert(group, out.first(static_cast<std::size_t>(groups * group_out_)), in));
      offset += groups * group_out_;
      out = out.subspan(static_cast<std::size_t>(groups * group_out_));
    }
    return {};
  }

 private:
  static constexpr std::uint64_t kTileElements = 65'536;
  static constexpr std::size_t kMostGroup = 256 * 16;  // the largest block as complex128

  // Makes the whole groups from `group` on that fill `out`.
  Status convert(std::uint64_t group, std::span<std::byte> out, std::vector<std::byte>& scratch) const {
    const std::uint64_t groups = out.size() / group_out_;
    const std::span<std::byte> in = std::span(scratch).first(static_cast<std::size_t>(groups * group_in_));
    HOLDALL_TRY(data_.read_at(group * group_in_, in));
    const std::size_t count = static_cast<std::size_t>(groups * group_);
    if (const PairCast pair = pair_cast(from_, to_)) {
      pair(in.data(), out.data(), count);
    } else if (goes_by_floats(from_, to_)) {
      Floats floats;
      for_each_run(in, out, count, [&](const std::byte* a, std::byte* b, std::size_t some) {
        load_floats(from_, a, some, floats);
        store_floats(to_, floats, some, b);
      });
    } else {
      Run run;
      for_each_run(in, out, count, [&](const std::byte* a, std::byte* b, std::size_t some) {
        load_run(from_, to_, a, some, run);
        store_run(from_, to_, b, some, run);
      });
    }
    return {};
  }

  template <class Use>
  void for_each_run(std::span<const std::byte> in, std::span<std::byte> out, std::size_t count, const Use& use) const {
    for (std::size_t done = 0; done < count; done += kRun)
      use(in.data() + done / group_ * group_in_, out.data() + done / group_ * group_out_, std::min(kRun, count - done));
  }

  Blob data_;
  DType from_, to_;
  std::uint64_t group_;  // elements that are whole bytes in both
  std::uint64_t group_in_, group_out_;
  std::uint64_t size_;
  std::string name_;
};

}  // namespace

bool can_cast(DType from, DType to) noexcept {
  const auto castable = [](DType dtype) {
    return number_kind(dtype) != NumberKind::kNone && info(dtype).kind != DTypeKind::kQuantized;
  };
  return castable(from) && castable(to) && (!is_block(to) || can_encode_blocks(to));
}

bool is_exact_cast(DType from, DType to) noexcept {
  if (from == to) return true;
  if (!can_cast(from, to) || is_block(to)) return false;
  const NumberKind source = number_kind(from);
  const NumberKind target = number_kind(to);
  if (source == NumberKind::kComplex) return target == source && is_exact_cast(complex_part(from), complex_part(to));
  if (target == NumberKind::kComplex) return is_exact_cast(from, complex_part(to));
  if (source == NumberKind::kInteger) {
    return target == NumberKind::kInteger ? integers_fit_integers(from, to) : integers_fit_reals(from, to);
  }
  return target == NumberKind::kReal && reals_fit(from, to);
}

Result<Tensor> cast(const Tensor& tensor, DType to) {
  if (tensor.dtype() == to) return tensor;
  if (!can_cast(tensor.dtype(), to)) {
    return unsupported(text("no cast from {} to {}", name(tensor.dtype()), name(to)));
  }
  if (Result<std::uint64_t> bytes = dense_bytes(to, tensor.shape()); !bytes) {
    return std::move(bytes).error().as(Code::kUnsupported);
  }
  HOLDALL_ASSIGN(Blob data, tensor.data());
  auto source = std::make_shared<CastSource>(std::move(data), tensor.dtype(), to, tensor.elements());
  return Tensor::dense(to, tensor.shape(), Blob(std::move(source)));
}

Status to_float64(DType dtype, std::span<const std::byte> data, std::uint64_t first, std::span<double> out) {
  switch (number_kind(dtype)) {
    case NumberKind::kInteger:
    case NumberKind::kReal:
      load_reals(dtype, data.data(), first, out);
      return {};
    case NumberKind::kComplex: {
      std::array<double, 2 * kRun> parts;
      for (std::size_t done = 0; done < out.size(); done += kRun) {
        const std::size_t some = std::min(kRun, out.size() - done);
        load_reals(complex_part(dtype), data.data(), 2 * (first + done), std::span(parts).first(2 * some));
        for (std::size_t i = 0; i < some; ++i) out[done + i] = std::hypot(parts[2 * i], parts[2 * i + 1]);
      }
      return {};
    }
    case NumberKind::kNone:
      break;
  }
  return unsupported(text("elements of dtype {} are not numbers that can be read one by one", name(dtype)));
}

}  // namespace holdall

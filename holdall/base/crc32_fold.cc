#include "holdall/base/crc32_fold.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace holdall {

#if defined(__x86_64__)
namespace {

constexpr std::size_t kBlock = 64;
constexpr std::size_t kStride = 4 * kBlock;

// x^n modulo the polynomial of CRC-32, bits reversed: the coefficient of x^0 is the highest bit.
constexpr std::uint32_t power(unsigned n) {
  std::uint32_t value = 0x80000000U;
  for (unsigned i = 0; i < n; ++i) value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320U : 0U);
  return value;
}

// What the low and the high half of 128 bits are multiplied by to stand `bits` further on. The product of two reversed
// polynomials lies one bit too low, hence the shift.
struct Fold {
  std::uint64_t low, high;
};
constexpr Fold fold(unsigned bits) { return {std::uint64_t{power(bits + 32)} << 1, std::uint64_t{power(bits - 32)} << 1}; }
constexpr Fold kByStride = fold(8 * kStride);
constexpr Fold kByBlock = fold(8 * kBlock);
constexpr Fold kByLane = fold(128);

#define HOLDALL_FOLDS __attribute__((target("avx512f,avx512vl,avx512bw,vpclmulqdq,pclmul,sse4.1")))

HOLDALL_FOLDS __m512i wide(Fold by) {
  return _mm512_set_epi64(static_cast<long long>(by.high), static_cast<long long>(by.low), static_cast<long long>(by.high),
                          static_cast<long long>(by.low), static_cast<long long>(by.high), static_cast<long long>(by.low),
                          static_cast<long long>(by.high), static_cast<long long>(by.low));
}

HOLDALL_FOLDS __m512i folded(__m512i value, __m512i by, __m512i next) {
  // 0x96: the exclusive or of all three.
  return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(value, by, 0x00), _mm512_clmulepi64_epi128(value, by, 0x11), next,
                                   0x96);
}

HOLDALL_FOLDS __m128i folded(__m128i value, __m128i by, __m128i next) {
  return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(value, by, 0x00), _mm_clmulepi64_si128(value, by, 0x11)), next);
}

HOLDALL_FOLDS void fold_all(const std::byte* data, std::size_t strides, std::uint32_t state, std::byte* out) {
  const auto load = [&](std::size_t i) HOLDALL_FOLDS { return _mm512_loadu_si512(data + i * kBlock); };
  __m512i a = _mm512_xor_si512(load(0), _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(state))));
  __m512i b = load(1);
  __m512i c = load(2);
  __m512i d = load(3);
  const __m512i by_stride = wide(kByStride);
  for (std::size_t stride = 1; stride < strides; ++stride) {
    data += kStride;
    a = folded(a, by_stride, load(0));
    b = folded(b, by_stride, load(1));
    c = folded(c, by_stride, load(2));
    d = folded(d, by_stride, load(3));
  }
  const __m512i by_block = wide(kByBlock);
  a = folded(folded(folded(a, by_block, b), by_block, c), by_block, d);
  const __m128i by_lane = _mm_set_epi64x(static_cast<long long>(kByLane.high), static_cast<long long>(kByLane.low));
  alignas(kBlock) std::byte lanes[kBlock];
  _mm512_store_si512(lanes, a);
  const auto lane = [&](std::size_t i) HOLDALL_FOLDS { return _mm_load_si128(reinterpret_cast<const __m128i*>(lanes) + i); };
  const __m128i all = folded(folded(folded(lane(0), by_lane, lane(1)), by_lane, lane(2)), by_lane, lane(3));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), all);
}

#undef HOLDALL_FOLDS

bool can_fold() noexcept {
  static const bool can = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
                          __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("vpclmulqdq") != 0;
  return can;
}

}  // namespace

std::size_t crc32_fold(std::span<const std::byte> data, std::uint32_t state, std::span<std::byte, 16> out) noexcept {
  if (data.size() < kLeastToFold || !can_fold()) return 0;
  const std::size_t strides = data.size() / kStride;
  fold_all(data.data(), strides, state, out.data());
  return strides * kStride;
}

#else

std::size_t crc32_fold(std::span<const std::byte>, std::uint32_t, std::span<std::byte, 16>) noexcept { return 0; }

#endif

}  // namespace holdall

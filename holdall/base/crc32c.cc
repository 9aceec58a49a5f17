#include "holdall/base/crc32c.h"

#include <array>

#include "holdall/base/endian.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace holdall {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78U;  // bits reversed: the coefficient of x^0 is the highest bit

using Table = std::array<std::uint32_t, 256>;

// tables[n][b]: the register after byte b and n zero bytes.
constexpr std::array<Table, 8> make_tables() {
  std::array<Table, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0U);
    tables[0][byte] = value;
  }
  for (std::size_t n = 1; n < 8; ++n)
    for (std::size_t byte = 0; byte < 256; ++byte)
      tables[n][byte] = (tables[n - 1][byte] >> 8) ^ tables[0][tables[n - 1][byte] & 255];
  return tables;
}
constexpr std::array<Table, 8> kTables = make_tables();

// The product of two polynomials modulo the polynomial of the CRC.
std::uint32_t product(std::uint32_t a, std::uint32_t b) noexcept {
  std::uint32_t result = 0;
  for (std::uint32_t bit = 0x80000000U; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) result ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? kPolynomial : 0U);
  }
  return result;
}

// The register `value` after `bytes` zero bytes.
std::uint32_t shifted(std::uint32_t value, std::uint64_t bytes) noexcept {
  for (std::uint32_t power = 0x00800000U; bytes != 0; bytes >>= 1) {  // x^8, then its squares
    if ((bytes & 1) != 0) value = product(value, power);
    power = product(power, power);
  }
  return value;
}

#if defined(__x86_64__)
// Three lanes hide the instruction's latency; so long are they that joining them costs nothing beside.
constexpr std::size_t kLane = 4096;

__attribute__((target("sse4.2"))) std::uint32_t crc32c_by_instruction(std::span<const std::byte> data,
                                                                      std::uint32_t seed) noexcept {
  std::uint64_t a = ~seed;
  const std::byte* at = data.data();
  std::size_t left = data.size();
  const auto word = [](const std::byte* from) { return load_le<std::uint64_t>(from); };
  for (; left >= 3 * kLane; left -= 3 * kLane, at += 3 * kLane) {
    std::uint64_t b = 0;
    std::uint64_t c = 0;
    for (std::size_t i = 0; i < kLane; i += 8) {
      a = _mm_crc32_u64(a, word(at + i));
      b = _mm_crc32_u64(b, word(at + kLane + i));
      c = _mm_crc32_u64(c, word(at + 2 * kLane + i));
    }
    static const std::uint32_t by_lane = shifted(0x80000000U, kLane);
    a = product(product(static_cast<std::uint32_t>(a), by_lane) ^ static_cast<std::uint32_t>(b), by_lane) ^ c;
  }
  for (; left >= 8; left -= 8, at += 8) a = _mm_crc32_u64(a, word(at));
  auto last = static_cast<std::uint32_t>(a);
  for (; left > 0; --left, ++at) last = _mm_crc32_u8(last, static_cast<unsigned char>(*at));
  return ~last;
}
#endif

}  // namespace

std::uint32_t crc32c_portable(std::span<const std::byte> data, std::uint32_t seed) noexcept {
  std::uint32_t value = ~seed;
  const std::byte* at = data.data();
  std::size_t left = data.size();
  for (; left >= 8; left -= 8, at += 8) {
    const std::uint64_t word = load_le<std::uint64_t>(at) ^ value;
    value = 0;
    for (std::size_t i = 0; i < 8; ++i) value ^= kTables[7 - i][(word >> (8 * i)) & 255];
  }
  for (; left > 0; --left, ++at) value = (value >> 8) ^ kTables[0][(value ^ static_cast<std::uint32_t>(*at)) & 255];
  return ~value;
}

std::uint32_t crc32c(std::span<const std::byte> data, std::uint32_t seed) noexcept {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return crc32c_by_instruction(data, seed);
#endif
  return crc32c_portable(data, seed);
}

std::uint32_t crc32c_join(std::uint32_t a, std::uint32_t b, std::uint64_t b_size) noexcept { return shifted(a, b_size) ^ b; }

}  // namespace holdall

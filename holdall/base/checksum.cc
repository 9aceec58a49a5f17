#include "holdall/base/checksum.h"

#include <libdeflate.h>
#include <xxhash.h>
#include <zlib.h>

#include <array>

#include "holdall/base/crc32_fold.h"
#include "holdall/base/crc32c.h"

namespace holdall {

std::uint32_t crc32(std::span<const std::byte> data, std::uint32_t seed) noexcept {
  if (data.empty()) return seed;
  // The register is the inverted CRC; bytes that were folded stand for those before them with a register of 0.
  std::array<std::byte, 16> folded;
  const std::size_t done = crc32_fold(data, ~seed, folded);
  if (done != 0) seed = libdeflate_crc32(~std::uint32_t{0}, folded.data(), folded.size());
  return libdeflate_crc32(seed, data.data() + done, data.size() - done);
}

std::uint32_t crc32_join(std::uint32_t a, std::uint32_t b, std::uint64_t b_size) noexcept {
  if (a == 0) return b;  // as behind nothing
  return static_cast<std::uint32_t>(::crc32_combine64(a, b, static_cast<z_off64_t>(b_size)));
}

std::uint32_t Crc::of(std::span<const std::byte> data, std::uint32_t seed) const noexcept {
  return kind == Kind::kCrc32 ? crc32(data, seed) : kind == Kind::kCrc32c ? crc32c(data, seed) : 0;
}

std::uint32_t Crc::join(std::uint32_t a, std::uint32_t b, std::uint64_t b_size) const noexcept {
  return kind == Kind::kCrc32 ? crc32_join(a, b, b_size) : kind == Kind::kCrc32c ? crc32c_join(a, b, b_size) : 0;
}

std::string to_hex(const Xxh128& hash) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint64_t half : {hash.high, hash.low})
    for (int shift = 60; shift >= 0; shift -= 4) text += kDigits[(half >> shift) & 15];
  return text;
}

Xxh128 xxh3_128(std::span<const std::byte> data) noexcept {
  const XXH128_hash_t hash = XXH3_128bits(data.data(), data.size());
  return {hash.low64, hash.high64};
}

struct Xxh3::State {
  XXH3_state_t* state = XXH3_createState();
  ~State() { XXH3_freeState(state); }
};

Xxh3::Xxh3() : state_(std::make_unique<State>()) { XXH3_128bits_reset(state_->state); }
Xxh3::~Xxh3() = default;
Xxh3::Xxh3(Xxh3&&) noexcept = default;
Xxh3& Xxh3::operator=(Xxh3&&) noexcept = default;

void Xxh3::update(std::span<const std::byte> data) noexcept { XXH3_128bits_update(state_->state, data.data(), data.size()); }

Xxh128 Xxh3::finish() const noexcept {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_->state);
  return {hash.low64, hash.high64};
}

}  // namespace holdall

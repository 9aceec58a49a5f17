// Checksums against accidents: CRC-32 (ZIP; by libdeflate's carry-less multiplication), CRC-32C (TensorFlow; crc32c.h) and
// XXH3-128 (what Holdall stores).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace holdall {

// CRC-32 of ISO-HDLC as ZIP and gzip use it; `seed` is the CRC of what came before.
std::uint32_t crc32(std::span<const std::byte> data, std::uint32_t seed = 0) noexcept;
// The CRC of A followed by B, from crc(A), crc(B) and B's length in bytes.
std::uint32_t crc32_join(std::uint32_t a, std::uint32_t b, std::uint64_t b_size) noexcept;

// A stored CRC of either polynomial, and how one like it is taken.
struct Crc {
  enum class Kind : std::uint8_t { kNone, kCrc32, kCrc32c } kind = Kind::kNone;
  std::uint32_t value = 0;

  explicit operator bool() const noexcept { return kind != Kind::kNone; }
  // Of this kind; 0 for none.
  std::uint32_t of(std::span<const std::byte> data, std::uint32_t seed = 0) const noexcept;
  std::uint32_t join(std::uint32_t a, std::uint32_t b, std::uint64_t b_size) const noexcept;
};

struct Xxh128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const Xxh128&, const Xxh128&) = default;
};
// 32 hexadecimal digits, canonical (big-endian) order as xxhsum prints them.
std::string to_hex(const Xxh128& hash);

Xxh128 xxh3_128(std::span<const std::byte> data) noexcept;

// Thread-safety: one hasher, one thread.
class Xxh3 {
 public:
  Xxh3();
  ~Xxh3();
  Xxh3(Xxh3&&) noexcept;
  Xxh3& operator=(Xxh3&&) noexcept;
  void update(std::span<const std::byte> data) noexcept;
  Xxh128 finish() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdall

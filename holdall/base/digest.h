// SHA-256 for digests that people compare (FIPS 180-4, by OpenSSL).
//
// Thread-safety: one hasher, one thread.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace holdall {

using Digest = std::array<std::byte, 32>;

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> data);
  // The digest of everything so far; the hasher is spent.
  Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Lower-case hexadecimal, two characters a byte.
std::string to_hex(std::span<const std::byte> data);

}  // namespace holdall

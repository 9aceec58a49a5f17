// SHA-1, for formats that have it (FIPS 180-4, by OpenSSL).
//
// Thread-safety: one hasher, one thread.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

namespace holdall {

class Sha1 {
 public:
  Sha1();
  ~Sha1();
  Sha1(const Sha1&) = delete;
  Sha1& operator=(const Sha1&) = delete;

  void update(std::span<const std::byte> data);
  // The digest of everything so far; the hasher is spent.
  std::array<std::byte, 20> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdall

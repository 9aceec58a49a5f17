#include "holdall/base/keyed_hash.h"

#include <sys/random.h>
#include <xxhash.h>

#include <array>
#include <chrono>

namespace holdall {

namespace {

// Where the kernel gives no random bytes yet, the place of the process in memory and the time are all there is.
std::uint64_t make_seed() noexcept {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) == sizeof seed) return seed;
  const std::array<std::uint64_t, 2> rest = {
      reinterpret_cast<std::uintptr_t>(&seed),
      static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count())};
  return XXH3_64bits(rest.data(), sizeof rest);
}

std::uint64_t seed() noexcept {
  static const std::uint64_t value = make_seed();
  return value;
}

}  // namespace

std::uint64_t keyed_hash(std::string_view text) noexcept { return XXH3_64bits_withSeed(text.data(), text.size(), seed()); }

std::uint64_t keyed_hash(std::uint64_t number) noexcept { return XXH3_64bits_withSeed(&number, sizeof number, seed()); }

}  // namespace holdall

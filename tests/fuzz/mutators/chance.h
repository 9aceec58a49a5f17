// The dice of the mutators: everything that they do follows from one seed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace holdall::fuzz {

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 0x1234567) {}

  // SplitMix64.
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // In [0, count); 0 where count is 0.
  std::size_t below(std::size_t count) { return count == 0 ? 0 : static_cast<std::size_t>(next() % count); }
  bool one_in(std::size_t count) { return below(count) == 0; }
  template <class T>
  const T& of(std::span<const T> choices) {
    return choices[below(choices.size())];
  }
  template <class T, std::size_t n>
  const T& of(const T (&choices)[n]) {
    return choices[below(n)];
  }

 private:
  std::uint64_t state_;
};

// Bits flipped, bytes replaced, pieces cut out, doubled or put in, of any bytes.
inline void mutate_bytes(std::string& data, Chance& chance) {
  static constexpr char kTelling[] = {'\0', '\1', '\x7f', '\x80', '\xff', '.', '\n', 'P'};
  const std::size_t at = chance.below(data.size() + 1);
  switch (chance.below(6)) {
    case 0:
      if (at < data.size()) data[at] = static_cast<char>(data[at] ^ (1 << chance.below(8)));
      return;
    case 1:
      if (at < data.size()) data[at] = chance.of(kTelling);
      return;
    case 2:
      data.erase(at, 1 + chance.below(16));
      return;
    case 3:
      data.insert(at, data.substr(chance.below(data.size() + 1), 1 + chance.below(32)));
      return;
    case 4:
      for (std::size_t i = 1 + chance.below(4); i-- > 0;) data.insert(at, 1, static_cast<char>(chance.next()));
      return;
    default:
      data.resize(at);
  }
}

}  // namespace holdall::fuzz

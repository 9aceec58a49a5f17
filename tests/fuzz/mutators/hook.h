// What libFuzzer asks a target for, in terms of strings. A target whose inputs have structure has a file of its name here,
// which is part of it where the fuzzing engine is.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "tests/fuzz/mutators/chance.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace holdall::fuzz {

inline std::string text_of(const std::uint8_t* data, std::size_t size) { return {reinterpret_cast<const char*>(data), size}; }

inline std::size_t give_back(const std::string& made, std::uint8_t* data, std::size_t most) {
  const std::size_t size = std::min(made.size(), most);
  std::memcpy(data, made.data(), size);
  return size;
}

// By structure most of the time, else as the engine does it (with what it has learnt from comparisons).
template <class Mutate>
std::size_t mutated(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed, const Mutate& mutate) {
  Chance chance(seed);
  if (chance.one_in(5)) return LLVMFuzzerMutate(data, size, most);
  std::string made = text_of(data, size);
  for (std::size_t i = 1 + chance.below(3); i-- > 0;) mutate(made, chance);
  if (made.empty()) return LLVMFuzzerMutate(data, size, most);
  return give_back(made, data, most);
}

// A file of two, as `cross` makes it of their texts.
template <class Cross>
std::size_t crossed(std::string_view one, std::string_view other, std::uint8_t* out, std::size_t most, unsigned seed,
                    const Cross& cross) {
  Chance chance(seed);
  return give_back(cross(one, other, chance), out, most);
}

}  // namespace holdall::fuzz

// What libFuzzer looks for in a target, by these two.
#define HOLDALL_MUTATORS(mutate, cross)                                                                                        \
  extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {      \
    return holdall::fuzz::mutated(data, size, most, seed, mutate);                                                             \
  }                                                                                                                            \
  extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* one, std::size_t one_size, const std::uint8_t* other,   \
                                                   std::size_t other_size, std::uint8_t* out, std::size_t most,                \
                                                   unsigned seed) {                                                            \
    return holdall::fuzz::crossed(holdall::fuzz::text_of(one, one_size), holdall::fuzz::text_of(other, other_size), out, most, \
                                  seed, cross);                                                                                \
  }

#include "tests/fuzz/mutators/hook.h"
#include "tests/fuzz/mutators/pickle_program.h"

using namespace holdall;

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  return fuzz::mutated(data, size, most, seed, fuzz::mutate_pickle);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* one, std::size_t one_size, const std::uint8_t* other,
                                                 std::size_t other_size, std::uint8_t* out, std::size_t most, unsigned seed) {
  fuzz::Chance chance(seed);
  std::string made = fuzz::text_of(one, one_size);
  fuzz::cross_pickles(made, fuzz::text_of(other, other_size), chance);
  return fuzz::give_back(made, out, most);
}

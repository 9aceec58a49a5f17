#include "tests/fuzz/mutators/containers.h"
#include "tests/fuzz/mutators/hook.h"

using namespace holdall;

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  return fuzz::mutated(data, size, most, seed, fuzz::mutate_file);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* one, std::size_t one_size, const std::uint8_t* other,
                                                 std::size_t other_size, std::uint8_t* out, std::size_t most, unsigned seed) {
  fuzz::Chance chance(seed);
  return fuzz::give_back(fuzz::cross_files(fuzz::text_of(one, one_size), fuzz::text_of(other, other_size), chance), out, most);
}

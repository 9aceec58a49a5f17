// Any bytes as a pickle file: what opens can be verified, judged and planned, and what was written opens again. Whatever it is,
// it is judged.
#include "tests/fuzz/formats.h"

namespace holdall {
extern const Format k_pickle_format;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  fuzz::ask_pickled(k_pickle_format, data, size);
  Findings findings;
  fuzz::require(k_pickle_format.acts(fuzz::bundle_of(data, size, "input.pkl"), fuzz::small_pickles(), findings).has_value());
  return 0;
}

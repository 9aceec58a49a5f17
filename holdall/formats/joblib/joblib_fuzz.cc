// Any bytes as a joblib file: what opens can be verified, judged and planned, and what was written opens again.
#include "tests/fuzz/formats.h"

namespace holdall {
extern const Format k_joblib_format;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  holdall::fuzz::ask_pickled(holdall::k_joblib_format, data, size);
  return 0;
}

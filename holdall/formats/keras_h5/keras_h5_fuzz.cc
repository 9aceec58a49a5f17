// Fuzzes the keras-h5 format: detection, reading, verification, judgement, and planning of what was read.
#include "tests/fuzz/formats.h"

namespace holdall {
extern const Format k_keras_h5_format;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  const auto model = fuzz::ask(k_keras_h5_format, fuzz::bundle_of(data, size, "fuzz"), fuzz::small());
  if (model) (void)k_keras_h5_format.plan(*model, {});
  return 0;
}

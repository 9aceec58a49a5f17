// Fuzzes the numpy format: detection, reading, verification, judgement, and planning of what was read.
#include "tests/fuzz/formats.h"

namespace holdall {
extern const Format k_numpy_format;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  const auto model = fuzz::ask(k_numpy_format, fuzz::bundle_of(data, size, "fuzz"), fuzz::small());
  if (!model) return 0;
  for (const char* name : {"out.npz", "out.npy"}) {
    WriteOptions options;
    options.name = name;
    (void)k_numpy_format.plan(*model, options);
  }
  return 0;
}

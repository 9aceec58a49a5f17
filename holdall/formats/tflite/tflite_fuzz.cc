// Fuzzes the tflite format: detection, reading, verification, judgement, and planning of what was read.
#include "tests/fuzz/formats.h"

namespace holdall {
extern const Format k_tflite_format;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  const auto model = fuzz::ask(k_tflite_format, fuzz::bundle_of(data, size, "fuzz"), fuzz::small());
  if (!model) return 0;
  const auto plan = k_tflite_format.plan(*model, {});
  // What was not changed is written as it was.
  if (plan && plan->losses.empty())
    fuzz::require(fuzz::bytes_of(plan->files[0]) == std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}

// Fuzzes the onnx format: detection, reading, verification, judgement, and writing what was read as it was.
#include "tests/fuzz/formats.h"

namespace holdall {
extern const Format k_onnx_format;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  const auto model = fuzz::ask(k_onnx_format, fuzz::bundle_of(data, size, "model.onnx"), fuzz::small());
  if (!model) return 0;
  WriteOptions options;
  options.name = "model.onnx";
  const auto plan = k_onnx_format.plan(*model, options);
  // What was not changed is written as it was.
  if (plan && plan->losses.empty())
    fuzz::require(fuzz::bytes_of(plan->files[0]) == std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}

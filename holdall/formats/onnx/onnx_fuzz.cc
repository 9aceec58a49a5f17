// Fuzzes the onnx format: detection, reading, verification, judgement, and writing what was read as it was.
#include <algorithm>

#include "tests/fuzz/formats.h"

namespace holdall {
extern const Format k_onnx_format;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  const auto model = fuzz::ask(k_onnx_format, fuzz::bundle_of(data, size, "model.onnx"), fuzz::small());
  if (!model) return 0;
  // Numbers that are spelled one by one show when they are read that they are too many or too few: such a file is not written.
  const auto& tensors = model->tensors();
  const auto is_whole = [](const NamedTensor& entry) {
    return entry.tensor.bytes() <= (1u << 20) && entry.tensor.read_bytes().has_value();
  };
  if (!std::all_of(tensors.begin(), tensors.end(), is_whole)) return 0;
  WriteOptions options;
  options.name = "model.onnx";
  const auto plan = k_onnx_format.plan(*model, options);
  // What was not changed is written as it was.
  if (plan && plan->losses.empty())
    fuzz::require(fuzz::bytes_of(plan->files[0]) == std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}

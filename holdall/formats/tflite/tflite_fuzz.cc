// Fuzzes the tflite format: detection, reading, verification, judgement, real numbers and back, and planning of what was read.
#include "holdall/core/quantize.h"
#include "tests/fuzz/formats.h"

namespace holdall {
extern const Format k_tflite_format;
}

namespace {

using namespace holdall;

void ask_for_reals(const Tensor& tensor) {
  if (tensor.quantization() == nullptr || tensor.elements() > (1u << 16)) return;
  const auto reals = dequantize(tensor);
  if (!reals) return;
  const auto bytes = reals->read_bytes();
  fuzz::require(!bytes || bytes->size() == tensor.elements() * sizeof(float));
  if (info(tensor.dtype()).kind == DTypeKind::kFloat) return;
  const auto again = quantize(*reals, tensor);
  if (again) (void)again->read_bytes();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto model = fuzz::ask(k_tflite_format, fuzz::bundle_of(data, size, "fuzz"), fuzz::small());
  if (!model) return 0;
  for (const NamedTensor& entry : model->tensors()) ask_for_reals(entry.tensor);
  const auto plan = k_tflite_format.plan(*model, {});
  // What was not changed is written as it was.
  if (plan && plan->losses.empty())
    fuzz::require(fuzz::bytes_of(plan->files[0]) == std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}

// Any bytes as a safetensors file: what opens must tile the file, be read, verified and planned again.
#include <cstdint>
#include <cstdlib>

#include "holdall/formats/safetensors/safetensors.h"

namespace holdall {
extern const Format k_safetensors_format;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  const auto bytes = Bytes::copy(std::span(reinterpret_cast<const std::byte*>(data), size));
  const Bundle bundle = Bundle::of(memory_source(bytes, "fuzz.safetensors"));
  const Context context;
  const auto model = k_safetensors_format.read(bundle, context);
  Faults faults;
  const Status verified = k_safetensors_format.verify(bundle, context, faults);
  if (model.has_value() != verified.has_value()) std::abort();
  if (!model) return 0;
  for (const NamedTensor& entry : model->tensors()) {
    const auto content = entry.tensor.read_bytes();
    if (content && content->size() != entry.tensor.bytes()) std::abort();
  }
  const auto plan = k_safetensors_format.plan(*model, {});
  if (!plan && plan.error().code() == Code::kInternal) std::abort();
  return 0;
}

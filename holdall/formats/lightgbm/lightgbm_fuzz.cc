// Any bytes as a model of LightGBM: what opens can be read and checked.
#include <cstdint>
#include <cstdlib>

#include "holdall/formats/format.h"

namespace holdall {
extern const Format k_lightgbm_format;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  const auto bytes = Bytes::copy(std::span(reinterpret_cast<const std::byte*>(data), size));
  const Bundle bundle = Bundle::of(memory_source(bytes, "fuzz.txt"));
  const Context context;
  Peek peek(bundle, context.limits);
  (void)k_lightgbm_format.match(peek);
  const auto model = k_lightgbm_format.read(bundle, context);
  Faults faults;
  const Status verified = k_lightgbm_format.verify(bundle, context, faults);
  if (model.has_value() != verified.has_value()) std::abort();
  if (!model) return 0;
  for (const NamedTensor& entry : model->tensors()) {
    const auto content = entry.tensor.read_bytes();
    if (!content || content->size() != entry.tensor.bytes()) std::abort();
  }
  return 0;
}

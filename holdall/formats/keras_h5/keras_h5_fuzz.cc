// Fuzzes the keras-h5 format: detection, reading, verification and judgement.
#include <cstdlib>

#include "holdall/formats/format.h"

namespace holdall {
extern const Format k_keras_h5_format;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  constexpr std::uint64_t kMost = 1u << 20;
  Context context;
  context.limits.expansion_floor = kMost;
  context.limits.expansion = 50;
  context.limits.members = 1'000;
  context.limits.opcodes = 100'000;
  context.limits.value_bytes = kMost * 16;
  const Bundle bundle = Bundle::of(memory_source(Bytes::copy({reinterpret_cast<const char*>(data), size}), "fuzz"));
  Peek peek(bundle, context.limits);
  (void)k_keras_h5_format.match(peek);
  Faults faults;
  (void)k_keras_h5_format.verify(bundle, context, faults);
  Findings findings;
  (void)k_keras_h5_format.acts(bundle, context, findings);
  const auto model = k_keras_h5_format.read(bundle, context);
  if (!model) return 0;
  for (const NamedTensor& entry : model->tensors()) {
    if (entry.tensor.bytes() > kMost) continue;
    const auto bytes = entry.tensor.read_bytes();
    if (bytes && bytes->size() != entry.tensor.bytes()) std::abort();
  }
  return 0;
}

// Any bytes as a Flax file: what opens is sound in structure, can be read and planned again.
#include <cstdint>
#include <cstdlib>

#include "holdall/formats/format.h"

namespace holdall {
extern const Format k_flax_format;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  const auto bytes = Bytes::copy(std::span(reinterpret_cast<const std::byte*>(data), size));
  const Bundle bundle = Bundle::of(memory_source(bytes, "fuzz.msgpack"));
  const Context context;
  Peek peek(bundle, context.limits);
  (void)k_flax_format.match(peek);
  const auto model = k_flax_format.read(bundle, context);
  if (!model) return 0;
  Faults faults;
  if (!k_flax_format.verify(bundle, context, faults)) std::abort();
  for (const NamedTensor& entry : model->tensors()) {
    if (entry.tensor.bytes() > (1u << 22)) return 0;
    const auto content = entry.tensor.read_bytes();
    if (content && content->size() != entry.tensor.bytes()) std::abort();
  }
  const auto plan = k_flax_format.plan(*model, {});
  if (!plan && plan.error().code() == Code::kInternal) std::abort();
  return 0;
}

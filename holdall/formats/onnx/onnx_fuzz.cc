// Any bytes as an ONNX model: what opens has tensors of their size, is judged, and is written again as it was.
#include <cstdint>
#include <cstdlib>

#include "holdall/formats/onnx/onnx.h"

namespace holdall {
extern const Format k_onnx_format;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  const auto bytes = Bytes::copy(std::span(reinterpret_cast<const std::byte*>(data), size));
  const Bundle bundle = Bundle::of(memory_source(bytes, "model.onnx"));
  Peek peek(bundle, {});
  (void)k_onnx_format.match(peek);
  const auto model = k_onnx_format.read(bundle, {});
  Findings findings;
  (void)k_onnx_format.acts(bundle, {}, findings);
  Faults faults;
  (void)k_onnx_format.verify(bundle, {}, faults);
  if (!model) return 0;
  for (const NamedTensor& entry : model->tensors()) {
    if (entry.tensor.bytes() > (1u << 22)) return 0;
    const auto content = entry.tensor.read_bytes();
    if (!content) return 0;  // what cannot be read is not written
    if (content->size() != entry.tensor.bytes()) std::abort();
  }
  WriteOptions options;
  options.name = "model.onnx";
  const auto plan = k_onnx_format.plan(*model, options);
  if (!plan) std::abort();
  return plan->files.front().size() == size ? 0 : (std::abort(), 1);
}

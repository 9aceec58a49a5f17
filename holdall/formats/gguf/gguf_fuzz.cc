// Any bytes as a GGUF file: what opens has tensors of their size, is verified, judged and planned again.
#include <cstdint>
#include <cstdlib>

#include "holdall/core/cast.h"
#include "holdall/formats/chat_template.h"
#include "holdall/formats/gguf/gguf.h"

namespace holdall {
extern const Format k_gguf_format;
}

namespace {

using namespace holdall;

void check(const Tensor& tensor) {
  if (tensor.bytes() > (1u << 20)) return;
  const auto bytes = tensor.read_bytes();
  if (bytes && bytes->size() != tensor.bytes()) std::abort();
  if (info(tensor.dtype()).kind != DTypeKind::kBlock) return;
  const auto numbers = cast(tensor, DType::kFloat32);
  if (numbers && numbers->bytes() == 4 * tensor.elements()) (void)numbers->read_bytes();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = Bytes::copy(std::span(reinterpret_cast<const std::byte*>(data), size));
  Findings findings;
  judge_chat_template(bytes.text(), "fuzz", findings);
  const Bundle bundle = Bundle::of(memory_source(bytes, "fuzz.gguf"));
  const Context context;
  const auto model = k_gguf_format.read(bundle, context);
  Faults faults;
  const Status verified = k_gguf_format.verify(bundle, context, faults);
  if (model.has_value() && !verified.has_value()) std::abort();
  (void)k_gguf_format.acts(bundle, context, findings);
  if (!model) return 0;
  for (const NamedTensor& entry : model->tensors()) check(entry.tensor);
  const auto plan = k_gguf_format.plan(*model, {});
  if (!plan && plan.error().code() == Code::kInternal) std::abort();
  return 0;
}

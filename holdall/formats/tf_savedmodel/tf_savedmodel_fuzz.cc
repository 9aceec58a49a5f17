// Any bytes as saved_model.pb: what opens has constants of their size, is judged, and written again as it was, behind
// what makes a SavedModel of it.
#include <cstdint>
#include <cstdlib>

#include "holdall/formats/tf_savedmodel/graph_acts.h"
#include "holdall/formats/tf_savedmodel/tf_savedmodel.h"

namespace holdall {
extern const Format k_tf_savedmodel_format;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  const auto bytes = Bytes::copy(std::span(reinterpret_cast<const std::byte*>(data), size));
  const Bundle bundle = Bundle::of(memory_source(bytes, "saved_model.pb"));
  const auto model = k_tf_savedmodel_format.read(bundle, {});
  Findings findings;
  const Status judged = k_tf_savedmodel_format.acts(bundle, {}, findings);
  (void)tf_savedmodel::read_keras_nodes(Blob(bundle.main()), {});
  if (model.has_value() != judged.has_value()) std::abort();
  if (!model) return 0;
  for (const NamedTensor& entry : model->tensors()) {
    if (entry.tensor.bytes() > (1u << 22)) return 0;
    const auto content = entry.tensor.read_bytes();
    if (content && content->size() != entry.tensor.bytes()) std::abort();
  }
  const auto plan = k_tf_savedmodel_format.plan(*model, {});
  if (!plan) std::abort();
  const auto root = tf_savedmodel::root_of(Blob(bundle.main()));
  if (!root) std::abort();
  const std::size_t head = tf_savedmodel::saved_model_head(*root, size).size();
  return plan->files.front().size() == head + size ? 0 : (std::abort(), 1);
}

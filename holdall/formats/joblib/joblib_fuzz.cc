// Any bytes as a joblib file: what opens can be verified, judged and planned, and what was written opens again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <variant>

#include "holdall/formats/format.h"

namespace holdall {
extern const Format k_joblib_format;
}

namespace {

using namespace holdall;

Context context() {
  Context made;
  made.limits.opcodes = 50'000;
  made.limits.memo = 10'000;
  made.limits.value_bytes = 8u << 20;
  made.limits.depth = 200;
  return made;
}

void require(bool good) {
  if (!good) std::abort();
}

// The bytes of a planned file, which hold no streams or late parts.
std::string bytes_of(const PlannedFile& file) {
  std::string out;
  for (const Part& part : file.parts) {
    if (const auto* literal = std::get_if<Part::Literal>(&part.content)) out += literal->bytes.text();
    if (const auto* data = std::get_if<Part::Data>(&part.content)) {
      const auto read = data->blob.read();
      require(read.has_value());
      out += read->text();
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bundle bundle =
      Bundle::of(memory_source(Bytes::copy(std::string_view(reinterpret_cast<const char*>(data), size)), "input.joblib"));
  const Limits limits = context().limits;
  Peek peek(bundle, limits);
  k_joblib_format.match(peek);
  Findings findings;
  (void)k_joblib_format.acts(bundle, context(), findings);  // what does not decode is an error
  Faults faults;
  const auto sound = k_joblib_format.verify(bundle, context(), faults);
  const auto model = k_joblib_format.read(bundle, context());
  require(model.has_value() == sound.has_value());
  if (!model) return 0;
  std::uint64_t total = 0;
  for (const NamedTensor& named : model->tensors()) {
    total += named.tensor.bytes();
    if (total < (1u << 20)) require(named.tensor.read_bytes().has_value() || named.tensor.bytes() > size);
  }
  if (total >= (1u << 20)) return 0;
  const auto plan = k_joblib_format.plan(*model, WriteOptions());
  if (!plan) return 0;
  Context wide;
  const auto again = k_joblib_format.read(Bundle::of(memory_source(Bytes::adopt(bytes_of(plan->files[0])), "again")), wide);
  require(again.has_value() || again.error().code() == Code::kLimit);
  if (again && plan->losses.empty()) require(again->parameters() == model->parameters());
  return 0;
}

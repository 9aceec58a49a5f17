// What fuzz targets of formats ask of any bytes: every question a format answers, and that the answers agree.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <variant>

#include "holdall/formats/format.h"

namespace holdall::fuzz {

inline void require(bool good) {
  if (!good) std::abort();
}

inline Bundle bundle_of(const std::uint8_t* data, std::size_t size, const std::string& name) {
  return Bundle::of(memory_source(Bytes::copy({reinterpret_cast<const char*>(data), size}), name));
}

// Limits that keep every input quick.
inline Context small() {
  Context context;
  context.limits.expansion_floor = 1u << 20;
  context.limits.expansion = 100;
  context.limits.members = 1'000;
  context.limits.opcodes = 100'000;
  context.limits.value_bytes = 16u << 20;
  return context;
}

inline Context small_pickles() {
  Context context;
  context.limits.opcodes = 50'000;
  context.limits.memo = 10'000;
  context.limits.value_bytes = 8u << 20;
  context.limits.depth = 200;
  return context;
}

// Detects, verifies, judges and reads; tensors of at most a megabyte have the bytes that they say.
inline Result<Model> ask(const Format& format, const Bundle& bundle, const Context& context) {
  Peek peek(bundle, context.limits);
  (void)format.match(peek);
  Faults faults;
  (void)format.verify(bundle, context, faults);
  Findings findings;
  (void)format.acts(bundle, context, findings);
  Result<Model> model = format.read(bundle, context);
  if (!model) return model;
  for (const NamedTensor& entry : model->tensors()) {
    if (entry.tensor.bytes() > (1u << 20)) continue;
    const auto bytes = entry.tensor.read_bytes();
    require(!bytes || bytes->size() == entry.tensor.bytes());
  }
  return model;
}

// The bytes of a planned file, which hold no streams or late parts.
inline std::string bytes_of(const PlannedFile& file) {
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

// A format that is one pickle: what it opens it verifies, and what it writes of that opens again.
inline void ask_pickled(const Format& format, const std::uint8_t* data, std::size_t size) {
  const Context context = small_pickles();
  const Bundle bundle = bundle_of(data, size, "input");
  Faults faults;
  const Status sound = format.verify(bundle, context, faults);
  const auto model = ask(format, bundle, context);
  require(model.has_value() == sound.has_value());
  if (!model) return;
  std::uint64_t total = 0;
  for (const NamedTensor& named : model->tensors()) {
    total += named.tensor.bytes();
    if (total >= (1u << 20)) return;
    require(named.tensor.read_bytes().has_value() || named.tensor.bytes() > size);
  }
  const auto plan = format.plan(*model, WriteOptions());
  if (!plan) return;
  const auto again = format.read(Bundle::of(memory_source(Bytes::adopt(bytes_of(plan->files[0])), "again")), Context());
  require(again.has_value() || again.error().code() == Code::kLimit);
  if (again && plan->losses.empty()) require(again->parameters() == model->parameters());
}

}  // namespace holdall::fuzz

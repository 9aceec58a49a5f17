// Any bytes as a message: every field that is read lies within it, and what looks like a message within a message is walked.
#include <cstdint>
#include <cstdlib>

#include "holdall/codec/protobuf.h"

namespace {

void walk(holdall::ProtoReader reader, unsigned depth) {
  while (true) {
    const auto field = reader.next();
    if (!field || !*field) return;
    if ((*field)->wire != holdall::ProtoWire::kBytes) continue;
    const auto bytes = reader.bytes(**field, UINT64_MAX);
    if (!bytes || bytes->size() != (*field)->value) std::abort();
    auto inner = reader.message(**field);
    if (!inner) std::abort();
    if (depth < 20) walk(std::move(*inner), depth + 1);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  walk(ProtoReader(Blob::memory(Bytes::copy(std::span(reinterpret_cast<const std::byte*>(data), size)), "fuzz")), 0);
  return 0;
}

// Any bytes as a snappy block: it decodes to what it announces, or is refused.
#include <cstdint>
#include <cstdlib>

#include "holdall/codec/snappy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = holdall::decode_snappy(std::span(reinterpret_cast<const std::byte*>(data), size), 1u << 20);
  if (bytes && bytes->size() > (1u << 20)) std::abort();
  return 0;
}

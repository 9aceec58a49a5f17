// Any bytes as a flatbuffer: every field of every table is asked for as everything that it may be, down to a depth.
#include <cstdint>

#include "holdall/codec/flatbuffer.h"

namespace {

using namespace holdall;

void walk(const FlatTable& table, unsigned depth, unsigned& left) {
  for (unsigned field = 0; field < 12 && left > 0; ++field) {
    --left;
    (void)table.has(field);
    (void)table.number<std::uint8_t>(field);
    (void)table.number<std::uint64_t>(field);
    (void)table.text(field);
    (void)table.numbers<std::int32_t>(field);
    const auto bytes = table.vector(field, 1);
    if (bytes && bytes->is_there()) {
      const auto blob = bytes->blob();
      if (!blob || blob->size() != bytes->size()) std::abort();
    }
    if (depth == 0) continue;
    if (const auto inner = table.table(field); inner && *inner) walk(**inner, depth - 1, left);
    const auto tables = table.vector(field, 4);
    for (std::uint64_t i = 0; tables && i < std::min<std::uint64_t>(tables->size(), 4); ++i) {
      (void)tables->text(i);
      if (const auto each = tables->table(i)) walk(*each, depth - 1, left);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = FlatFile::of(Blob::memory(Bytes::copy({reinterpret_cast<const char*>(data), size}), "fuzz"), 1u << 20);
  (void)file->identifier();
  unsigned left = 4000;
  if (const auto root = file->root()) walk(*root, 6, left);
  (void)file->misaligned();
  return 0;
}

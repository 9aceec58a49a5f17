// Any bytes as JSON: what parses must render and parse again to the same text.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "holdall/codec/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  JsonOptions options;
  options.surrogates = JsonOptions::Surrogates::kBytes;
  Arena arena;
  const auto root = parse_json(arena, input, options);
  if (!root) {
    if (!root.error().offset() || *root.error().offset() > size) std::abort();
    return 0;
  }
  JsonWriter writer(static_cast<unsigned>(size % 3));
  if (!write_json(writer, arena.at(*root))) return 0;
  const auto again = parse_json(arena, writer.text(), options);
  if (!again) std::abort();
  JsonWriter second(static_cast<unsigned>(size % 3));
  if (!write_json(second, arena.at(*again)) || second.text() != writer.text()) std::abort();
  return 0;
}

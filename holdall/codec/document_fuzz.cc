// Any bytes as a value document: what reads must be written and read again to the same document.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "holdall/codec/document.h"

namespace {

using namespace holdall;

Result<NodeId> read(Arena& arena, std::string_view json) {
  JsonOptions options;
  options.surrogates = JsonOptions::Surrogates::kBytes;
  HOLDALL_ASSIGN(const NodeId root, parse_json(arena, json, options));
  const auto index = [](std::string_view name) -> Result<std::uint32_t> {
    if (name != "w") return corrupt("no such tensor");
    return 0u;
  };
  return read_document(arena, arena.at(root), index, 1'000);
}

std::string written(Value root) {
  JsonWriter writer;
  if (!write_document(writer, root, [](std::uint32_t) { return std::string_view("w"); })) std::abort();
  return writer.text();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Arena arena;
  const auto root = read(arena, {reinterpret_cast<const char*>(data), size});
  if (!root) return 0;
  const std::string document = written(arena.at(*root));
  Arena again;
  const auto back = read(again, document);
  // A document may nest more deeply than the JSON it came from.
  if (!back) return back.error().code() == Code::kLimit ? 0 : (std::abort(), 0);
  if (written(again.at(*back)) != document) std::abort();
  return 0;
}

#include "holdall/formats/huggingface/checksums.h"

#include <algorithm>
#include <string>
#include <vector>

#include "holdall/base/digest.h"
#include "holdall/base/text.h"
#include "holdall/codec/json.h"

namespace holdall::huggingface {
namespace {

constexpr std::uint64_t kMostUnit = 16u << 20;
constexpr std::uint64_t kPiece = 1u << 20;

Result<std::string> sha256_of(const Source& source, const Context& context) {
  Sha256 hasher;
  std::vector<std::byte> piece(static_cast<std::size_t>(std::min(kPiece, source.size())));
  for (std::uint64_t at = 0; at < source.size(); at += piece.size()) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), source.size() - at));
    const std::span<std::byte> out = std::span(piece).first(size);
    HOLDALL_TRY(source.read_at(at, out));
    hasher.update(out);
    HOLDALL_TRY(context.advance(size));
  }
  return to_hex(hasher.finish());
}

Status verify_file(const Bundle& bundle, const std::string& name, Value listed, const Context& context, Faults& faults) {
  const std::string where = bundle.path() + "/" + name;
  if (!is_contained(name) || !bundle.has(name)) {
    faults.list.push_back({where, std::nullopt, text("{} lists it, and it is not there", kUnitFile)});
    return {};
  }
  const auto expected = listed.find_string("sha256");
  if (!expected) {
    HOLDALL_ASSIGN(const Bundle part, bundle.part(name));
    if (const Status checked = context.verify(part, faults); !checked) faults.add(checked.error());
    return {};
  }
  HOLDALL_ASSIGN(const SourceRef source, bundle.open_part(name));
  ++faults.digests;
  const auto bytes = listed.find_int("bytes");
  if (bytes && static_cast<std::uint64_t>(*bytes) != source->size()) {
    faults.list.push_back({where, std::nullopt, text("it has {} bytes, {} were saved", source->size(), *bytes)});
    return {};
  }
  HOLDALL_ASSIGN(const std::string found, sha256_of(*source, context));
  if (found != *expected) {
    faults.list.push_back({where, std::nullopt, text("its SHA-256 is {}, {} was saved", found, *expected)});
  }
  return {};
}

}  // namespace

Status verify_unit(const Bundle& bundle, const Context& context, Faults& faults) {
  if (!bundle.has(std::string(kUnitFile))) return {};
  HOLDALL_ASSIGN(const SourceRef source, bundle.open_part(std::string(kUnitFile)));
  HOLDALL_ASSIGN(const Bytes bytes, read_all(*source, std::min(kMostUnit, context.limits.header_bytes)));
  Arena arena;
  JsonOptions options;
  options.depth = context.limits.depth;
  options.value_bytes = context.limits.value_bytes;
  const auto parsed = parse_json(arena, bytes.text(), options);
  if (!parsed) return {};  // verify() makes a fault of every file of JSON that is none
  const Value files = arena.at(*parsed).find("files");
  for (std::size_t i = 0; files.is(ValueKind::kDict) && i < files.size(); ++i) {
    if (!files.key(i).is(ValueKind::kString)) continue;
    HOLDALL_TRY(verify_file(bundle, std::string(files.key(i).as_string()), files.mapped(i), context, faults));
  }
  return {};
}

}  // namespace holdall::huggingface

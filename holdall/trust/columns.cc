#include "holdall/trust/columns.h"

#include <array>
#include <string>

#include "holdall/base/base64.h"
#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/objects/judge.h"

namespace holdall {
namespace {

// Behind the last column: what describes them, its size in four bytes, and the mark.
std::string footer_of(const Source& source, const Limits& limits) {
  constexpr std::string_view kParquet = "PAR1", kArrow = "ARROW1";
  const std::string_view mark = stands_at(source, 0, kParquet) ? kParquet : kArrow;
  const std::uint64_t tail = mark.size() + 4;
  if (source.size() < 2 * tail || !stands_at(source, 0, mark) || !stands_at(source, source.size() - mark.size(), mark))
    return {};
  std::array<std::byte, 4> size{};
  if (!source.read_at(source.size() - tail, size)) return {};
  const std::uint64_t bytes = load_le<std::uint32_t>(size.data());
  if (bytes > source.size() - tail || bytes > limits.header_bytes) return {};
  std::string footer(bytes, '\0');
  const auto read = source.read_at(source.size() - tail - bytes, std::as_writable_bytes(std::span(footer)));
  return read ? footer : std::string();
}

// Parquet keeps Arrow's schema as base64, behind the sign of a field and the length of the text.
std::string schema_of(std::string footer) {
  constexpr std::string_view kKey = "ARROW:schema";
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::size_t key = footer.find(kKey);
  if (key == footer.npos) return footer;
  std::size_t at = key + kKey.size() + 1;
  while (at < footer.size() && (static_cast<unsigned char>(footer[at]) & 0x80) != 0) ++at;  // of a varint
  if (++at >= footer.size()) return {};
  return from_loose_base64(std::string_view(footer).substr(at, footer.find_first_not_of(kDigits, at) - at));
}

}  // namespace

void judge_columns(const Source& source, std::string_view name, const Limits& limits, Findings& findings) {
  const std::string schema = schema_of(footer_of(source, limits));
  if (schema.find("arrow.py_extension_type") == schema.npos) return;
  const std::string where = text("{}!ARROW:schema", name);
  const std::size_t before = findings.size();
  const SourceRef bytes = memory_source(Bytes::copy(schema), where);
  for (std::size_t at = schema.find('\x80'); at != schema.npos; at = schema.find('\x80', at + 1)) {
    if (at + 1 >= schema.size() || schema[at + 1] < 2 || schema[at + 1] > 5) continue;
    Arena arena;
    const PickleProgram program = run_pickle(arena, bytes, at, {.limits = limits});
    if (program.imports.empty()) continue;
    judge(arena, program, where, findings);
    break;
  }
  if (findings.size() == before)
    findings.push_back(
        {Verdict::kCode, Rule::kPickleComputedBytes, where, "pyarrow before 14.0.1 unpickles an extension type", {}});
}

}  // namespace holdall

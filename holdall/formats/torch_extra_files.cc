#include "holdall/formats/torch_extra_files.h"

#include <algorithm>
#include <array>

#include "holdall/base/checked.h"
#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/formats/program_check.h"

namespace holdall {

namespace {

constexpr std::uint64_t kLongestText = 64u << 10;

struct Mark {
  std::string_view bytes;
  std::string_view what;
};
constexpr Mark kMarks[] = {
    {"\x7f"
     "ELF",
     "an ELF library or program"},
    {"\xcf\xfa\xed\xfe", "a Mach-O library or program"},
    {"\xce\xfa\xed\xfe", "a Mach-O library or program"},
    {"\x50\xed\x55\xba", "a fat binary of CUDA"},
};

// "MZ" alone begins many a text: the header that it leads to must be there.
bool is_windows(const Blob& record) {
  constexpr std::uint64_t kOffsetAt = 0x3c;
  std::array<char, kOffsetAt + 4> head{};
  if (record.size() < head.size() || !record.read_at(0, std::as_writable_bytes(std::span(head)))) return false;
  const std::uint64_t offset = load_le<std::uint32_t>(head.data() + kOffsetAt);
  std::array<char, 4> mark{};
  if (head[0] != 'M' || head[1] != 'Z' || !fits(offset, mark.size(), record.size())) return false;
  return record.read_at(offset, std::as_writable_bytes(std::span(mark))) &&
         std::string_view(mark.data(), 4) == std::string_view("PE\0\0", 4);
}

}  // namespace

Status add_extra_files(const ZipArchive& zip, std::string_view folder, const Limits& limits, Arena& arena, NodeId metadata) {
  NodeId files = kNoNode;
  for (const ZipMember& member : zip.members()) {
    const std::string_view name = member.name;
    if (!name.starts_with(folder) || name.size() == folder.size() || name.ends_with('/')) continue;
    HOLDALL_ASSIGN(Blob blob, zip.blob(member));
    if (files == kNoNode) files = arena.dict();
    NodeId value = kNoNode;
    if (blob.size() <= kLongestText) {
      HOLDALL_ASSIGN(const Bytes bytes, blob.read(kLongestText));
      if (is_utf8(bytes.text())) value = arena.string(bytes.text());
    }
    if (value == kNoNode) value = arena.bytes(std::move(blob));
    arena.set_item(files, name.substr(folder.size()), value);
    if (arena.memory() > limits.value_bytes) {
      return over_limit(text("values take {} bytes, {} are allowed", arena.memory(), limits.value_bytes))
          .in(zip.source()->name());
    }
  }
  if (files != kNoNode) arena.set_item(metadata, "extra_files", files);
  return {};
}

std::string_view native_code(const Blob& record) {
  std::array<std::byte, 4> head{};
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(record.size(), head.size()));
  if (!record.read_at(0, std::span(head).first(size))) return {};
  const std::string_view text(reinterpret_cast<const char*>(head.data()), size);
  for (const Mark& mark : kMarks)
    if (text.starts_with(mark.bytes)) return mark.what;
  return is_windows(record) ? "a Windows library or program" : std::string_view();
}

Status judge_record(const Blob& record, const Context& context, Findings& findings) {
  if (const std::string_view code = native_code(record); !code.empty()) {
    findings.push_back({Verdict::kCode, Rule::kNativeCode, record.name(), text("{}: it runs where it is loaded", code)});
    return {};
  }
  HOLDALL_ASSIGN(const SourceRef part, slice_source(record.source(), record.offset(), record.size(), record.name()));
  return judge_part(part, context, findings);
}

}  // namespace holdall

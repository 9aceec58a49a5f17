#include "holdall/formats/joblib/joblib_stream.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/codec/compress.h"

namespace holdall::joblib {
namespace {

constexpr std::string_view kZFile = "ZF";
// len(hex(2 ** 64)) of Python 3; Python 2 appended an L, which made the field one wider.
constexpr std::size_t kLengthField = 19;
constexpr std::size_t kHeadBytes = 32;

Result<std::vector<std::byte>> head_of(const Source& file) {
  std::vector<std::byte> head(static_cast<std::size_t>(std::min<std::uint64_t>(file.size(), kHeadBytes)));
  HOLDALL_TRY(file.read_at(0, head));
  return head;
}

// What a ZF file declares: the decoded size, and where its zlib stream begins.
struct ZHeader {
  std::uint64_t decoded = 0;
  std::uint64_t begin = 0;
};

Result<ZHeader> z_header(std::string_view head) {
  ZHeader header{0, kZFile.size() + kLengthField};
  if (head.size() <= header.begin) return corrupt("a ZF file is cut short in its header");
  std::string_view digits = head.substr(kZFile.size(), kLengthField);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  if (digits.starts_with("0x")) digits.remove_prefix(2);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), header.decoded, 16);
  if (error != std::errc() || digits.empty() || end != digits.data() + digits.size()) {
    return corrupt("the size that a ZF file declares is no hexadecimal number").at(kZFile.size());
  }
  if (head[static_cast<std::size_t>(header.begin)] == ' ') ++header.begin;
  return header;
}

Result<Stream> open_zfile(const SourceRef& file, std::string_view head, const Limits& limits) {
  auto header = z_header(head);
  if (!header) return std::move(header).error().in(file->name());
  HOLDALL_ASSIGN(SourceRef stream, slice_source(file, header->begin, file->size() - header->begin, file->name()));
  HOLDALL_ASSIGN(SourceRef decoded, decompressed(std::move(stream), Compression::kZlib, limits));
  if (decoded->size() != header->decoded) {
    return corrupt(text("the data decodes to {} bytes, {} were declared", decoded->size(), header->decoded)).in(file->name());
  }
  return Stream{std::move(decoded), std::string(kZFile)};
}

}  // namespace

bool looks_like_zfile(std::span<const std::byte> head) noexcept {
  const std::string_view found = as_text(head);
  return found.starts_with(kZFile) && found.size() > kZFile.size() + kLengthField && found.substr(2, 2) == "0x" &&
         z_header(found).has_value();
}

Result<Stream> open_stream(const SourceRef& file, const Limits& limits) {
  HOLDALL_ASSIGN(const auto head, head_of(*file));
  if (looks_like_zfile(head)) return open_zfile(file, as_text(std::span(head)), limits);
  const Compression compression = detect_compression(head);
  if (compression == Compression::kNone) return Stream{file, {}};
  HOLDALL_ASSIGN(SourceRef decoded, decompressed_stream(file, compression, limits));
  return Stream{std::move(decoded), std::string(name(compression))};
}

}  // namespace holdall::joblib

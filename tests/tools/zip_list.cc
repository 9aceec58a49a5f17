// Lists ZIP archives for the differential test against Python's zipfile.
//
// Standard input: archives one behind another, each after its size in 8 bytes, little-endian. Standard output, per archive:
// "ok N" and N lines "size CRC-32 name" (the CRC-32 of the bytes that were read; name in hexadecimal), or "error MESSAGE". A
// member that cannot be read makes the archive an error.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "holdall/base/checksum.h"
#include "holdall/base/digest.h"
#include "holdall/codec/zip.h"

namespace {

holdall::Result<std::string> list(std::string archive_bytes) {
  using namespace holdall;
  SourceRef source = memory_source(Bytes::adopt(std::move(archive_bytes)), "archive.zip");
  HOLDALL_ASSIGN(const auto archive, ZipArchive::open(source, Limits()));
  std::string lines = "ok " + std::to_string(archive->members().size()) + "\n";
  for (const ZipMember& member : archive->members()) {
    HOLDALL_ASSIGN(const Blob blob, archive->blob(member));
    // Whole and in pieces go different ways; both must give the same.
    HOLDALL_ASSIGN(const Bytes bytes, blob.read(64 * 1'048'576));
    std::uint32_t in_pieces = 0;
    HOLDALL_TRY(for_each_tile(blob, 1000, [&](std::uint64_t, std::span<const std::byte> piece) -> Status {
      in_pieces = crc32(piece, in_pieces);
      return {};
    }));
    if (in_pieces != crc32(bytes)) return internal("two ways to read a member differ");
    char number[32];
    std::snprintf(number, sizeof number, "%08x", crc32(bytes));
    lines += std::to_string(bytes.size()) + " " + number + " " + to_hex(as_bytes(member.name)) + "\n";
  }
  return lines;
}

}  // namespace

int main() {
  std::uint64_t size = 0;
  while (std::fread(&size, sizeof size, 1, stdin) == 1) {
    std::string bytes(size, '\0');
    if (size != 0 && std::fread(bytes.data(), 1, size, stdin) != size) return 2;
    auto lines = list(std::move(bytes));
    if (lines) {
      std::fputs(lines->c_str(), stdout);
    } else {
      std::string message = lines.error().to_string();
      for (char& letter : message)
        if (static_cast<unsigned char>(letter) < 0x20) letter = ' ';
      std::printf("error %s\n", message.c_str());
    }
  }
  return 0;
}

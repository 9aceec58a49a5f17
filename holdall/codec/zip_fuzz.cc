// Fuzzes ZipArchive: opens any bytes as an archive and reads its members whole and in pieces, which must agree.
#include <algorithm>
#include <cstdlib>

#include "holdall/codec/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  constexpr std::uint64_t kMost = 1u << 20;
  Limits limits;
  limits.expansion_floor = kMost;
  limits.expansion = 100;
  const auto archive =
      ZipArchive::open(memory_source(Bytes::copy({reinterpret_cast<const char*>(data), size}), "fuzz"), limits);
  if (!archive) return 0;
  std::uint64_t stored = 0;
  std::uint64_t decoded = 0;
  for (const ZipMember& member : (*archive)->members()) {
    stored += member.stored_size;
    // Members do not overlap, so all of them together fit the file.
    if (stored > size || (*archive)->find(member.name) != &member) std::abort();
    const auto blob = (*archive)->blob(member);
    if (!blob || blob->size() > kMost || (decoded += blob->size()) > 4 * kMost) continue;
    const auto whole = blob->read();
    std::string pieces;
    const Status status = for_each_tile(*blob, 777, [&](std::uint64_t, std::span<const std::byte> piece) -> Status {
      pieces += as_text(piece);
      return {};
    });
    if (whole.has_value() != status.has_value() || (whole && whole->text() != pieces)) std::abort();
  }
  return 0;
}

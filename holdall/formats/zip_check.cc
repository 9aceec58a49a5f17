#include "holdall/formats/zip_check.h"

#include <optional>
#include <utility>
#include <vector>

#include "holdall/io/parallel.h"

namespace holdall {

Status check_zip_members(const ZipArchive& zip, const Context& context, Faults& faults) {
  constexpr std::size_t kTile = 1u << 20;
  const auto& members = zip.members();
  std::vector<std::optional<Error>> errors(members.size());
  HOLDALL_TRY(parallel_for(members.size(), worker_count(), [&](std::uint64_t i) -> Status {
    auto blob = zip.blob(members[i]);
    const auto advance = [&](std::uint64_t, std::span<const std::byte> piece) { return context.advance(piece.size()); };
    Status read = blob ? for_each_tile(*blob, kTile, advance) : Status(std::move(blob).error());
    if (read) return {};
    if (read.error().code() == Code::kCancelled) return read;
    errors[i] = std::move(read).error();
    return {};
  }));
  for (const auto& error : errors)
    if (error) faults.add(*error);
  if (zip.has_checksums()) faults.crc32 += members.size();
  return {};
}

}  // namespace holdall

#include "holdall/io/map.h"

#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

namespace holdall {
namespace {

constexpr std::uint64_t kPage = 4096;

// Where a request lies in a file, or descriptor -1.
struct Placed {
  int descriptor = -1;
  std::uint64_t at = 0;
};

Placed place_of(const MapRequest& request) {
  Placed placed;
  if (request.blob.size() == 0) return placed;
  placed.descriptor = request.blob.source()->descriptor(request.blob.offset(), &placed.at);
  if (placed.at % request.alignment != 0) placed.descriptor = -1;
  return placed;
}

// What is mapped of one file.
struct Mapping {
  std::uint64_t begin = UINT64_MAX;
  std::uint64_t end = 0;
  Bytes bytes;  // from `begin`; empty: the system refused
};

Bytes map_range(int descriptor, std::uint64_t begin, std::uint64_t end) {
  const auto size = static_cast<std::size_t>(end - begin);
  void* place =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor, static_cast<off_t>(begin));
  if (place == MAP_FAILED) return {};
  std::shared_ptr<const void> owner(place, [size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); });
  return Bytes::share(std::move(owner), {static_cast<const std::byte*>(place), size});
}

}  // namespace

Result<std::vector<Bytes>> map_all(std::span<const MapRequest> requests, const LoadOptions& options) {
  std::vector<Placed> placed(requests.size());
  std::map<int, Mapping> mappings;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    placed[i] = place_of(requests[i]);
    if (placed[i].descriptor < 0) continue;
    Mapping& mapping = mappings[placed[i].descriptor];
    mapping.begin = std::min(mapping.begin, placed[i].at / kPage * kPage);
    mapping.end = std::max(mapping.end, placed[i].at + requests[i].blob.size());
  }
  for (auto& [descriptor, mapping] : mappings) mapping.bytes = map_range(descriptor, mapping.begin, mapping.end);

  std::vector<Bytes> mapped(requests.size());
  std::vector<Blob> left;
  std::vector<std::size_t> left_at;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto found = mappings.find(placed[i].descriptor);
    if (found == mappings.end() || found->second.bytes.empty()) {
      left.push_back(requests[i].blob);
      left_at.push_back(i);
      continue;
    }
    const auto from = static_cast<std::size_t>(placed[i].at - found->second.begin);
    mapped[i] = found->second.bytes.slice(from, static_cast<std::size_t>(requests[i].blob.size()));
  }
  HOLDALL_ASSIGN(std::vector<Bytes> loaded, load_all(left, options));
  for (std::size_t i = 0; i < left.size(); ++i) mapped[left_at[i]] = std::move(loaded[i]);
  return mapped;
}

}  // namespace holdall

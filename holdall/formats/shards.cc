#include "holdall/formats/shards.h"

namespace holdall {

std::vector<std::vector<std::uint32_t>> cut_by_bytes(const Model& model, const std::vector<std::uint32_t>& entries,
                                                     std::uint64_t most) {
  std::vector<std::vector<std::uint32_t>> parts(1);
  std::uint64_t size = 0;
  for (const std::uint32_t entry : entries) {
    const std::uint64_t bytes = model.tensors()[entry].tensor.bytes();
    if (most != 0 && !parts.back().empty() && size + bytes > most) {
      parts.emplace_back();
      size = 0;
    }
    parts.back().push_back(entry);
    size += bytes;
  }
  return parts;
}

}  // namespace holdall

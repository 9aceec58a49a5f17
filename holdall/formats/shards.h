// How the tensors of a model are spread over several files.
//
// Thread-safety: pure. Ownership: the caller's.
#pragma once

#include <cstdint>
#include <vector>

#include "holdall/core/model.h"

namespace holdall {

// `entries`, which are places in model.tensors(), in their order, cut where the next tensor would make more than `most` bytes;
// a tensor larger than that stands alone. 0: not cut. There is always one part, if an empty one.
std::vector<std::vector<std::uint32_t>> cut_by_bytes(const Model& model, const std::vector<std::uint32_t>& entries,
                                                     std::uint64_t most);

}  // namespace holdall

// SHA-256 of many tensors at once.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <span>
#include <vector>

#include "holdall/ops/open.h"

namespace holdall {

// Digests of data(), in the order given; a tensor with several names (NamedTensor::index) is read once. Several tensors
// are hashed in parallel. Memory: one tile (1 MiB) a thread. Errors: corrupt (a stored checksum does not hold), io, cancelled;
// the error names the tensor. Progress counts bytes.
Result<std::vector<Digest>> digest_tensors(std::span<const NamedTensor> tensors, const Progress& progress = {});

}  // namespace holdall

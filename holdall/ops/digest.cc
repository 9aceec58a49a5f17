#include "holdall/ops/digest.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "holdall/base/text.h"
#include "holdall/io/parallel.h"
#include "holdall/ops/meter.h"

namespace holdall {
namespace {

constexpr std::size_t kTile = 1u << 20;

Result<Digest> digest_of(const Tensor& tensor, Meter& meter) {
  HOLDALL_ASSIGN(const Blob data, tensor.data());
  Sha256 sha;
  HOLDALL_TRY(for_each_tile(data, kTile, [&](std::uint64_t, std::span<const std::byte> piece) {
    sha.update(piece);
    return meter.add(piece.size());
  }));
  return sha.finish();
}

}  // namespace

Result<std::vector<Digest>> digest_tensors(std::span<const NamedTensor> tensors, const Progress& progress) {
  // A tensor with several names is read under its first one.
  std::unordered_map<std::uint32_t, std::size_t> firsts;
  std::vector<std::size_t> work;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!firsts.emplace(tensors[i].index, i).second) continue;
    work.push_back(i);
    total += tensors[i].tensor.bytes();
  }
  // Large ones first, so that none is left to a single thread at the end.
  std::stable_sort(work.begin(), work.end(),
                   [&](std::size_t a, std::size_t b) { return tensors[a].tensor.bytes() > tensors[b].tensor.bytes(); });
  Meter meter(progress, total);
  std::vector<Digest> digests(tensors.size());
  HOLDALL_TRY(parallel_for(work.size(), worker_count(), [&](std::uint64_t k) -> Status {
    const std::size_t i = work[k];
    Result<Digest> digest = digest_of(tensors[i].tensor, meter);
    if (!digest) return std::move(digest).error().with(text("tensor '{}'", tensors[i].name));
    digests[i] = *digest;
    return {};
  }));
  for (std::size_t i = 0; i < tensors.size(); ++i) digests[i] = digests[firsts[tensors[i].index]];
  return digests;
}

}  // namespace holdall

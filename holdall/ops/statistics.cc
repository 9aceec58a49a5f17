#include "holdall/ops/statistics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <unordered_map>

#include "holdall/base/text.h"
#include "holdall/core/cast.h"
#include "holdall/core/numbers.h"
#include "holdall/io/parallel.h"
#include "holdall/ops/meter.h"

namespace holdall {
namespace {

// At most so many bytes at a time, whole elements, groups of packed ones and blocks.
constexpr std::size_t kTile = 3u << 18;
constexpr std::size_t kRun = 4096;

// Calls use(run of numbers) for all elements in order.
template <class Use>
Status for_each_run(const Tensor& tensor, Meter& meter, const Use& use) {
  HOLDALL_ASSIGN(const Blob data, tensor.data());
  const DTypeInfo& row = info(tensor.dtype());
  std::vector<double> numbers(kRun);
  return for_each_tile(
      data, kTile / row.block_bytes * row.block_bytes, [&](std::uint64_t, std::span<const std::byte> piece) -> Status {
        const std::uint64_t count = piece.size() / row.block_bytes * row.block_elements;
        for (std::uint64_t done = 0; done < count; done += kRun) {
          const auto run = std::span(numbers).first(static_cast<std::size_t>(std::min<std::uint64_t>(kRun, count - done)));
          HOLDALL_TRY(to_float64(tensor.dtype(), piece, done, run));
          use(run);
        }
        return meter.add(piece.size());
      });
}

void gather(std::span<const double> run, Statistics& statistics, long double& sum) {
  for (const double x : run) {
    if (std::isnan(x)) {
      ++statistics.nan;
    } else if (std::isinf(x)) {
      ++statistics.inf;
    } else {
      statistics.zeros += x == 0 ? 1 : 0;
      statistics.min = std::min(statistics.min, x);
      statistics.max = std::max(statistics.max, x);
      sum += x;
    }
  }
}

Result<std::optional<Statistics>> measure(const Tensor& tensor, Meter& meter) {
  if (number_kind(tensor.dtype()) == NumberKind::kNone) {
    HOLDALL_TRY(meter.add(2 * tensor.bytes()));
    return std::optional<Statistics>();
  }
  Statistics statistics;
  statistics.elements = tensor.elements();
  statistics.min = std::numeric_limits<double>::infinity();
  statistics.max = -statistics.min;
  long double sum = 0;  // of values up to the largest float64
  HOLDALL_TRY(for_each_run(tensor, meter, [&](std::span<const double> run) { gather(run, statistics, sum); }));
  const std::uint64_t finite = statistics.elements - statistics.nan - statistics.inf;
  if (finite == 0) {
    statistics.min = statistics.max = statistics.mean = statistics.deviation = std::numeric_limits<double>::quiet_NaN();
    HOLDALL_TRY(meter.add(tensor.bytes()));
    return std::optional(statistics);
  }
  statistics.mean = static_cast<double>(sum / static_cast<long double>(finite));
  const double width = statistics.max - statistics.min;
  const auto bins = static_cast<double>(statistics.histogram.size());
  // A power of two, so that squares of the largest float64 are none too large.
  const double shrink = width < 1e150 ? 1 : std::ldexp(1.0, -600);
  const double mean = statistics.mean * shrink;
  long double squares = 0;
  HOLDALL_TRY(for_each_run(tensor, meter, [&](std::span<const double> run) {
    double part = 0;
    for (const double x : run) {
      if (!std::isfinite(x)) continue;
      const double away = x * shrink - mean;
      part += away * away;
      const double place = width > 0 ? (x / width - statistics.min / width) * bins : 0;
      ++statistics.histogram[static_cast<std::size_t>(std::clamp(place, 0.0, bins - 1))];
    }
    squares += part;
  }));
  statistics.deviation = static_cast<double>(std::sqrt(squares / static_cast<long double>(finite))) / shrink;
  return std::optional(statistics);
}

// For each tensor the place of the first with the same index.
std::vector<std::size_t> first_of_each(std::span<const NamedTensor> tensors) {
  std::unordered_map<std::uint32_t, std::size_t> places;
  std::vector<std::size_t> firsts;
  firsts.reserve(tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) firsts.push_back(places.emplace(tensors[i].index, i).first->second);
  return firsts;
}

}  // namespace

Result<std::vector<std::optional<Statistics>>> measure_tensors(std::span<const NamedTensor> tensors, const Progress& progress) {
  const std::vector<std::size_t> firsts = first_of_each(tensors);
  std::vector<std::size_t> work;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (firsts[i] != i) continue;
    work.push_back(i);
    total += 2 * tensors[i].tensor.bytes();
  }
  // Large ones first, so that none is left to a single thread at the end.
  std::ranges::stable_sort(work, std::ranges::greater(), [&](std::size_t i) { return tensors[i].tensor.bytes(); });
  Meter meter(progress, total);
  std::vector<std::optional<Statistics>> all(tensors.size());
  HOLDALL_TRY(parallel_for(work.size(), worker_count(), [&](std::uint64_t k) -> Status {
    const NamedTensor& entry = tensors[work[k]];
    Result<std::optional<Statistics>> one = measure(entry.tensor, meter);
    if (!one) return std::move(one).error().with(text("tensor '{}'", entry.name));
    all[work[k]] = *one;
    return {};
  }));
  for (std::size_t i = 0; i < tensors.size(); ++i) all[i] = all[firsts[i]];
  return all;
}

}  // namespace holdall

#include "holdall/ops/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "holdall/base/text.h"
#include "holdall/core/cast.h"
#include "holdall/core/numbers.h"
#include "holdall/io/parallel.h"
#include "holdall/ops/meter.h"

namespace holdall {
namespace {

// A multiple of the bytes of every element and of every group of packed elements (3 bytes for float6).
constexpr std::size_t kTile = 3u << 18;
constexpr std::size_t kRun = 4096;

// Calls use(run of numbers) for all elements in order.
template <class Use>
Status for_each_run(const Tensor& tensor, Meter& meter, const Use& use) {
  HOLDALL_ASSIGN(const Blob data, tensor.data());
  const DTypeInfo& row = info(tensor.dtype());
  std::vector<double> numbers(kRun);
  return for_each_tile(data, kTile, [&](std::uint64_t, std::span<const std::byte> piece) -> Status {
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
    statistics.min = statistics.max = statistics.mean = std::numeric_limits<double>::quiet_NaN();
    HOLDALL_TRY(meter.add(tensor.bytes()));
    return std::optional(statistics);
  }
  statistics.mean = static_cast<double>(sum / static_cast<long double>(finite));
  const double width = statistics.max - statistics.min;
  const auto bins = static_cast<double>(statistics.histogram.size());
  HOLDALL_TRY(for_each_run(tensor, meter, [&](std::span<const double> run) {
    for (const double x : run) {
      if (!std::isfinite(x)) continue;
      const double place = width > 0 ? (x / width - statistics.min / width) * bins : 0;
      ++statistics.histogram[static_cast<std::size_t>(std::clamp(place, 0.0, bins - 1))];
    }
  }));
  return std::optional(statistics);
}

}  // namespace

Result<std::vector<std::optional<Statistics>>> measure_tensors(std::span<const NamedTensor> tensors, const Progress& progress) {
  std::uint64_t total = 0;
  for (const NamedTensor& entry : tensors) total += 2 * entry.tensor.bytes();
  Meter meter(progress, total);
  std::vector<std::optional<Statistics>> all(tensors.size());
  HOLDALL_TRY(parallel_for(tensors.size(), worker_count(), [&](std::uint64_t i) -> Status {
    Result<std::optional<Statistics>> one = measure(tensors[i].tensor, meter);
    if (!one) return std::move(one).error().with(text("tensor '{}'", tensors[i].name));
    all[i] = *one;
    return {};
  }));
  return all;
}

}  // namespace holdall

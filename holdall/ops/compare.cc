#include "holdall/ops/compare.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <mutex>

#include "holdall/base/text.h"
#include "holdall/core/numbers.h"
#include "holdall/io/parallel.h"

namespace holdall {
namespace {

// Elements read at a time; a multiple of every group of packed elements. At most 1 MiB of either tensor (complex128).
constexpr std::uint64_t kTile = 65'536;
// Elements that one thread compares before it takes other work.
constexpr std::uint64_t kJob = 256 * kTile;
constexpr std::size_t kRun = 1024;

// What all pieces of a pair add up to.
struct Sums {
  std::uint64_t differing = 0;
  double max_abs = 0, max_rel = 0, total_abs = 0;
  bool has_relative = false;  // an element of b that is not zero was met
  double dot = 0, square_a = 0, square_b = 0;

  void add(const Sums& other) noexcept {
    differing += other.differing;
    max_abs = std::max(max_abs, other.max_abs);
    max_rel = std::max(max_rel, other.max_rel);
    total_abs += other.total_abs;
    has_relative = has_relative || other.has_relative;
    dot += other.dot;
    square_a += other.square_a;
    square_b += other.square_b;
  }

  // Two elements that differ by `difference`; `size` is b's.
  void differ(double difference, double size, const Tolerance& tolerance) noexcept {
    max_abs = std::max(max_abs, difference);
    total_abs += difference;
    if (size != 0) max_rel = std::max(max_rel, difference / size);
    if (!(difference <= tolerance.absolute + tolerance.relative * size)) ++differing;
  }
};

struct Job {
  std::size_t pair;
  std::uint64_t begin, end;  // elements; bytes where elements have no fixed size
};

bool has_numbers(const TensorPair& pair) noexcept {
  return number_kind(pair.a().dtype()) != NumberKind::kNone && number_kind(pair.b().dtype()) != NumberKind::kNone;
}

// Bytes that elements [0, count) take; count ends on whole bytes.
std::uint64_t bytes_of(DType dtype, std::uint64_t count) noexcept {
  const DTypeInfo& row = info(dtype);
  return row.block_bytes == 0 ? count : count / row.block_elements * row.block_bytes;
}

std::vector<Job> jobs_for(std::span<const TensorPair> pairs, const std::vector<std::uint8_t>& wanted) {
  std::vector<Job> jobs;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (wanted[i] == 0) continue;
    const Tensor& tensor = pairs[i].a();
    const std::uint64_t units = info(tensor.dtype()).block_bytes == 0 ? tensor.bytes() : tensor.elements();
    const bool whole =
        !pairs[i].a().storage()->data.source()->random_access() || !pairs[i].b().storage()->data.source()->random_access();
    const std::uint64_t step = whole ? std::max<std::uint64_t>(units, 1) : kJob;
    for (std::uint64_t begin = 0; begin < units; begin += step) jobs.push_back({i, begin, std::min(units, begin + step)});
  }
  return jobs;
}

// --- Bytes -----------------------------------------------------------------------------------------------------------------

Result<bool> equal_bytes(const TensorPair& pair, const Job& job, Meter& meter) {
  HOLDALL_ASSIGN(const Blob a, pair.a().data());
  HOLDALL_ASSIGN(const Blob b, pair.b().data());
  const std::uint64_t begin = bytes_of(pair.a().dtype(), job.begin);
  const std::uint64_t end = bytes_of(pair.a().dtype(), job.end);
  const auto tile = static_cast<std::size_t>(std::min<std::uint64_t>(1u << 20, end - begin));
  std::vector<std::byte> x(tile), y(tile);
  for (std::uint64_t at = begin; at < end;) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(x.size(), end - at));
    HOLDALL_TRY(a.read_at(at, std::span(x).first(size)));
    HOLDALL_TRY(b.read_at(at, std::span(y).first(size)));
    HOLDALL_TRY(meter.add(2 * size));
    if (std::memcmp(x.data(), y.data(), size) != 0) return false;
    at += size;
  }
  return true;
}

// --- Numbers ---------------------------------------------------------------------------------------------------------------

// No number tells how far a NaN or an infinity is from anything else.
constexpr double kBeyondNumbers = std::numeric_limits<double>::infinity();

bool are_same_bits(double a, double b) noexcept { return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b); }

void add_numbers(std::span<const double> a, std::span<const double> b, const Tolerance& tolerance, Sums& sums) {
  const bool exact = tolerance.absolute == 0 && tolerance.relative == 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    sums.dot += x * y;
    sums.square_a += x * x;
    sums.square_b += y * y;
    sums.has_relative = sums.has_relative || y != 0;
    if (x == y) {
      if (exact && !are_same_bits(x, y)) ++sums.differing;  // the zeros
      continue;
    }
    if (std::isnan(x) && std::isnan(y)) continue;
    if (std::isfinite(x) && std::isfinite(y)) {
      sums.differ(std::abs(x - y), std::abs(y), tolerance);
    } else {
      sums.differ(kBeyondNumbers, 1, {});
    }
  }
}

// Complex numbers, real part first: the distance between two is the size of their difference.
void add_complex(std::span<const double> a, std::span<const double> b, const Tolerance& tolerance, Sums& sums) {
  const bool exact = tolerance.absolute == 0 && tolerance.relative == 0;
  for (std::size_t i = 0; i + 1 < a.size(); i += 2) {
    const std::complex<double> x(a[i], a[i + 1]), y(b[i], b[i + 1]);
    sums.dot += x.real() * y.real() + x.imag() * y.imag();
    sums.square_a += std::norm(x);
    sums.square_b += std::norm(y);
    sums.has_relative = sums.has_relative || y != 0.0;
    if (x == y) {
      if (exact && !(are_same_bits(x.real(), y.real()) && are_same_bits(x.imag(), y.imag()))) ++sums.differing;
      continue;
    }
    const auto is_nan = [](const std::complex<double>& z) { return std::isnan(z.real()) || std::isnan(z.imag()); };
    if (is_nan(x) && is_nan(y)) continue;
    const double difference = std::abs(x - y);
    if (std::isfinite(difference)) {
      sums.differ(difference, std::abs(y), tolerance);
    } else {
      sums.differ(kBeyondNumbers, 1, {});
    }
  }
}

// Integers of 64 bits, which float64 does not tell apart.
void add_integers(const TensorPair& pair, std::span<const std::int64_t> a, std::span<const std::int64_t> b,
                  const Tolerance& tolerance, Sums& sums) {
  const auto exact = [](DType dtype, std::int64_t bits) {
    return dtype == DType::kUInt64 ? static_cast<long double>(static_cast<std::uint64_t>(bits))
                                   : static_cast<long double>(bits);
  };
  for (std::size_t i = 0; i < a.size(); ++i) {
    const long double x = exact(pair.a().dtype(), a[i]), y = exact(pair.b().dtype(), b[i]);
    sums.dot += static_cast<double>(x * y);
    sums.square_a += static_cast<double>(x * x);
    sums.square_b += static_cast<double>(y * y);
    sums.has_relative = sums.has_relative || y != 0;
    if (x != y) sums.differ(static_cast<double>(std::abs(x - y)), static_cast<double>(std::abs(y)), tolerance);
  }
}

// The real numbers of `count` elements from `first` on; a complex one counts as two.
std::span<const double> load(DType dtype, const std::byte* packed, std::uint64_t first, std::uint64_t count,
                             std::vector<double>& out) {
  const bool is_complex = number_kind(dtype) == NumberKind::kComplex;
  const std::uint64_t parts = is_complex ? 2 : 1;
  const auto run = std::span(out).first(static_cast<std::size_t>(count * parts));
  load_reals(is_complex ? complex_part(dtype) : dtype, packed, first * parts, run);
  return run;
}

class NumberJob {
 public:
  NumberJob(const TensorPair& pair, const Tolerance& tolerance) : pair_(pair), tolerance_(tolerance) {
    const auto is_long = [](const Tensor& tensor) {
      return number_kind(tensor.dtype()) == NumberKind::kInteger && info(tensor.dtype()).block_bytes == 8;
    };
    const bool integers =
        number_kind(pair.a().dtype()) == NumberKind::kInteger && number_kind(pair.b().dtype()) == NumberKind::kInteger;
    as_integers_ = integers && (is_long(pair.a()) || is_long(pair.b()));
  }

  Result<Sums> run(const Job& job, Meter& meter) {
    HOLDALL_ASSIGN(const Blob a, pair_.a().data());
    HOLDALL_ASSIGN(const Blob b, pair_.b().data());
    std::vector<std::byte> x, y;
    Sums sums;
    for (std::uint64_t at = job.begin; at < job.end; at += kTile) {
      const std::uint64_t count = std::min(kTile, job.end - at);
      HOLDALL_TRY(read(a, pair_.a().dtype(), at, count, x));
      HOLDALL_TRY(read(b, pair_.b().dtype(), at, count, y));
      HOLDALL_TRY(meter.add(x.size() + y.size()));
      for (std::uint64_t done = 0; done < count; done += kRun)
        add(x, y, done, std::min<std::uint64_t>(kRun, count - done), sums);
    }
    return sums;
  }

 private:
  static Status read(const Blob& data, DType dtype, std::uint64_t at, std::uint64_t count, std::vector<std::byte>& out) {
    out.resize(static_cast<std::size_t>(bytes_of(dtype, count)));
    return data.read_at(bytes_of(dtype, at), out);
  }

  void add(const std::vector<std::byte>& x, const std::vector<std::byte>& y, std::uint64_t first, std::uint64_t count,
           Sums& sums) {
    const auto size = static_cast<std::size_t>(count);
    if (as_integers_) {
      load_integers(pair_.a().dtype(), x.data(), first, std::span(integers_a_).first(size));
      load_integers(pair_.b().dtype(), y.data(), first, std::span(integers_b_).first(size));
      add_integers(pair_, std::span(integers_a_).first(size), std::span(integers_b_).first(size), tolerance_, sums);
      return;
    }
    const auto a = load(pair_.a().dtype(), x.data(), first, count, reals_a_);
    const auto b = load(pair_.b().dtype(), y.data(), first, count, reals_b_);
    if (a.size() == b.size()) {
      (a.size() == size ? add_numbers : add_complex)(a, b, tolerance_, sums);
    } else {
      add_complex(a.size() > size ? a : with_zeros(a), b.size() > size ? b : with_zeros(b), tolerance_, sums);
    }
  }

  // Reals beside complex numbers: with an imaginary part of 0.
  std::span<const double> with_zeros(std::span<const double> reals) {
    for (std::size_t i = 0; i < reals.size(); ++i) {
      widened_[2 * i] = reals[i];
      widened_[2 * i + 1] = 0;
    }
    return std::span(widened_).first(2 * reals.size());
  }

  const TensorPair& pair_;
  const Tolerance& tolerance_;
  bool as_integers_ = false;
  std::vector<std::int64_t> integers_a_ = std::vector<std::int64_t>(kRun), integers_b_ = std::vector<std::int64_t>(kRun);
  std::vector<double> reals_a_ = std::vector<double>(2 * kRun), reals_b_ = std::vector<double>(2 * kRun);
  std::vector<double> widened_ = std::vector<double>(2 * kRun);
};

Comparison concluded(const TensorPair& pair, const Sums& sums, const Tolerance& tolerance) {
  Comparison result;
  const bool exact = tolerance.absolute == 0 && tolerance.relative == 0;
  // Bytes differed: without a tolerance that alone counts (payloads of NaNs).
  result.agree = sums.differing == 0 && !(exact && pair.a().dtype() == pair.b().dtype());
  result.differing = sums.differing;
  if (std::isfinite(sums.max_abs)) result.max_abs = sums.max_abs;
  const double mean = sums.total_abs / static_cast<double>(std::max<std::uint64_t>(1, pair.a().elements()));
  if (std::isfinite(mean)) result.mean_abs = mean;
  if (sums.has_relative && std::isfinite(sums.max_rel)) result.max_rel = sums.max_rel;
  // A vector of zeros has no direction; one with a NaN or an infinity has none that can be told.
  const double lengths = std::sqrt(sums.square_a) * std::sqrt(sums.square_b);
  const double cosine = sums.dot / lengths;
  if (lengths > 0 && std::isfinite(lengths) && std::isfinite(cosine)) result.cosine = std::clamp(cosine, -1.0, 1.0);
  return result;
}

}  // namespace

Result<std::vector<std::pair<std::size_t, Comparison>>> compare_tensors(std::span<const TensorPair> pairs,
                                                                        const Tolerance& tolerance, Meter& meter) {
  const auto about = [&](Error error, std::size_t pair) {
    return std::move(error).with(text("tensor '{}'", pairs[pair].name()));
  };

  std::vector<std::uint8_t> wanted(pairs.size());
  std::vector<std::atomic<bool>> differ(pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const bool one_dtype = pairs[i].a().dtype() == pairs[i].b().dtype();
    wanted[i] = one_dtype ? 1 : 0;
    // Strings and records of other sizes differ without a look at their bytes.
    if (!one_dtype || pairs[i].a().bytes() != pairs[i].b().bytes()) differ[i] = true;
    if (differ[i]) wanted[i] = 0;
  }
  {
    const std::vector<Job> jobs = jobs_for(pairs, wanted);
    HOLDALL_TRY(parallel_for(jobs.size(), worker_count(), [&](std::uint64_t k) -> Status {
      const Job& job = jobs[k];
      if (differ[job.pair]) return {};
      Result<bool> equal = equal_bytes(pairs[job.pair], job, meter);
      if (!equal) return about(std::move(equal).error(), job.pair);
      if (!*equal) differ[job.pair] = true;
      return {};
    }));
  }

  std::vector<std::pair<std::size_t, Sums>> sums;  // of the pairs whose numbers are compared
  std::vector<std::pair<std::size_t, Comparison>> results;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    wanted[i] = differ[i] && has_numbers(pairs[i]) ? 1 : 0;
    if (wanted[i] != 0) sums.emplace_back(i, Sums());
    if (differ[i]) {
      results.emplace_back(i, Comparison());
      results.back().second.agree = false;
    }
  }
  const auto sums_of = [&](std::size_t pair) -> Sums& {
    const auto before = [](const auto& each, std::size_t wanted_pair) { return each.first < wanted_pair; };
    return std::lower_bound(sums.begin(), sums.end(), pair, before)->second;
  };
  const std::vector<Job> number_jobs = jobs_for(pairs, wanted);
  std::mutex mutex;
  HOLDALL_TRY(parallel_for(number_jobs.size(), worker_count(), [&](std::uint64_t k) -> Status {
    const Job& job = number_jobs[k];
    Result<Sums> some = NumberJob(pairs[job.pair], tolerance).run(job, meter);
    if (!some) return about(std::move(some).error(), job.pair);
    const std::lock_guard lock(mutex);
    sums_of(job.pair).add(*some);
    return {};
  }));
  for (auto& [pair, comparison] : results)
    if (wanted[pair] != 0) comparison = concluded(pairs[pair], sums_of(pair), tolerance);
  return results;
}

}  // namespace holdall

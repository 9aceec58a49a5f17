#include "holdall/core/quantize.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/core/cast.h"
#include "holdall/core/numbers.h"

namespace holdall {
namespace {

constexpr std::uint64_t kTileElements = 65'536;

// --- Which scale an element has ----------------------------------------------------------------------------------------------

// Elements that lie one behind another and their blocks: element `at + i` has scale `scale + (within + i) / block`.
struct Run {
  std::uint64_t at, size, scale, within, block;
};

// The dimensions, neighbours that are alike put together.
class Blocks {
 public:
  Blocks(const Shape& shape, const Shape& blocks) {
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const Dimension next{shape[i], blocks[i]};
      Dimension* last = dimensions_.empty() ? nullptr : &dimensions_.back();
      const bool are_whole = last != nullptr && next.block == next.size && last->block == last->size;
      if (are_whole || (last != nullptr && next.block == 1 && last->block == 1)) {
        last->size *= next.size;
        last->block = are_whole ? last->size : 1;
      } else {
        dimensions_.push_back(next);
      }
    }
    if (dimensions_.empty()) dimensions_.push_back({1, 1});
    std::uint64_t scales = 1;
    for (std::size_t i = dimensions_.size(); i-- > 0;) {
      dimensions_[i].step = scales;
      scales *= dimensions_[i].size / std::max<std::uint64_t>(1, dimensions_[i].block);
    }
  }

  // The longest run that begins with an element, of at most `most`.
  Run from(std::uint64_t element, std::uint64_t most) const {
    const Dimension& last = dimensions_.back();
    const std::uint64_t within = element % last.size;
    std::uint64_t rest = element / last.size;
    std::uint64_t scale = 0;
    for (std::size_t i = dimensions_.size() - 1; i-- > 0;) {
      scale += rest % dimensions_[i].size / dimensions_[i].block * dimensions_[i].step;
      rest /= dimensions_[i].size;
    }
    return {element, std::min(most, last.size - within), scale, within, last.block};
  }

 private:
  struct Dimension {
    std::uint64_t size, block;
    std::uint64_t step = 1;  // scales from one block to the next
  };
  std::vector<Dimension> dimensions_;
};

// --- The numbers of the blocks -----------------------------------------------------------------------------------------------

struct Numbers {
  std::vector<float> scales;
  std::vector<std::int64_t> zero_points;  // empty: all 0
};

Result<Numbers> numbers_of(const Quantization& quantization) {
  Numbers numbers;
  HOLDALL_ASSIGN(const Tensor scales, cast(quantization.scales, DType::kFloat32));
  HOLDALL_ASSIGN(numbers.scales, scales.read<float>());
  if (!quantization.zero_points) return numbers;
  HOLDALL_ASSIGN(const Tensor points, cast(*quantization.zero_points, DType::kInt64));
  HOLDALL_ASSIGN(numbers.zero_points, points.read<std::int64_t>());
  if (std::all_of(numbers.zero_points.begin(), numbers.zero_points.end(), [](std::int64_t each) { return each == 0; }))
    numbers.zero_points.clear();
  return numbers;
}

// Bits of an integer: 8 of an int8.
int bits_of(DType dtype) noexcept { return static_cast<int>(8 * info(dtype).block_bytes / info(dtype).block_elements); }
bool is_signed(DType dtype) noexcept { return info(dtype).kind == DTypeKind::kSigned; }

// --- To real numbers ---------------------------------------------------------------------------------------------------------

class RealSource final : public Source {
 public:
  RealSource(Blob data, const Tensor& tensor)
      : data_(std::move(data)),
        dtype_(tensor.dtype()),
        elements_(tensor.elements()),
        blocks_(tensor.shape(), tensor.quantization()->blocks),
        quantization_(tensor.quantization()),
        name_(text("{} dequantised", data_.name())) {}

  std::uint64_t size() const noexcept override { return elements_ * sizeof(float); }
  const std::string& name() const noexcept override { return name_; }
  bool random_access() const noexcept override { return data_.source()->random_access(); }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size() || out.size() > size() - offset)
      return corrupt(text("bytes [{}, {}) of {}", offset, offset + out.size(), size())).at(offset).in(name_);
    std::call_once(once_, [&] { load(); });
    if (!status_) return Error(status_.error());
    std::vector<float> reals;
    while (!out.empty()) {
      const std::uint64_t first = offset / sizeof(float);
      const std::uint64_t skip = offset % sizeof(float);
      const std::uint64_t count = std::min(kTileElements, (skip + out.size() + sizeof(float) - 1) / sizeof(float));
      reals.resize(static_cast<std::size_t>(count));
      HOLDALL_TRY(make(first, reals));
      const auto made = std::as_bytes(std::span(reals)).subspan(static_cast<std::size_t>(skip));
      const std::size_t size = std::min(made.size(), out.size());
      std::copy_n(made.data(), size, out.data());
      offset += size;
      out = out.subspan(size);
    }
    return {};
  }

 private:
  void load() const {
    auto numbers = numbers_of(*quantization_);
    if (numbers) {
      numbers_ = std::move(*numbers);
    } else {
      status_ = std::move(numbers).error();
    }
  }

  Status make(std::uint64_t first, std::span<float> out) const {
    // Whole bytes of elements that are smaller.
    const std::uint64_t group = info(dtype_).block_elements;
    const std::uint64_t begin = first / group * group;
    const std::uint64_t end = std::min((first + out.size() + group - 1) / group * group, elements_);
    std::vector<std::byte> in(static_cast<std::size_t>((end - begin) / group * info(dtype_).block_bytes));
    HOLDALL_TRY(data_.read_at(begin / group * info(dtype_).block_bytes, in));
    std::vector<double> stored(static_cast<std::size_t>(end - begin));
    load_reals(dtype_, in.data(), 0, stored);
    for (std::uint64_t done = 0; done < out.size();) {
      const Run run = blocks_.from(first + done, out.size() - done);
      const double* const from = stored.data() + (run.at - begin);
      for (std::uint64_t i = 0; i < run.size;) {
        const std::uint64_t scale = run.scale + (run.within + i) / run.block;
        const std::uint64_t some = std::min(run.size - i, run.block - (run.within + i) % run.block);
        const double by = numbers_.scales[scale];
        const double zero = numbers_.zero_points.empty() ? 0 : static_cast<double>(numbers_.zero_points[scale]);
        float* const to = out.data() + done + i;
        for (std::uint64_t k = 0; k < some; ++k) to[k] = static_cast<float>(by * (from[i + k] - zero));
        i += some;
      }
      done += run.size;
    }
    return {};
  }

  Blob data_;
  DType dtype_;
  std::uint64_t elements_;
  Blocks blocks_;
  QuantizationRef quantization_;
  std::string name_;
  mutable std::once_flag once_;
  mutable Status status_;
  mutable Numbers numbers_;
};

// --- From real numbers -------------------------------------------------------------------------------------------------------

// The integers that values may become.
struct Ends {
  std::int64_t least, most;
};
Ends ends_of(DType dtype) noexcept {
  const int bits = bits_of(dtype) - (is_signed(dtype) ? 1 : 0);
  // Of 64 bits the last that a float64 holds.
  const std::int64_t most = bits >= 63 ? INT64_MAX - 1023 : (std::int64_t{1} << bits) - 1;
  return {is_signed(dtype) ? -most - 1 : 0, most};
}

class StoredSource final : public Source {
 public:
  StoredSource(Blob reals, DType to, std::uint64_t elements, Blocks blocks, Numbers numbers, const Ends& ends)
      : reals_(std::move(reals)),
        to_(to),
        elements_(elements),
        blocks_(std::move(blocks)),
        numbers_(std::move(numbers)),
        least_(static_cast<double>(ends.least)),
        most_(static_cast<double>(ends.most)),
        name_(text("{} quantised", reals_.name())) {}

  std::uint64_t size() const noexcept override { return elements_ / info(to_).block_elements * info(to_).block_bytes; }
  const std::string& name() const noexcept override { return name_; }

  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override {
    if (offset > size() || out.size() > size() - offset)
      return corrupt(text("bytes [{}, {}) of {}", offset, offset + out.size(), size())).at(offset).in(name_);
    const std::uint64_t group = info(to_).block_elements;
    const std::uint64_t width = info(to_).block_bytes;
    while (!out.empty()) {
      const std::uint64_t skip = offset % width;
      const std::uint64_t groups = std::min(kTileElements / group, (skip + out.size() + width - 1) / width);
      std::vector<std::int64_t> values(static_cast<std::size_t>(groups * group));
      HOLDALL_TRY(make(offset / width * group, values));
      std::vector<std::byte> packed(static_cast<std::size_t>(groups * width));
      store_integers(to_, values, packed.data());
      const std::size_t size = std::min<std::size_t>(packed.size() - skip, out.size());
      std::copy_n(packed.data() + skip, size, out.data());
      offset += size;
      out = out.subspan(size);
    }
    return {};
  }

 private:
  Status make(std::uint64_t first, std::span<std::int64_t> out) const {
    std::vector<float> reals(out.size());
    HOLDALL_TRY(reals_.read_at(first * sizeof(float), std::as_writable_bytes(std::span(reals))));
    for (std::uint64_t done = 0; done < out.size();) {
      const Run run = blocks_.from(first + done, out.size() - done);
      for (std::uint64_t i = 0; i < run.size; ++i) {
        const std::uint64_t at = run.scale + (run.within + i) / run.block;
        const double zero = numbers_.zero_points.empty() ? 0 : static_cast<double>(numbers_.zero_points[at]);
        const float scale = numbers_.scales[at];
        const float real = reals[done + i];
        if (!std::isfinite(real)) return invalid_argument(text("element {} is not finite", first + done + i)).in(name_);
        // In float64, so that the quotient is rounded once, to an integer.
        const double value = scale == 0 ? 0 : std::round(static_cast<double>(real) / scale);
        out[done + i] = static_cast<std::int64_t>(std::clamp(value + zero, least_, most_));
      }
      done += run.size;
    }
    return {};
  }

  Blob reals_;
  DType to_;
  std::uint64_t elements_;
  Blocks blocks_;
  Numbers numbers_;
  double least_, most_;
  std::string name_;
};

// The least and the largest number of each block, 0 among them.
struct Extremes {
  std::vector<float> least, most;
};
Result<Extremes> extremes_of(const Tensor& reals, const Blocks& blocks, std::size_t count) {
  Extremes found{std::vector<float>(count, 0), std::vector<float>(count, 0)};
  HOLDALL_ASSIGN(const Blob data, reals.data());
  std::vector<float> tile;
  for (std::uint64_t first = 0; first < reals.elements(); first += kTileElements) {
    tile.resize(static_cast<std::size_t>(std::min(kTileElements, reals.elements() - first)));
    HOLDALL_TRY(data.read_at(first * sizeof(float), std::as_writable_bytes(std::span(tile))));
    for (std::uint64_t done = 0; done < tile.size();) {
      const Run run = blocks.from(first + done, tile.size() - done);
      for (std::uint64_t i = 0; i < run.size; ++i) {
        const float real = tile[done + i];
        if (!std::isfinite(real)) return invalid_argument(text("element {} is not finite", first + done + i)).in(data.name());
        const std::uint64_t block = run.scale + (run.within + i) / run.block;
        found.least[block] = std::min(found.least[block], real);
        found.most[block] = std::max(found.most[block], real);
      }
      done += run.size;
    }
  }
  return found;
}

// New scales, and zero points where there are any or the integers have no sign; a block of zeros keeps its own.
Status renew(const Tensor& reals, const Blocks& blocks, bool about_zero, const Ends& ends, Numbers& numbers) {
  HOLDALL_ASSIGN(const Extremes found, extremes_of(reals, blocks, numbers.scales.size()));
  if (!about_zero) numbers.zero_points.resize(numbers.scales.size(), 0);
  for (std::size_t i = 0; i < numbers.scales.size(); ++i) {
    const float least = found.least[i];
    const float most = found.most[i];
    if (least == most) continue;
    if (about_zero) {
      numbers.scales[i] = std::max(-least, most) / static_cast<float>(ends.most);
      continue;
    }
    const double scale = (static_cast<double>(most) - least) / static_cast<double>(ends.most - ends.least);
    numbers.scales[i] = static_cast<float>(scale);
    numbers.zero_points[i] =
        std::clamp(ends.least - static_cast<std::int64_t>(std::round(least / scale)), ends.least, ends.most);
  }
  return {};
}

template <class T>
Result<Tensor> list_of(DType dtype, const std::vector<T>& values) {
  return Tensor::dense(dtype, {values.size()}, Blob::memory(Bytes::copy(std::as_bytes(std::span(values))), "scales"));
}

}  // namespace

Status check_quantization(DType dtype, const Shape& shape, const Quantization& quantization) {
  if (!can_cast(dtype, DType::kFloat32) || number_kind(dtype) == NumberKind::kComplex)
    return unsupported(text("elements of dtype {} have no scales", name(dtype)));
  if (quantization.blocks.size() != shape.size())
    return corrupt(text("blocks of {} dimensions for a tensor of {}", quantization.blocks.size(), shape.size()));
  std::uint64_t scales = 1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::uint64_t block = quantization.blocks[i];
    if (shape[i] == 0 && block == 0) continue;
    if (block == 0 || shape[i] % block != 0) return corrupt(text("blocks of {} elements do not divide {}", block, shape[i]));
    scales *= shape[i] / block;
  }
  if (quantization.scales.elements() != scales)
    return corrupt(text("{} scales, {} blocks", quantization.scales.elements(), scales));
  if (quantization.zero_points && quantization.zero_points->elements() != scales)
    return corrupt(text("{} zero points, {} blocks", quantization.zero_points->elements(), scales));
  const bool are_numbers = can_cast(quantization.scales.dtype(), DType::kFloat32) &&
                           (!quantization.zero_points || can_cast(quantization.zero_points->dtype(), DType::kInt64));
  return are_numbers ? Status() : unsupported("scales or zero points that are no numbers");
}

Result<Tensor> real_numbers(const Tensor& tensor) {
  return tensor.quantization() == nullptr ? Result<Tensor>(tensor) : dequantize(tensor);
}

Result<Tensor> dequantize(const Tensor& tensor) {
  HOLDALL_ASSIGN(Blob data, tensor.data());
  if (tensor.elements() == 0) return Tensor::dense(DType::kFloat32, tensor.shape(), Blob());
  return Tensor::dense(DType::kFloat32, tensor.shape(), Blob(std::make_shared<RealSource>(std::move(data), tensor)));
}

Result<Tensor> quantize(const Tensor& reals, const Tensor& like, const std::optional<Tensor>& scales) {
  const Quantization& own = *like.quantization();
  if (number_kind(like.dtype()) != NumberKind::kInteger)
    return unsupported(text("real numbers are quantised as integers, not as {}", name(like.dtype())));
  HOLDALL_ASSIGN(const Tensor floats, cast(reals, DType::kFloat32));
  HOLDALL_ASSIGN(Numbers numbers, numbers_of(own));
  const Blocks blocks(like.shape(), own.blocks);
  Ends ends = ends_of(like.dtype());
  Quantization made = own;
  if (own.renewal == Quantization::Renewal::kOwn) {
    const bool about_zero = is_signed(like.dtype()) && numbers.zero_points.empty();
    ++ends.least;
    HOLDALL_TRY(renew(floats, blocks, about_zero, ends, numbers));
    if (!about_zero) {
      HOLDALL_ASSIGN(made.zero_points, list_of(DType::kInt64, numbers.zero_points));
    }
  } else if (scales) {
    HOLDALL_ASSIGN(numbers.scales, scales->read<float>());
  }
  if (own.renewal == Quantization::Renewal::kOwn || scales) {
    HOLDALL_ASSIGN(made.scales, list_of(DType::kFloat32, numbers.scales));
  }
  HOLDALL_ASSIGN(Blob data, floats.data());
  auto source =
      std::make_shared<StoredSource>(std::move(data), like.dtype(), like.elements(), blocks, std::move(numbers), ends);
  HOLDALL_ASSIGN(const Tensor stored, Tensor::dense(like.dtype(), like.shape(), Blob(std::move(source))));
  return stored.with_quantization(std::make_shared<const Quantization>(std::move(made)));
}

}  // namespace holdall

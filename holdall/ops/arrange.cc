#include "holdall/ops/arrange.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

#include "holdall/base/text.h"
#include "holdall/core/quantize.h"

namespace holdall {
namespace {

using Step = Arrangement::Step;
using Kind = Step::Kind;

constexpr std::size_t kMostAxes = 5;
constexpr std::size_t kMostWays = 24;
constexpr std::array<std::string_view, 2> kKinds = {"shape", "axes"};
static_assert(kKinds.size() == static_cast<std::size_t>(Kind::kAxes) + 1);

// The strides of the tensor under `shape`, where every axis of it lies within one of the tensor's; empty where one does not.
std::vector<std::int64_t> split_strides(const Tensor& tensor, const Shape& shape) {
  const std::vector<std::int64_t> old = tensor.strides();
  std::vector<std::int64_t> strides(shape.size(), 1);
  std::size_t axis = tensor.shape().size();
  std::uint64_t within = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 1) continue;
    while (axis > 0 && (within == tensor.shape()[axis - 1] || tensor.shape()[axis - 1] == 1)) {
      --axis;
      within = 1;
    }
    if (axis == 0 || tensor.shape()[axis - 1] % (within * shape[i]) != 0) return {};
    strides[i] = old[axis - 1] * static_cast<std::int64_t>(within);
    within *= shape[i];
  }
  return strides;
}

Result<Tensor> with_shape(const Tensor& tensor, const Shape& shape) {
  if (shape == tensor.shape()) return tensor;
  HOLDALL_ASSIGN(const std::uint64_t count, element_count(shape));
  if (count != tensor.elements()) {
    return invalid_argument(
        text("{} has {} elements, {} would have {}", to_string(tensor.shape()), tensor.elements(), to_string(shape), count));
  }
  if (count != 0 && is_byte_sized(tensor.dtype())) {
    std::vector<std::int64_t> strides = tensor.is_dense() ? std::vector<std::int64_t>() : split_strides(tensor, shape);
    if (tensor.is_dense() || !strides.empty()) {
      Tensor::View view = tensor.layout();
      view.strides = std::move(strides);
      return Tensor::view(tensor.dtype(), shape, tensor.storage(), std::move(view));
    }
  }
  HOLDALL_ASSIGN(Blob data, tensor.data());
  if (tensor.dtype() == DType::kString) return Tensor::strings(shape, std::move(data));
  return Tensor::dense(tensor.dtype(), shape, std::move(data));
}

bool are_axes_of(const Shape& shape, std::span<const std::uint64_t> axes) {
  std::vector<bool> seen(shape.size());
  for (const std::uint64_t axis : axes) {
    if (axis >= shape.size() || seen[static_cast<std::size_t>(axis)]) return false;
    seen[static_cast<std::size_t>(axis)] = true;
  }
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (!seen[i] && shape[i] != 1) return false;
  return true;
}

Shape picked(const Shape& shape, std::span<const std::uint64_t> order) {
  Shape result;
  for (const std::uint64_t axis : order) result.push_back(shape[static_cast<std::size_t>(axis)]);
  return result;
}

// The scales of a tensor of `shape`, arranged with it.
Result<Quantization> arranged_scales(const Quantization& before, const Shape& shape, const Step& step) {
  Quantization after = before;
  if (step.kind == Kind::kShape) {
    after.blocks = step.values;
    if (before.blocks == shape) return after;
    return unsupported(text("a quantised tensor with {} scales is not reshaped: its real numbers are (--dtype float32 before)",
                            before.scales.elements()));
  }
  Shape grid;
  for (std::size_t i = 0; i < shape.size(); ++i) grid.push_back(shape[i] / before.blocks[i]);
  const auto move = [&](const Tensor& numbers) -> Result<Tensor> {
    HOLDALL_ASSIGN(const Tensor placed, with_shape(numbers, grid));
    HOLDALL_ASSIGN(const Tensor moved, with_axes(placed, step.values));
    return with_shape(moved, {numbers.elements()});
  };
  HOLDALL_ASSIGN(after.scales, move(before.scales));
  if (before.zero_points) {
    HOLDALL_ASSIGN(after.zero_points, move(*before.zero_points));
  }
  after.blocks = picked(before.blocks, step.values);
  return after;
}

Shape without_ones(const Shape& shape) {
  Shape result;
  std::copy_if(shape.begin(), shape.end(), std::back_inserter(result), [](std::uint64_t size) { return size != 1; });
  return result;
}

bool joins_to(const Shape& fine, std::span<const std::uint64_t> order, const Shape& coarse) {
  std::size_t next = 0;
  std::uint64_t within = 1;
  for (const std::uint64_t axis : order) {
    if (next == coarse.size()) return false;
    within *= fine[static_cast<std::size_t>(axis)];
    if (within > coarse[next]) return false;
    if (within == coarse[next]) {
      ++next;
      within = 1;
    }
  }
  return next == coarse.size() && within == 1;
}

// Steps that change nothing are left out.
Arrangement steps_of(const Shape& from, const Shape& split, Shape axes, const Shape& to) {
  Arrangement result;
  if (split != from && !std::is_sorted(axes.begin(), axes.end())) result.steps.push_back({Kind::kShape, split});
  const Shape moved = std::is_sorted(axes.begin(), axes.end()) ? from : picked(split, axes);
  if (!std::is_sorted(axes.begin(), axes.end())) result.steps.push_back({Kind::kAxes, std::move(axes)});
  if (moved != to) result.steps.push_back({Kind::kShape, to});
  return result;
}

}  // namespace

std::string to_string(const Arrangement& arrangement) {
  std::string result;
  for (const Step& step : arrangement.steps) {
    result += text("{}{}=", result.empty() ? "" : " ", kKinds[static_cast<std::size_t>(step.kind)]);
    for (std::size_t i = 0; i < step.values.size(); ++i) result += text("{}{}", i == 0 ? "" : ",", step.values[i]);
  }
  return result;
}

Result<Arrangement> parse_arrangement(std::string_view given) {
  Arrangement result;
  while (!given.empty()) {
    std::string_view word = given.substr(0, given.find(' '));
    given.remove_prefix(std::min(word.size() + 1, given.size()));
    if (word.empty()) continue;
    const auto bad = [whole = word] { return invalid_argument(text("'{}' is neither shape=N,… nor axes=N,…", whole)); };
    const std::size_t equals = word.find('=');
    const auto kind = std::find(kKinds.begin(), kKinds.end(), word.substr(0, equals));
    if (equals == std::string_view::npos || kind == kKinds.end()) return bad();
    Step step{static_cast<Kind>(kind - kKinds.begin()), {}};
    word.remove_prefix(equals + 1);
    while (!word.empty()) {
      std::uint64_t value = 0;
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
      if (error != std::errc() || (end != word.data() + word.size() && *end != ',')) return bad();
      step.values.push_back(value);
      word.remove_prefix(std::min(static_cast<std::size_t>(end - word.data()) + 1, word.size()));
    }
    result.steps.push_back(std::move(step));
  }
  return result;
}

Result<Tensor> with_axes(const Tensor& tensor, std::span<const std::uint64_t> axes) {
  Tensor::View view = tensor.layout();
  const std::vector<std::int64_t> strides = tensor.strides();
  view.strides.clear();
  for (const std::uint64_t axis : axes) view.strides.push_back(strides[static_cast<std::size_t>(axis)]);
  return Tensor::view(tensor.dtype(), picked(tensor.shape(), axes), tensor.storage(), std::move(view));
}

Result<Tensor> arranged(Tensor tensor, const Arrangement& arrangement) {
  for (const Step& step : arrangement.steps) {
    const QuantizationRef before = tensor.quantization();
    const Shape shape = tensor.shape();
    if (step.kind == Kind::kShape) {
      HOLDALL_ASSIGN(tensor, with_shape(tensor, step.values));
    } else if (!are_axes_of(tensor.shape(), step.values)) {
      return invalid_argument(text("axes={} is no order of the axes of {}", to_string(step.values), to_string(tensor.shape())));
    } else {
      HOLDALL_ASSIGN(tensor, with_axes(tensor, step.values));
    }
    if (before == nullptr) continue;
    HOLDALL_ASSIGN(Quantization after, arranged_scales(*before, shape, step));
    tensor = tensor.with_quantization(std::make_shared<const Quantization>(std::move(after)));
  }
  return tensor;
}

std::vector<Arrangement> arrangements_between(const Shape& from, const Shape& to) {
  const Shape a = without_ones(from);
  const Shape b = without_ones(to);
  const bool splits = b.size() >= a.size();
  const Shape& fine = splits ? b : a;
  const Shape& coarse = splits ? a : b;
  std::vector<Arrangement> result;
  Shape order(fine.size());
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  const bool permutes = fine.size() <= kMostAxes;
  do {
    if (!joins_to(fine, order, coarse)) continue;
    if (!splits) {
      result.push_back(steps_of(from, a, order, to));
    } else {
      Shape back(order.size());
      for (std::size_t i = 0; i < order.size(); ++i) back[static_cast<std::size_t>(order[i])] = i;
      result.push_back(steps_of(from, picked(fine, order), std::move(back), to));
    }
  } while (permutes && result.size() < kMostWays && std::next_permutation(order.begin(), order.end()));
  std::stable_sort(result.begin(), result.end(),
                   [](const Arrangement& x, const Arrangement& y) { return x.steps.size() < y.steps.size(); });
  return result;
}

std::uint64_t arranged_index(const Shape& from, const Arrangement& arrangement, std::uint64_t index) {
  Shape shape = from;
  for (const Step& step : arrangement.steps) {
    if (step.kind == Kind::kShape) {
      shape = step.values;
      continue;
    }
    std::vector<std::uint64_t> place(shape.size());
    for (std::size_t i = shape.size(); i-- > 0;) {
      place[i] = index % shape[i];
      index /= shape[i];
    }
    index = 0;
    for (const std::uint64_t axis : step.values) {
      const auto i = static_cast<std::size_t>(axis);
      index = index * shape[i] + place[i];
    }
    shape = picked(shape, step.values);
  }
  return index;
}

}  // namespace holdall

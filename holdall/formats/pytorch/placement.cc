#include "holdall/formats/pytorch/placement.h"

#include <algorithm>
#include <utility>

#include "holdall/base/text.h"

namespace holdall::pytorch {

namespace {

// No element of torch is wider; where dtypes are mixed, a trimmed storage starts at a multiple of it.
constexpr std::uint64_t kWidestItem = 16;

const TorchDType* row_of(const Tensor& tensor, const TensorTraits& traits) {
  if (traits.row != nullptr && traits.row->dtype == tensor.dtype()) return traits.row;
  return torch_dtype_for(tensor.dtype());
}

std::vector<std::int64_t> dense_strides(const std::vector<std::int64_t>& sizes) {
  std::vector<std::int64_t> strides(sizes.size());
  std::int64_t step = 1;
  for (std::size_t d = sizes.size(); d-- > 0;) {
    strides[d] = step;
    step *= std::max<std::int64_t>(sizes[d], 1);
  }
  return strides;
}

// Why torch cannot hold a tensor; empty when it can.
std::string obstacle(const Tensor& tensor, const TorchDType* row, bool quantized) {
  if (row == nullptr) return text("dtype {} has no place in a torch file", name(tensor.dtype()));
  if (row->dtype == DType::kFloat4E2M1 && (tensor.shape().empty() || tensor.shape().back() % 2 != 0)) {
    return "torch keeps float4_e2m1 in pairs, the last dimension is odd";
  }
  if (info(tensor.dtype()).kind == DTypeKind::kQuantized && !quantized) {
    return text("{} without the quantizer that gives it its meaning", name(tensor.dtype()));
  }
  return {};
}

// A tensor's own stored checksum, where the storage that is written with it has none.
Status check(const Tensor& tensor) {
  HOLDALL_ASSIGN(const Blob data, tensor.data());
  if (!data.xxh3()) return {};
  return for_each_tile(data, 1u << 20, [](std::uint64_t, std::span<const std::byte>) { return Status(); });
}

// A storage of the model that a tensor may go on sharing: torch knows no negative strides.
bool keeps_storage(const Tensor& tensor) {
  if (tensor.is_dense()) return tensor.elements() > 0;
  const auto strides = tensor.strides();
  return tensor.elements() > 0 && std::none_of(strides.begin(), strides.end(), [](std::int64_t s) { return s < 0; });
}

}  // namespace

Result<Placement> Placement::make(const Model& model, const std::vector<std::uint32_t>& entries,
                                  const std::unordered_map<std::uint32_t, TensorTraits>& traits) {
  Placement placement;
  placement.tensors_.reserve(entries.size());
  placement.spans_.reserve(entries.size());
  const auto traits_of = [&](std::uint32_t index) {
    const auto found = traits.find(index);
    return found == traits.end() ? TensorTraits() : found->second;
  };
  for (const std::uint32_t i : entries) {
    const NamedTensor& entry = model.tensors()[i];
    const TensorTraits trait = traits_of(entry.index);
    const TorchDType* row = row_of(entry.tensor, trait);
    if (!obstacle(entry.tensor, row, trait.quantized).empty() || !keeps_storage(entry.tensor)) continue;
    Span& span = placement.spans_[entry.tensor.storage().get()];
    const auto [begin, end] = entry.tensor.span_in_storage();
    span.begin = std::min(span.begin, begin);
    span.end = std::max(span.end, end);
    span.mixed = span.mixed || (span.row != nullptr && span.row != row);
    span.row = row;
    if (entry.tensor.is_dense() && (span.widest == nullptr || entry.tensor.bytes() > span.widest->bytes())) {
      span.widest = &entry.tensor;
    }
  }
  for (const std::uint32_t i : entries) {
    const NamedTensor& entry = model.tensors()[i];
    if (placement.tensors_.contains(entry.index)) continue;
    HOLDALL_TRY(placement.place(entry, traits_of(entry.index)));
  }
  placement.spans_ = {};
  return placement;
}

const SavedTensor* Placement::find(std::uint32_t index) const noexcept {
  const auto found = tensors_.find(index);
  return found == tensors_.end() || found->second.row == nullptr ? nullptr : &found->second;
}

Status Placement::place(const NamedTensor& entry, const TensorTraits& traits) {
  const Tensor& tensor = entry.tensor;
  SavedTensor saved;
  saved.tensor = &tensor;
  saved.row = row_of(tensor, traits);
  const std::string why_not = obstacle(tensor, saved.row, traits.quantized);
  if (!why_not.empty()) {
    losses_.push_back({entry.name, why_not});
    saved.row = nullptr;
    tensors_.emplace(entry.index, std::move(saved));
    return {};
  }
  if (!tensor.logical().empty()) {
    losses_.push_back({entry.name, text("that its numbers are {}", tensor.logical())});
  }
  saved.sizes.assign(tensor.shape().begin(), tensor.shape().end());
  if (saved.row->dtype == DType::kFloat4E2M1) saved.sizes.back() /= 2;
  const bool is_pair = saved.row->dtype == DType::kFloat4E2M1 && tensor.shape() == Shape{2};
  if (is_pair && traits.lone_pair) saved.sizes.clear();
  Span* span = keeps_storage(tensor) ? &spans_[tensor.storage().get()] : nullptr;
  // A quantized tensor takes its dtype from its storage, so that must be its alone.
  const bool alone = span == nullptr || (span->mixed && traits.quantized);
  HOLDALL_TRY(alone ? place_alone(saved) : place_shared(saved, *span));
  tensors_.emplace(entry.index, std::move(saved));
  return {};
}

Status Placement::place_alone(SavedTensor& saved) {
  HOLDALL_ASSIGN(Blob data, saved.tensor->data());
  saved.storage = static_cast<std::uint32_t>(storages_.size());
  saved.strides = dense_strides(saved.sizes);
  storages_.push_back({std::move(data), saved.row->storage.empty() ? nullptr : saved.row});
  return {};
}

Status Placement::place_shared(SavedTensor& saved, Span& span) {
  const Tensor& tensor = *saved.tensor;
  if (span.mixed) span.begin = span.begin / kWidestItem * kWidestItem;
  const bool is_covered = span.widest != nullptr && span.widest->span_in_storage() == std::pair(span.begin, span.end);
  if (!is_covered) HOLDALL_TRY(check(tensor));
  if (!span.saved) {
    HOLDALL_ASSIGN(Blob data,
                   is_covered ? span.widest->data() : tensor.storage()->data.slice(span.begin, span.end - span.begin));
    span.saved = static_cast<std::uint32_t>(storages_.size());
    storages_.push_back({std::move(data), span.mixed || saved.row->storage.empty() ? nullptr : saved.row});
  }
  const DTypeInfo& row = info(tensor.dtype());
  const std::uint64_t first = tensor.layout().offset / row.block_elements * row.block_bytes;
  saved.storage = *span.saved;
  saved.offset = (first - span.begin) / saved.row->item_bytes;
  saved.strides = row.block_elements == 1 ? tensor.strides() : dense_strides(saved.sizes);
  saved.conjugate = tensor.layout().conjugate;
  saved.negative = tensor.layout().negative;
  return {};
}

}  // namespace holdall::pytorch

// Tensors to and from LibTorch, without a copy where the layout allows.
//
// Thread-safety: functions may be called from several threads; a Storages belongs to one. Ownership: an at::Tensor made here
// keeps the bytes under it; a Tensor made here keeps the storage of the at::Tensor, and shows what is written into that later.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "holdall/adapters/libtorch/border.h"
#include "holdall/adapters/libtorch/dtypes.h"
#include "holdall/core/state_dict.h"
#include "holdall/io/load.h"

namespace holdall::libtorch {

struct TorchOptions {
  at::Device device = at::kCPU;
  // What is on disk is read into fresh memory. Of what is in memory already (copy_tensor(), from_torch(), …) an at::Tensor is a
  // view, so that writing into the one changes the other, or has a copy of its own.
  enum class Memory : std::uint8_t { kShared, kOwn } memory = Memory::kShared;
  LoadOptions load = {};
};

namespace detail {

// Where a tensor's elements lie once all blobs are loaded.
struct Placed {
  c10::ScalarType type;
  std::size_t blob;
  std::int64_t offset = 0;  // in elements
  std::vector<std::int64_t> sizes, strides;
};

inline std::vector<std::int64_t> dense_strides(const std::vector<std::int64_t>& sizes) {
  std::vector<std::int64_t> strides(sizes.size(), 1);
  for (std::size_t d = sizes.size(); d-- > 1;) strides[d - 1] = strides[d] * std::max<std::int64_t>(sizes[d], 1);
  return strides;
}

// As LibTorch counts them: pairs of float4 along the last dimension.
inline Result<std::vector<std::int64_t>> sizes_of(const Tensor& tensor) {
  std::vector<std::int64_t> sizes(tensor.shape().begin(), tensor.shape().end());
  if (tensor.dtype() != DType::kFloat4E2M1) return sizes;
  if (sizes.empty() || sizes.back() % 2 != 0) {
    return unsupported("LibTorch has no tensors of float4_e2m1 " + to_string(tensor.shape()) + ": it counts pairs");
  }
  sizes.back() /= 2;
  return sizes;
}

// Whether an at::Tensor can look at the storage as it is.
inline bool lies_plainly(const Tensor& tensor) {
  const Tensor::View& view = tensor.layout();
  if (tensor.storage() == nullptr || view.conjugate || view.negative) return false;
  if (!is_byte_sized(tensor.dtype()) || tensor.elements() == 0) return false;
  return std::ranges::all_of(tensor.strides(), [](std::int64_t stride) { return stride >= 0; });
}

// Which blobs a list of tensors needs, each once, and where in them the tensors lie.
class Placement {
 public:
  Status add(const Tensor& tensor) {
    const DTypeRow* row = row_of(tensor.dtype());
    if (row == nullptr || !tensor.logical().empty()) {
      return unsupported("LibTorch has no tensors of " +
                         (tensor.logical().empty() ? std::string(name(tensor.dtype())) : tensor.logical()));
    }
    Placed placed{row->bare, 0, 0, {}, {}};
    HOLDALL_ASSIGN(placed.sizes, sizes_of(tensor));
    const bool is_whole = tensor.is_dense() && tensor.storage() != nullptr &&
                          tensor.span_in_storage() == std::pair<std::uint64_t, std::uint64_t>(0, tensor.storage()->data.size());
    if (lies_plainly(tensor)) {
      const auto [known, is_new] = known_.try_emplace(tensor.storage().get(), blobs_.size());
      placed.blob = known->second;
      placed.strides = tensor.strides();
      placed.offset = static_cast<std::int64_t>(tensor.layout().offset);
      // A whole tensor's own checksum is its storage's.
      if (is_new) HOLDALL_TRY(add_blob(is_whole ? tensor.data() : Result<Blob>(tensor.storage()->data)));
    } else {
      placed.blob = blobs_.size();
      placed.strides = dense_strides(placed.sizes);
      HOLDALL_TRY(add_blob(tensor.data()));
    }
    alignments_[placed.blob] = std::max(alignments_[placed.blob], c10::elementSize(placed.type));
    placed_.push_back(std::move(placed));
    return {};
  }

  const std::vector<Placed>& placed() const noexcept { return placed_; }
  // The blobs in memory. Errors: those of load_all().
  Result<std::vector<Bytes>> load(const TorchOptions& options) const {
    HOLDALL_ASSIGN(std::vector<Bytes> loaded, load_all(blobs_, options.load));
    for (std::size_t i = 0; i < loaded.size(); ++i) {
      const bool is_shared = blobs_[i].source() != nullptr && blobs_[i].source()->resident().has_value();
      const bool is_aligned =
          reinterpret_cast<std::uintptr_t>(loaded[i].data()) % std::max<std::size_t>(alignments_[i], 1) == 0;
      if (is_aligned && !(is_shared && options.memory == TorchOptions::Memory::kOwn)) continue;
      HOLDALL_ASSIGN(Buffer own, Buffer::allocate(loaded[i].size()));
      if (!loaded[i].empty()) std::memcpy(own.data(), loaded[i].data(), own.size());
      loaded[i] = std::move(own).into_bytes();
    }
    return loaded;
  }

 private:
  Status add_blob(Result<Blob> blob) {
    if (!blob) return std::move(blob).error();
    blobs_.push_back(std::move(*blob));
    alignments_.push_back(0);
    return {};
  }

  std::vector<Blob> blobs_;
  std::vector<std::size_t> alignments_;  // by blob: of the largest element that is in it
  std::unordered_map<const Storage*, std::size_t> known_;
  std::vector<Placed> placed_;
};

// A storage that looks at bytes and keeps them.
inline c10::Storage storage_over(Bytes bytes, const at::Device& device) {
  const std::size_t size = bytes.size();
  auto kept = std::make_unique<Bytes>(std::move(bytes));
  void* const data = const_cast<std::byte*>(kept->data());
  c10::DataPtr pointer(data, kept.get(), [](void* context) { delete static_cast<Bytes*>(context); }, at::kCPU);
  static_cast<void>(kept.release());
  c10::Storage storage(c10::Storage::use_byte_size_t(), size, std::move(pointer), nullptr, false);
  if (device.is_cpu()) return storage;
  const auto length = static_cast<std::int64_t>(size);
  return at::empty({0}, at::kByte).set_(std::move(storage), 0, {length}, {1}).to(device).storage();
}

}  // namespace detail

// An at::Tensor for each tensor, read by several threads; tensors that share a storage share one there. Strides and offsets are
// kept; what LibTorch cannot look at (conjugated, negated, negative strides) becomes row-major. Quantized tensors are their
// integers here (load_tensors() has their quantizers too). Errors: unsupported for a dtype that LibTorch lacks, those of
// load_all(), out of memory.
inline Result<std::vector<at::Tensor>> to_torch(std::span<const Tensor> tensors, const TorchOptions& options = {}) {
  return detail::guarded([&]() -> Result<std::vector<at::Tensor>> {
    detail::Placement placement;
    for (const Tensor& tensor : tensors) HOLDALL_TRY(placement.add(tensor));
    HOLDALL_ASSIGN(std::vector<Bytes> loaded, placement.load(options));
    std::vector<c10::Storage> storages;
    storages.reserve(loaded.size());
    for (Bytes& bytes : loaded) storages.push_back(detail::storage_over(std::move(bytes), options.device));
    std::vector<at::Tensor> made;
    made.reserve(tensors.size());
    for (const detail::Placed& at : placement.placed()) {
      at::Tensor tensor = at::empty({0}, at::TensorOptions(at.type).device(options.device));
      made.push_back(tensor.set_(storages[at.blob], at.offset, at.sizes, at.strides));
    }
    return made;
  });
}
inline Result<at::Tensor> to_torch(const Tensor& tensor, const TorchOptions& options = {}) {
  HOLDALL_ASSIGN(std::vector<at::Tensor> made, to_torch(std::span(&tensor, 1), options));
  return std::move(made.front());
}

// The storages of at::Tensors as ours: tensors that share one are made with the same Storages to share one here.
class Storages {
 public:
  // Memory of the CPU is looked at; that of a device is copied, once. Errors: unsupported where there is no memory to look at.
  Result<StorageRef> of(const at::Tensor& tensor) {
    if (!tensor.has_storage() || tensor.is_meta()) return unsupported("a tensor without memory of its own (meta, wrapped)");
    const c10::Storage& theirs = tensor.storage();
    Kept& kept = kept_[{theirs.data(), theirs.nbytes()}];
    if (kept.ours != nullptr) return kept.ours;
    kept.theirs = theirs;
    auto owner = std::make_shared<c10::Storage>(theirs);
    if (!theirs.device().is_cpu()) {
      const auto length = static_cast<std::int64_t>(theirs.nbytes());
      const auto bytes = at::TensorOptions(at::kByte).device(theirs.device());
      *owner = at::empty({0}, bytes).set_(theirs, 0, {length}, {1}).cpu().storage();
    }
    const auto* const data = static_cast<const std::byte*>(owner->data());
    if (data == nullptr && owner->nbytes() != 0) return unsupported("a tensor whose memory is gone");
    const std::size_t size = owner->nbytes();
    kept.ours = std::make_shared<Storage>(Storage{Blob::memory(Bytes::share(std::move(owner), {data, size}), "memory")});
    return kept.ours;
  }

 private:
  struct Kept {
    c10::Storage theirs;
    StorageRef ours;
  };
  std::map<std::pair<const void*, std::size_t>, Kept> kept_;  // by address and size
};

namespace detail {

inline Shape shape_of(const at::Tensor& tensor) { return Shape(tensor.sizes().begin(), tensor.sizes().end()); }

inline Result<Tensor> viewed(const at::Tensor& tensor, Storages& storages) {
  if (!tensor.defined()) return invalid_argument("the tensor is undefined");
  if (tensor.layout() != at::kStrided || tensor.is_nested()) return unsupported("only dense (strided) tensors can be saved");
  const std::optional<DType> dtype = dtype_of(tensor.scalar_type());
  if (!dtype) return unsupported(std::string("Holdall has no tensors of ") + c10::toString(tensor.scalar_type()));
  Shape shape = shape_of(tensor);
  Tensor::View view{.strides = tensor.strides().vec(), .conjugate = tensor.is_conj(), .negative = tensor.is_neg()};
  at::Tensor source = tensor;
  if (*dtype == DType::kFloat4E2M1) {
    if (shape.empty()) return unsupported("a pair of float4 without a dimension");
    source = tensor.contiguous();
    shape.back() *= 2;
    view.strides.clear();
  }
  if (tensor.numel() == 0) return Tensor::dense(*dtype, std::move(shape), Blob::memory(Bytes(), "memory"));
  view.offset = static_cast<std::uint64_t>(source.storage_offset()) * info(*dtype).block_elements;
  HOLDALL_ASSIGN(StorageRef storage, storages.of(source));
  return Tensor::view(*dtype, std::move(shape), std::move(storage), std::move(view));
}

}  // namespace detail

// A tensor over an at::Tensor's memory: strides, offset, shared storage, pending conjugation and negation kept. Quantized ones
// are qint8, quint8 or qint32 without their quantizers (put() keeps those). Errors: invalid argument for an undefined tensor;
// unsupported for layouts that are not strided, the meta device, dtypes that Holdall lacks.
inline Result<Tensor> from_torch(const at::Tensor& tensor, Storages& storages) {
  return detail::guarded([&] { return detail::viewed(tensor, storages); });
}
inline Result<Tensor> from_torch(const at::Tensor& tensor) {
  Storages storages;
  return from_torch(tensor, storages);
}

// Sets a tensor under a key, as torch.save would save it: requires_grad and quantizer kept. Errors: those of from_torch();
// unsupported for quantizers that are not affine.
inline Status put(StateDict dict, const StateKey& key, const at::Tensor& tensor, Storages& storages) {
  return detail::guarded([&]() -> Status {
    HOLDALL_ASSIGN(Tensor made, detail::viewed(tensor, storages));
    if (!tensor.is_quantized()) {
      dict.set(key, StateTensor{std::move(made), tensor.requires_grad()});
      return {};
    }
    const at::QScheme scheme = tensor.qscheme();
    if (scheme == at::kPerTensorAffine) {
      StateDict quantizer = dict.set_with_attributes(key, {std::move(made)}).dict("quantizer");
      quantizer.set("scheme", "per_tensor_affine");
      quantizer.set("scale", tensor.q_scale());
      quantizer.set("zero_point", tensor.q_zero_point());
      return {};
    }
    if (scheme != at::kPerChannelAffine && scheme != at::kPerChannelAffineFloatQParams) {
      return unsupported("only affine quantizers can be saved");
    }
    HOLDALL_ASSIGN(Tensor scales, detail::viewed(tensor.q_per_channel_scales(), storages));
    HOLDALL_ASSIGN(Tensor zero_points, detail::viewed(tensor.q_per_channel_zero_points(), storages));
    StateDict quantizer = dict.set_with_attributes(key, {std::move(made)}).dict("quantizer");
    quantizer.set("scheme", scheme == at::kPerChannelAffine ? "per_channel_affine" : "per_channel_affine_float_qparams");
    quantizer.set("scales", std::move(scales));
    quantizer.set("zero_points", std::move(zero_points));
    quantizer.set("axis", tensor.q_per_channel_axis());
    return {};
  });
}
inline Status put(StateDict dict, const StateKey& key, const at::Tensor& tensor) {
  Storages storages;
  return put(std::move(dict), key, tensor, storages);
}

}  // namespace holdall::libtorch

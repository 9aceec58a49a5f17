// Placement: which storages a torch file will have and where in them each tensor lies.
//
// Tensors that share memory in the model share a storage in the file; a storage is trimmed to the span that its tensors touch.
// Thread-safety: built by one thread, immutable afterwards. Ownership: storages share the blobs of the model's tensors.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "holdall/core/model.h"
#include "holdall/io/plan.h"
#include "holdall/objects/torch_types.h"

namespace holdall::pytorch {

// One data/KEY record.
struct SavedStorage {
  Blob data;
  const TorchDType* row = nullptr;  // of its typed class; null: untyped, tensors of several dtypes or of newer ones share it
};

struct SavedTensor {
  const Tensor* tensor = nullptr;
  const TorchDType* row = nullptr;
  std::uint32_t storage = 0;  // index of its SavedStorage, which is also its key
  std::uint64_t offset = 0;   // in torch's elements
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
  bool conjugate = false;
  bool negative = false;
};

// What the tree says about a tensor beyond its values: torch's own name of its dtype, whether it is quantized, and whether it
// is a pair of float4 without a dimension.
struct TensorTraits {
  const TorchDType* row = nullptr;
  bool quantized = false;
  bool lone_pair = false;
};

class Placement {
 public:
  // Places the tensors of `entries` (indices into model.tensors(), which may name one tensor twice). What torch cannot hold is
  // left out and told in losses(). Errors: those of making a tensor's data.
  static Result<Placement> make(const Model& model, const std::vector<std::uint32_t>& entries,
                                const std::unordered_map<std::uint32_t, TensorTraits>& traits);

  const std::vector<SavedStorage>& storages() const noexcept { return storages_; }
  // By TensorNode::index; nullptr for a tensor that is not written.
  const SavedTensor* find(std::uint32_t index) const noexcept;
  const std::vector<Loss>& losses() const noexcept { return losses_; }

 private:
  // What the views of one storage of the model have in common.
  struct Span {
    std::uint64_t begin = UINT64_MAX;
    std::uint64_t end = 0;
    const TorchDType* row = nullptr;
    bool mixed = false;
    const Tensor* widest = nullptr;  // of the dense ones: where it covers the span, its stored checksum is the storage's
    std::optional<std::uint32_t> saved;
  };
  Status place(const NamedTensor& entry, const TensorTraits& traits);
  Status place_alone(SavedTensor& saved);
  Status place_shared(SavedTensor& saved, Span& span);

  std::vector<SavedStorage> storages_;
  std::unordered_map<std::uint32_t, SavedTensor> tensors_;
  std::unordered_map<const Storage*, Span> spans_;
  std::vector<Loss> losses_;
};

}  // namespace holdall::pytorch

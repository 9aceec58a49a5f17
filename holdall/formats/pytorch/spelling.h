// Spelling: tensors and storages of a torch file as the opcodes that torch.save writes for them.
//
// Thread-safety: one thread. Ownership: refers to the placement.
#pragma once

#include <cstdint>
#include <vector>

#include "holdall/codec/pickle_emitter.h"
#include "holdall/formats/pytorch/placement.h"

namespace holdall::pytorch {

// What one node of the tree that is written stands for.
struct Spelled {
  enum class What : std::uint8_t {
    kTensor,     // the call that rebuilds it (torch/_utils.py: _rebuild_tensor_v2, _v3)
    kFunction,   // what that calls
    kArguments,  // and with what: the two halves of the call, for _rebuild_from_type_v2
    kParameter,  // _rebuild_parameter of it
    kStorage,    // the persistent id of its storage, typed as the storage is
    kOwnClass,   // the same, typed as the tensor is
    kUntyped,    // the same, untyped
  } what = What::kTensor;
  bool requires_grad = false;
  const SavedTensor* saved = nullptr;
};

class Spelling {
 public:
  explicit Spelling(const Placement& placement) : placement_(placement) {}

  // Its number, which spell() takes.
  std::uint32_t add(const Spelled& spelled);
  const Spelled& at(std::uint32_t number) const noexcept { return spelled_[number]; }
  void spell(PickleEmitter& code, std::uint32_t number) const;

 private:
  void function(PickleEmitter& code, const Spelled& of) const;
  void arguments(PickleEmitter& code, const Spelled& of, bool requires_grad) const;
  void tensor(PickleEmitter& code, const Spelled& of, bool requires_grad) const;
  void storage(PickleEmitter& code, std::uint32_t number, const TorchDType* row) const;
  const TorchDType* row_of(const Spelled& of) const noexcept { return placement_.storages()[of.saved->storage].row; }

  const Placement& placement_;
  std::vector<Spelled> spelled_;
};

}  // namespace holdall::pytorch

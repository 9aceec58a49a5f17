#include "holdall/formats/pytorch/spelling.h"

#include <array>
#include <charconv>

namespace holdall::pytorch {

using namespace pickle_code;

namespace {

// Every tensor has a dict of hooks of its own.
void no_hooks(PickleEmitter& code) {
  code.known_global("collections", "OrderedDict");
  code.op(kEMPTY_TUPLE);
  code.op(kREDUCE);
}

}  // namespace

std::uint32_t Spelling::add(const Spelled& spelled) {
  spelled_.push_back(spelled);
  return static_cast<std::uint32_t>(spelled_.size() - 1);
}

void Spelling::spell(PickleEmitter& code, std::uint32_t number) const {
  const Spelled& of = spelled_[number];
  switch (of.what) {
    case Spelled::What::kTensor:
      return tensor(code, of, of.requires_grad);
    case Spelled::What::kFunction:
      return function(code, of);
    case Spelled::What::kArguments:
      return arguments(code, of, of.requires_grad);
    case Spelled::What::kParameter:
      code.known_global("torch._utils", "_rebuild_parameter");
      tensor(code, of, false);
      code.boolean(of.requires_grad);
      no_hooks(code);
      code.op(kTUPLE3);
      return code.op(kREDUCE);
    case Spelled::What::kStorage:
      return storage(code, of.saved->storage, row_of(of));
    case Spelled::What::kOwnClass:
      return storage(code, of.saved->storage, of.saved->row);
    case Spelled::What::kUntyped:
      return storage(code, of.saved->storage, nullptr);
  }
}

void Spelling::function(PickleEmitter& code, const Spelled& of) const {
  code.known_global("torch._utils", row_of(of) == nullptr ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2");
}

void Spelling::tensor(PickleEmitter& code, const Spelled& of, bool requires_grad) const {
  function(code, of);
  arguments(code, of, requires_grad);
  code.op(kREDUCE);
}

// (storage, offset, shape, strides, requires_grad, hooks); the dtype where the storage has none; bits that are not resolved.
void Spelling::arguments(PickleEmitter& code, const Spelled& of, bool requires_grad) const {
  const SavedTensor& saved = *of.saved;
  code.op(kMARK);
  storage(code, saved.storage, row_of(of));
  code.integer(static_cast<std::int64_t>(saved.offset));
  code.known_tuple(saved.sizes);
  code.known_tuple(saved.strides);
  code.boolean(requires_grad);
  no_hooks(code);
  if (row_of(of) == nullptr) code.known_global("torch", saved.row->name);
  if (saved.conjugate || saved.negative) {
    code.op(kEMPTY_DICT);
    for (const auto& [key, is_set] : {std::pair("conj", saved.conjugate), std::pair("neg", saved.negative)}) {
      if (!is_set) continue;
      code.known_string(key);
      code.boolean(true);
      code.op(kSETITEM);
    }
  }
  code.op(kTUPLE);
}

// The persistent id ("storage", class, key, location, elements), as torch.save's persistent_id() makes it.
void Spelling::storage(PickleEmitter& code, std::uint32_t number, const TorchDType* row) const {
  const std::uint64_t bytes = placement_.storages()[number].data.size();
  std::array<char, 10> key{};
  const char* const key_end = std::to_chars(key.data(), key.data() + key.size(), number).ptr;
  code.op(kMARK);
  code.known_string("storage");
  if (row == nullptr) {
    code.known_global("torch.storage", "UntypedStorage");
  } else {
    code.known_global("torch", row->storage);
  }
  code.string({key.data(), static_cast<std::size_t>(key_end - key.data())});
  code.known_string("cpu");
  code.integer(static_cast<std::int64_t>(row == nullptr ? bytes : bytes / row->item_bytes));
  code.op(kTUPLE);
  code.op(kBINPERSID);
}

}  // namespace holdall::pytorch

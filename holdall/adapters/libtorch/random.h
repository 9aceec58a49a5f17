// The state of LibTorch's random generator, as Python's torch.get_rng_state() gives it.
//
// Thread-safety: takes the generator's lock. Ownership: the tensor keeps its bytes.
#pragma once

#include <ATen/CPUGeneratorImpl.h>

#include <mutex>

#include "holdall/adapters/libtorch/tensor.h"

namespace holdall::libtorch {

// uint8 [5056] for the CPU's generator. Errors: unsupported for generators without a state.
inline Result<at::Tensor> random_state(at::Generator generator = at::detail::getDefaultCPUGenerator()) {
  return detail::guarded([&]() -> Result<at::Tensor> {
    const std::scoped_lock lock(generator.mutex());
    return generator.get_state();
  });
}

// Errors: those of to_torch(); invalid argument for what is no state of this kind of generator, which stays as it was.
inline Status restore_random_state(const Tensor& state, at::Generator generator = at::detail::getDefaultCPUGenerator()) {
  return detail::guarded([&]() -> Status {
    HOLDALL_ASSIGN(const at::Tensor made, to_torch(state, {.memory = TorchOptions::Memory::kOwn}));
    const std::scoped_lock lock(generator.mutex());
    generator.set_state(made);
    return {};
  });
}

}  // namespace holdall::libtorch

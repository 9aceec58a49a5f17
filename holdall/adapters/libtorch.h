// LibTorch: tensors, modules, optimizers and random states of a C++ program to and from files that Python reads and writes.
//
//   namespace ht = holdall::libtorch;
//   auto report = ht::load_into(*net, "checkpoint.pt");     // Result<FitReport>: a state dict of Python's, or a checkpoint
//   auto status = ht::save(*net, "weights.pt");             // Status: for module.load_state_dict(torch.load("weights.pt"))
//
//   holdall::StateDict checkpoint;                          // a whole checkpoint
//   checkpoint.set("epoch", 3);
//   status = ht::put(checkpoint.dict("model_state_dict"), *net);
//   status = ht::put(checkpoint.dict("optimizer_state_dict"), optimizer);
//   status = holdall::save(checkpoint, "checkpoint.pt");
//
// The library itself knows nothing of LibTorch: a program that includes this links both, holdall::holdall and LibTorch's own
// targets. C++20; tried with LibTorch 2.13. Bad input is a Status or a Result, never an exception, also where LibTorch throws;
// what was to be filled then is as it was. Thread-safety and ownership: each part's header says.
#pragma once

#include "holdall/adapters/libtorch/module.h"
#include "holdall/adapters/libtorch/optimizer.h"
#include "holdall/adapters/libtorch/random.h"
#include "holdall/adapters/libtorch/tensor.h"

// Trains, saves a checkpoint, and goes on from one that it or Python (resume.py) saved:
//   train a.pt 10                  ten steps from the start; the losses are printed
//   python resume.py a.pt b.pt 10  ten more in Python
//   train c.pt 10 b.pt             and ten more here: the same losses as of `train whole.pt 30`, to the last bit
#include <holdall/adapters/libtorch.h>
#include <holdall/holdall.h>
#include <torch/nn.h>

#include <cstdio>
#include <cstdlib>

namespace ht = holdall::libtorch;

struct Net : torch::nn::Module {
  torch::nn::Linear hidden{register_module("hidden", torch::nn::Linear(8, 16))};
  torch::nn::BatchNorm1d norm{register_module("norm", torch::nn::BatchNorm1d(16))};
  torch::nn::Dropout dropout{register_module("dropout", torch::nn::Dropout(0.25))};
  torch::nn::Linear out{register_module("out", torch::nn::Linear(16, 1))};

  torch::Tensor forward(const torch::Tensor& x) { return out(dropout(torch::relu(norm(hidden(x))))); }
};

// What the next step needs beside the weights: the step, the optimizer's moments, the random generator.
holdall::Status save(const Net& net, const torch::optim::Optimizer& optimizer, std::int64_t step, const std::string& path) {
  holdall::StateDict checkpoint;
  checkpoint.set("step", step);
  HOLDALL_TRY(ht::put(checkpoint.dict("model_state_dict"), net));
  HOLDALL_TRY(ht::put(checkpoint.dict("optimizer_state_dict"), optimizer));
  HOLDALL_ASSIGN(const torch::Tensor random, ht::random_state());
  HOLDALL_TRY(ht::put(checkpoint, "rng_state", random));
  return holdall::save(checkpoint, path);
}

holdall::Result<std::int64_t> resume(Net& net, torch::optim::Optimizer& optimizer, const std::string& path) {
  HOLDALL_ASSIGN(const holdall::Model model, holdall::open(path));
  HOLDALL_TRY(ht::load_into(net, model, {.prefix = "model_state_dict.", .mode = ht::LoadIntoOptions::Mode::kTrain}));
  HOLDALL_TRY(ht::load_into(optimizer, model));
  HOLDALL_ASSIGN(const holdall::Tensor random, model.tensor("rng_state"));
  HOLDALL_TRY(ht::restore_random_state(random));
  return model.tree().find_int("step").value_or(0);
}

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: train CHECKPOINT STEPS [RESUME]\n");
    return 2;
  }
  torch::set_num_threads(1);
  torch::manual_seed(0);
  Net net;
  // SGD rounds alike in C++ and in Python. Adam does not: its moments go by lerp in Python, by multiplying and adding here.
  torch::optim::SGD optimizer(net.parameters(), torch::optim::SGDOptions(0.05).momentum(0.9).weight_decay(1e-4));
  std::int64_t step = 0;
  if (argc == 4) {
    const auto resumed = resume(net, optimizer, argv[3]);
    if (!resumed) {
      std::fprintf(stderr, "%s\n", resumed.error().to_string().c_str());
      return 1;
    }
    step = *resumed;
  }
  const std::int64_t last = step + std::atoll(argv[2]);
  while (step < last) {
    const torch::Tensor x = torch::randn({32, 8});
    optimizer.zero_grad();
    torch::Tensor loss = (net.forward(x) - x.sum(1, true).sin()).square().mean();
    loss.backward();
    optimizer.step();
    std::printf("step %lld loss %.9g\n", static_cast<long long>(++step), loss.item<double>());
  }
  const auto saved = save(net, optimizer, step, argv[1]);
  if (!saved) {
    std::fprintf(stderr, "%s\n", saved.error().to_string().c_str());
    return 1;
  }
}

// holdall/adapters/libtorch.h against files that files.py wrote, and the files that it checks afterwards.
//   libtorch_test FOLDER   where files.py has written
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <holdall/adapters/libtorch.h>
#include <holdall/holdall.h>
#include <torch/nn.h>

#include <filesystem>
#include <fstream>

namespace {

namespace ht = holdall::libtorch;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string folder;

std::string in_folder(const std::string& name) { return folder + "/" + name; }

#define ASSERT_OK(result) ASSERT_TRUE((result).has_value()) << (result).error().to_string()

template <class T>
std::string error_of(const T& result) {
  return result ? "no error" : result.error().to_string();
}

// The same dtype, shape and bits, whatever they mean.
bool are_same(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() != b.scalar_type() || a.sizes() != b.sizes()) return false;
  if (a.numel() == 0) return true;
  const at::Tensor x = a.contiguous(), y = b.contiguous();
  return std::memcmp(x.const_data_ptr(), y.const_data_ptr(), x.nbytes()) == 0;
}

std::map<std::string, at::Tensor> tensors_of(const std::string& name) {
  std::map<std::string, at::Tensor> made;
  auto loaded = ht::load_tensors(in_folder(name));
  EXPECT_TRUE(loaded.has_value()) << error_of(loaded);
  if (loaded)
    for (auto& [key, tensor] : *loaded) made[key] = tensor;
  return made;
}

// Writes what load_tensors() gave back as a dict.
void write_again(const std::string& from, const std::string& to) {
  const auto loaded = ht::load_tensors(in_folder(from));
  ASSERT_OK(loaded);
  const auto model = holdall::open(in_folder(from));
  ASSERT_OK(model);
  holdall::StateDict state;
  ht::Storages storages;
  for (auto [name, tensor] : *loaded) {
    const holdall::Value node = model->tree().find(name);
    if (!node) continue;  // a quantizer's numbers
    if (node.as_tensor().requires_grad) tensor.requires_grad_(true);
    ASSERT_OK(ht::put(state, name, tensor, storages));
  }
  ASSERT_OK(holdall::save(state, in_folder(to)));
}

struct Net : torch::nn::Module {
  torch::nn::Conv2d conv{torch::nn::Conv2dOptions(1, 2, 3)};
  torch::nn::BatchNorm2d norm{2};
  torch::nn::Sequential stack{torch::nn::Linear(8, 8), torch::nn::ReLU(),
                              torch::nn::Linear(torch::nn::LinearOptions(8, 3).bias(false))};
  torch::nn::Embedding embedding{3, 8};
  torch::nn::LSTM lstm{torch::nn::LSTMOptions(4, 4).num_layers(2).bidirectional(true)};
  torch::nn::MultiheadAttention attention{8, 2};
  torch::nn::TransformerEncoderLayer layer{torch::nn::TransformerEncoderLayerOptions(8, 2).dim_feedforward(16)};

  Net() {
    register_module("conv", conv);
    register_module("norm", norm);
    register_module("stack", stack);
    register_module("embedding", embedding);
    register_module("lstm", lstm);
    register_module("attention", attention);
    register_module("layer", layer);
    stack[2]->as<torch::nn::Linear>()->weight.set_data(embedding->weight);
  }
  at::Tensor forward(const at::Tensor& x) { return stack->forward(torch::relu(norm(conv(x))).flatten(1)); }
};

std::vector<at::Tensor> copies(const torch::nn::Module& module) {
  std::vector<at::Tensor> made;
  for (const auto& [name, tensor] : ht::detail::entries_of(module)) made.push_back(tensor.detach().clone());
  return made;
}

bool is_as_it_was(const torch::nn::Module& module, const std::vector<at::Tensor>& before) {
  const auto now = copies(module);
  for (std::size_t i = 0; i < now.size(); ++i)
    if (!are_same(now[i], before[i])) return false;
  return now.size() == before.size();
}

// --- Tensors ---

TEST(Tensors, EveryDtypeCrossesBothWays) {
  const auto found = tensors_of("dtypes.pt");
  EXPECT_EQ(found.size(), 22u);
  for (const auto& [name, tensor] : found) {
    const auto again = ht::from_torch(tensor);
    ASSERT_OK(again);
    EXPECT_EQ(ht::scalar_type(again->dtype()), tensor.scalar_type()) << name;
    const auto back = ht::to_torch(*again);
    ASSERT_OK(back);
    EXPECT_TRUE(are_same(*back, tensor)) << name;
  }
  write_again("dtypes.pt", "dtypes_cpp.pt");
}

TEST(Tensors, ViewsKeepStridesAndTheStorageTheyShare) {
  const auto found = tensors_of("views.pt");
  EXPECT_THAT(found.at("transposed").strides().vec(), ElementsAre(1, 6));
  EXPECT_THAT(found.at("stepped").strides().vec(), ElementsAre(5));
  EXPECT_THAT(found.at("expanded").strides().vec(), ElementsAre(0));
  for (const char* name : {"transposed", "stepped", "expanded"})
    EXPECT_TRUE(found.at(name).is_alias_of(found.at("base"))) << name;
  EXPECT_FALSE(found.at("scalar").is_alias_of(found.at("base")));
  EXPECT_EQ(found.at("scalar").dim(), 0);
  EXPECT_THAT(found.at("empty").sizes().vec(), ElementsAre(0, 3));
  EXPECT_TRUE(at::equal(found.at("stepped"), torch::tensor({1.f, 6.f, 11.f, 16.f, 21.f})));
  found.at("base")[1].fill_(100);
  EXPECT_EQ(found.at("stepped")[0].item<float>(), 100);
  write_again("views.pt", "views_cpp.pt");
}

TEST(Tensors, NothingIsCopiedAndEverythingLives) {
  at::Tensor theirs = torch::arange(6, at::kFloat).view({2, 3}).t();
  const void* const data = theirs.const_data_ptr();
  auto ours = ht::from_torch(theirs);
  ASSERT_OK(ours);
  theirs = at::Tensor();
  EXPECT_THAT(*ours->read<float>(), ElementsAre(0, 3, 1, 4, 2, 5));
  auto back = ht::to_torch(*ours);
  ASSERT_OK(back);
  *ours = holdall::Tensor();
  EXPECT_EQ(back->const_data_ptr(), data);
  EXPECT_EQ(back->sum().item<float>(), 15);
  const auto own = ht::to_torch(*ht::from_torch(*back), {.memory = ht::TorchOptions::Memory::kOwn});
  ASSERT_OK(own);
  EXPECT_NE(own->const_data_ptr(), data);
  EXPECT_TRUE(at::equal(*own, *back));
}

TEST(Tensors, WhatIsPendingIsResolved) {
  const at::Tensor complex = torch::view_as_complex(torch::tensor({{1.f, 2.f}, {3.f, -4.f}}));
  for (const at::Tensor& theirs : {complex.conj(), at::imag(complex.conj()), complex.conj().slice(0, 1)}) {
    const auto ours = ht::from_torch(theirs);
    ASSERT_OK(ours);
    const auto back = ht::to_torch(*ours);
    ASSERT_OK(back);
    EXPECT_TRUE(at::equal(*back, theirs.resolve_conj().resolve_neg()));
  }
}

TEST(Tensors, BorrowedMemoryThatIsNotAlignedIsCopied) {
  const std::vector<std::byte> raw(9, std::byte{1});
  const auto ours = holdall::borrow_tensor(holdall::DType::kFloat32, std::span(raw).subspan(1), {2});
  ASSERT_OK(ours);
  const auto theirs = ht::to_torch(*ours);
  ASSERT_OK(theirs);
  EXPECT_NE(theirs->const_data_ptr(), static_cast<const void*>(raw.data() + 1));
  EXPECT_EQ(std::memcmp(theirs->const_data_ptr(), raw.data() + 1, 8), 0);
}

TEST(Tensors, QuantizersGoAlong) {
  const auto found = tensors_of("quantized.pt");
  EXPECT_EQ(found.at("tensor").q_zero_point(), 3);
  EXPECT_EQ(found.at("channel").qscheme(), at::kPerChannelAffine);
  EXPECT_EQ(found.at("tensor").dequantize()[1][1].item<float>(), 2);
  write_again("quantized.pt", "quantized_cpp.pt");
}

TEST(Tensors, WhatTheOtherLacksIsUnsupported) {
  const std::byte raw[2] = {};
  const auto small = holdall::copy_tensor(holdall::DType::kInt4, raw, {4});
  EXPECT_EQ(ht::to_torch(*small).error().to_string(), "LibTorch has no tensors of int4");
  const auto odd = holdall::copy_tensor(holdall::DType::kFloat4E2M1, raw, {4, 1});
  EXPECT_THAT(error_of(ht::to_torch(*odd)), HasSubstr("counts pairs"));
  EXPECT_EQ(ht::from_torch(at::Tensor()).error().code(), holdall::Code::kInvalidArgument);
  EXPECT_EQ(ht::from_torch(torch::eye(2).to_sparse()).error().code(), holdall::Code::kUnsupported);
  EXPECT_EQ(ht::from_torch(torch::empty({2}, at::kMeta)).error().code(), holdall::Code::kUnsupported);
  EXPECT_THAT(error_of(ht::from_torch(torch::empty({2}, at::kBits8))), HasSubstr("Bits8"));
  EXPECT_EQ(ht::load_tensors(in_folder("nothing.pt")).error().code(), holdall::Code::kNotFound);
}

// --- Modules ---

void expect_pythons_output(Net& net) {
  const auto output = tensors_of("net_output.pt");
  EXPECT_TRUE(are_same(net.forward(output.at("x")), output.at("y")));
}

TEST(Modules, APythonStateDictGivesPythonsOutput) {
  Net net;
  const auto report = ht::load_into(net, in_folder("net.pt"), {.mode = ht::LoadIntoOptions::Mode::kEval});
  ASSERT_OK(report);
  EXPECT_TRUE(report->complete());
  EXPECT_EQ(report->loaded.size(), holdall::open(in_folder("net.pt"))->tensors().size());
  EXPECT_FALSE(net.is_training());
  expect_pythons_output(net);
  ASSERT_OK(ht::save(net, in_folder("net_cpp.pt")));
  ASSERT_OK(ht::save(net, in_folder("net_cpp.safetensors")));
  Net again;
  ASSERT_OK(ht::load_into(again, in_folder("net_cpp.safetensors")));
  EXPECT_TRUE(is_as_it_was(again, copies(net)));
}

TEST(Modules, WeightsAreFoundInACheckpointOfAWrappedModule) {
  Net net;
  net.eval();
  const auto report = ht::load_into(net, in_folder("net_wrapped.pt"));
  ASSERT_OK(report);
  EXPECT_TRUE(report->complete());
  EXPECT_EQ(report->renamed.front().found_as, "model_state_dict.module.conv.weight");
  expect_pythons_output(net);
}

TEST(Modules, InferenceTensorsAreFilledToo) {
  const c10::InferenceMode inference;
  Net net;
  net.eval();
  {
    const c10::InferenceMode ordinary(false);
    ASSERT_OK(ht::load_into(net, in_folder("net.pt")));
  }
  expect_pythons_output(net);
}

TEST(Modules, CastsAreReported) {
  Net net;
  const auto report = ht::load_into(net, in_folder("net_half.pt"));
  ASSERT_OK(report);
  EXPECT_EQ(report->cast.front().name, "conv.weight");
  EXPECT_EQ(report->cast.front().from, "float16");
  EXPECT_TRUE(are_same(net.conv->weight.detach(), tensors_of("net_half.pt").at("conv.weight").to(at::kFloat)));
}

TEST(Modules, RenamesAndPrefixesAreTheCallers) {
  torch::nn::Linear own(8, 8);
  const auto report =
      ht::load_into(*own, in_folder("net.pt"), {.rename = {{"0.*", "*"}, {"2.*", "unused.*"}}, .prefix = "stack."});
  EXPECT_THAT(error_of(report), HasSubstr("1 not in the module:\n  stack.2.weight"));
  const auto fitted = ht::load_into(*own, in_folder("net.pt"), {.prefix = "stack.0."});
  ASSERT_OK(fitted);
  EXPECT_THAT(fitted->loaded, ElementsAre("weight", "bias"));
  EXPECT_TRUE(are_same(own->bias.detach(), tensors_of("net.pt").at("stack.0.bias")));
}

TEST(Modules, WhatDoesNotFitChangesNothing) {
  Net net;
  const auto before = copies(net);
  const auto report = ht::load_into(net, in_folder("net_unfit.pt"));
  ASSERT_FALSE(report.has_value());
  EXPECT_THAT(report.error().to_string(), HasSubstr("net_unfit.pt"));
  EXPECT_THAT(report.error().to_string(), HasSubstr("conv.weight: [1, 1, 3, 3] in the file, [2, 1, 3, 3] in the module"));
  EXPECT_THAT(report.error().to_string(), HasSubstr("missing in the file:\n  norm.bias"));
  EXPECT_TRUE(is_as_it_was(net, before));
  const auto asked = ht::fit(net, *holdall::open(in_folder("net_unfit.pt")));
  ASSERT_OK(asked);
  EXPECT_THAT(asked->unexpected, ElementsAre("extra"));
  EXPECT_TRUE(is_as_it_was(net, before));
  const auto partly = ht::load_into(net, in_folder("net_unfit.pt"), {.fitting = ht::LoadIntoOptions::Fitting::kReported});
  ASSERT_OK(partly);
  EXPECT_THAT(partly->missing, ElementsAre("norm.bias"));
  EXPECT_TRUE(are_same(net.norm->weight.detach(), tensors_of("net.pt").at("norm.weight")));
}

TEST(Modules, ADamagedFileChangesNothing) {
  const std::string path = in_folder("damaged.pt");
  std::filesystem::copy_file(in_folder("net.pt"), path, std::filesystem::copy_options::overwrite_existing);
  const auto place = holdall::open(path)->tensor("layer.norm2.weight")->data()->locate();
  ASSERT_TRUE(place);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(place->offset));
  file.put('\x55').flush();
  Net net;
  const auto before = copies(net);
  const auto report = ht::load_into(net, path);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code(), holdall::Code::kCorrupt) << error_of(report);
  EXPECT_TRUE(is_as_it_was(net, before));
}

TEST(Modules, EntriesThatCannotBeFilledAreNamedBeforeAnythingChanges) {
  struct Odd : torch::nn::Module {
    at::Tensor first = register_buffer("first", torch::zeros({2}));
    at::Tensor second;
  };
  holdall::StateDict state;
  ASSERT_OK(ht::put(state, "first", torch::ones({2})));
  ASSERT_OK(ht::put(state, "second", torch::ones({2})));
  const auto model = state.model();
  ASSERT_OK(model);
  const std::vector<std::pair<at::Tensor, std::string>> cases = {
      {torch::empty({2}, at::kMeta), "meta device"},
      {torch::zeros({1}).expand({2}), "share memory"},
      {torch::zeros({2}).to_sparse(), "dense"},
  };
  for (const auto& [tensor, what] : cases) {
    Odd odd;
    odd.second = odd.register_buffer("second", tensor);
    EXPECT_THAT(error_of(ht::load_into(odd, *model)), HasSubstr("entry 'second' of the module: "));
    EXPECT_THAT(error_of(ht::load_into(odd, *model)), HasSubstr(what));
    EXPECT_EQ(odd.first.sum().item<float>(), 0);
  }
  holdall::StateDict texts;
  ASSERT_OK(ht::put(texts, "first", torch::ones({2})));
  const std::byte raw[1] = {};
  texts.set("second", *holdall::copy_tensor(holdall::DType::kInt4, raw, {2}));
  Odd odd;
  odd.second = odd.register_buffer("second", torch::zeros({2}));
  EXPECT_THAT(error_of(ht::load_into(odd, *texts.model())), HasSubstr("tensor 'second': LibTorch has no tensors of int4"));
  EXPECT_EQ(odd.first.sum().item<float>(), 0);
}

// --- Optimizers ---

const std::vector<std::string> kKinds = {"sgd", "adam", "adamw", "rmsprop", "adagrad", "lbfgs"};

std::unique_ptr<torch::optim::Optimizer> optimizer_of(const std::string& kind, const std::vector<at::Tensor>& of) {
  using namespace torch::optim;
  if (kind == "sgd") return std::make_unique<SGD>(of, SGDOptions(0.05).momentum(0.9).nesterov(true).weight_decay(0.01));
  if (kind == "adam") return std::make_unique<Adam>(of, AdamOptions(0.01).betas({0.8, 0.99}).amsgrad(true));
  if (kind == "adamw") return std::make_unique<AdamW>(of, AdamWOptions(0.01).weight_decay(0.1));
  if (kind == "rmsprop") return std::make_unique<RMSprop>(of, RMSpropOptions(0.01).momentum(0.5).centered(true));
  if (kind == "adagrad") return std::make_unique<Adagrad>(of, AdagradOptions(0.1).lr_decay(0.01));
  return std::make_unique<LBFGS>(of, LBFGSOptions(0.5).max_iter(4).history_size(3));
}

// files.py's train().
void train(torch::nn::Linear& net, torch::optim::Optimizer& optimizer, int steps) {
  const at::Tensor inputs = torch::arange(12, at::kFloat).reshape({4, 3}) / 10;
  const at::Tensor targets = torch::arange(8, at::kFloat).reshape({4, 2}) / 5;
  for (int i = 0; i < steps; ++i) {
    optimizer.step([&] {
      optimizer.zero_grad();
      at::Tensor loss = (net(inputs) - targets).square().mean();
      loss.backward();
      return loss;
    });
  }
}

// What an optimizer says of itself, as one text for comparing.
std::string said(const torch::optim::Optimizer& optimizer) {
  holdall::StateDict state;
  EXPECT_TRUE(ht::put(state, optimizer).has_value());
  const std::string path = in_folder("said.safetensors");
  EXPECT_TRUE(holdall::save(state, path).has_value());
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Optimizers, PythonsStateGoesOnInCpp) {
  for (const std::string& kind : kKinds) {
    torch::nn::Linear net(3, 2);
    // Other settings: those of the file are taken.
    const auto optimizer = optimizer_of(kind, net->parameters());
    optimizer->param_groups()[0].options().set_lr(99);
    const auto model = holdall::open(in_folder(kind + ".pt"));
    ASSERT_OK(model);
    ASSERT_OK(ht::load_into(*net, *model));
    const auto report = ht::load_into(*optimizer, *model);
    ASSERT_TRUE(report.has_value()) << kind << ": " << error_of(report);
    EXPECT_EQ(report->place, "optimizer");
    EXPECT_EQ(report->states, kind == "lbfgs" ? 1u : 2u);
    EXPECT_THAT(report->ignored, ElementsAre());
    holdall::StateDict checkpoint;
    ASSERT_OK(ht::put(checkpoint.dict("model"), *net));
    ASSERT_OK(ht::put(checkpoint.dict("optimizer"), *optimizer));
    ASSERT_OK(holdall::save(checkpoint, in_folder(kind + "_cpp.pt")));
    train(net, *optimizer, 3);
    const auto after = tensors_of(kind + "_after.pt");
    const at::Tensor own = net->weight.detach(), python = after.at("weight");
    EXPECT_TRUE(at::allclose(own, python, 1e-5, 1e-6)) << kind << own << python;
    // The same operations in the same order; Adam, AdamW and RMSprop interpolate by lerp in Python, LBFGS computes with
    // numbers.
    const bool rounds_alike = kind == "sgd" || kind == "adagrad";
    EXPECT_TRUE(!rounds_alike || are_same(own, python)) << kind;
    std::cout << kind << (are_same(own, python) ? ": bit-equal to Python" : ": rounds otherwise than Python") << "\n";
  }
}

TEST(Optimizers, ARunThatStoppedGoesOnBitEqual) {
  for (const std::string& kind : kKinds) {
    torch::manual_seed(1);
    torch::nn::Linear whole(3, 2), stopped(3, 2), resumed(3, 2);
    const auto optimizer = optimizer_of(kind, whole->parameters());
    {
      const torch::NoGradGuard no_grad;
      stopped->weight.copy_(whole->weight);
      stopped->bias.copy_(whole->bias);
    }
    train(whole, *optimizer, 6);
    const auto first = optimizer_of(kind, stopped->parameters());
    train(stopped, *first, 3);
    holdall::StateDict checkpoint;
    ASSERT_OK(ht::put(checkpoint.dict("model_state_dict"), *stopped));
    ASSERT_OK(ht::put(checkpoint.dict("optimizer_state_dict"), *first));
    for (const char* name : {"resumed.pt", "resumed.safetensors"}) {
      ASSERT_OK(holdall::save(checkpoint, in_folder(name)));
      const auto second = optimizer_of(kind, resumed->parameters());
      ASSERT_OK(ht::load_into(*resumed, in_folder(name)));
      ASSERT_OK(ht::load_into(*second, in_folder(name), {.at = "optimizer_state_dict"}));
      train(resumed, *second, 3);
      EXPECT_TRUE(is_as_it_was(*resumed, copies(*whole))) << kind << " " << name;
      EXPECT_TRUE(said(*second) == said(*optimizer)) << kind << " " << name;
    }
  }
}

TEST(Optimizers, GroupsKeepTheirOptionsAndParametersTheirNumbers) {
  torch::manual_seed(2);
  torch::nn::Linear first(3, 2), second(2, 1);
  const auto made = [&](double lr) {
    std::vector<torch::optim::OptimizerParamGroup> groups;
    groups.emplace_back(first->parameters(), std::make_unique<torch::optim::SGDOptions>(lr));
    groups.emplace_back(second->parameters(), std::make_unique<torch::optim::SGDOptions>(lr / 2));
    for (auto& group : groups) static_cast<torch::optim::SGDOptions&>(group.options()).momentum(lr);
    return torch::optim::SGD(groups, torch::optim::SGDOptions(1));
  };
  auto trained = made(0.5);
  second->bias.requires_grad_(false);  // no gradient, so no state
  second(first(torch::ones({1, 3}))).sum().backward();
  trained.step();
  holdall::StateDict state;
  ASSERT_OK(ht::put(state, trained));
  ASSERT_OK(holdall::save(state, in_folder("groups_cpp.pt")));
  auto other = made(0.25);
  const auto report = ht::load_into(other, in_folder("groups_cpp.pt"));
  ASSERT_OK(report);
  EXPECT_EQ(report->place, "");
  EXPECT_EQ(report->groups, 2u);
  EXPECT_EQ(report->states, 3u);
  EXPECT_EQ(other.param_groups()[1].options().get_lr(), 0.25);
  EXPECT_TRUE(said(other) == said(trained));
}

TEST(Optimizers, WhatIsNotTheirsChangesNothing) {
  torch::nn::Linear net(3, 2), wide(4, 2);
  for (const std::string& own : kKinds) {
    const auto optimizer = optimizer_of(own, net->parameters());
    train(net, *optimizer, 1);
    const std::string before = said(*optimizer);
    for (const std::string& other : kKinds) {
      if (other == own) continue;
      const auto report = ht::load_into(*optimizer, in_folder(other + ".pt"));
      EXPECT_FALSE(report.has_value()) << other << " into " << own;
      EXPECT_THAT(error_of(report), HasSubstr(other + ".pt: optimizer 'optimizer': "));
    }
    const auto other_shape = optimizer_of(own, wide->parameters());
    EXPECT_THAT(error_of(ht::load_into(*other_shape, in_folder(own + ".pt"))), HasSubstr("is of shape"));
    const auto fewer = optimizer_of(own, {net->weight});
    EXPECT_THAT(error_of(ht::load_into(*fewer, in_folder(own + ".pt"))), HasSubstr("has 2 parameters in the file, 1"));
    EXPECT_TRUE(said(*optimizer) == before) << own;
  }
}

TEST(Optimizers, WhatWouldCrashTheNextStepIsRefused) {
  torch::nn::Linear net(3, 2);
  const auto optimizer = optimizer_of("lbfgs", net->parameters());
  EXPECT_THAT(error_of(ht::load_into(*optimizer, in_folder("lbfgs_uneven.pt"))), HasSubstr("are not of one length"));
  EXPECT_THAT(error_of(ht::load_into(*optimizer, in_folder("lbfgs_without_history.pt"))),
              HasSubstr("history_size is not positive"));
}

TEST(Optimizers, OptionsThatCppLacksAreRefusedOrTold) {
  torch::nn::Linear net(3, 2);
  const auto optimizer = optimizer_of("sgd", net->parameters());
  EXPECT_THAT(error_of(ht::load_into(*optimizer, in_folder("maximizing.pt"))),
              HasSubstr("several optimizers' states: 'a', 'b'"));
  EXPECT_THAT(error_of(ht::load_into(*optimizer, in_folder("maximizing.pt"), {.at = "b"})),
              HasSubstr("param_groups.0.maximize is not false"));
  EXPECT_EQ(ht::load_into(*optimizer, in_folder("maximizing.pt"), {.at = "c.0"}).error().code(), holdall::Code::kNotFound);
  EXPECT_EQ(ht::load_into(*optimizer, in_folder("net.pt")).error().code(), holdall::Code::kNotFound);
  const auto report = ht::load_into(*optimizer, in_folder("scheduled.pt"));
  ASSERT_OK(report);
  EXPECT_THAT(report->ignored, ElementsAre("param_groups.0.fused", "param_groups.0.initial_lr"));
  EXPECT_EQ(report->states, 0u);
  train(net, *optimizer, 1);
}

// --- Random states ---

TEST(RandomStates, CrossBothWays) {
  const auto found = tensors_of("random.pt");
  const auto model = holdall::open(in_folder("random.pt"));
  ASSERT_OK(model);
  ASSERT_OK(ht::restore_random_state(*model->tensor("state")));
  EXPECT_TRUE(at::equal(torch::rand({4}), found.at("uniform")));
  const auto state = ht::random_state();
  ASSERT_OK(state);
  EXPECT_FALSE(ht::restore_random_state(*model->tensor("uniform")).has_value());
  const at::Tensor normal = torch::randn({20});
  EXPECT_TRUE(at::equal(normal, found.at("normal")));
  holdall::StateDict written;
  ASSERT_OK(ht::put(written, "state", *state));
  ASSERT_OK(ht::put(written, "normal", normal));
  ASSERT_OK(holdall::save(written, in_folder("random_cpp.pt")));
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  if (argc != 2) return 2;
  folder = argv[1];
  at::set_num_threads(1);
  return RUN_ALL_TESTS();
}

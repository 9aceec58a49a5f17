#include "holdall/ops/training.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/ops/ops_test_models.h"

namespace holdall {
namespace {

using testing::ElementsAre;

class Checkpoint {
 public:
  Arena& arena() { return *builder_.arena; }
  NodeId real(double value) { return arena().real(value); }
  NodeId dict(std::initializer_list<std::pair<const char*, NodeId>> entries) {
    const NodeId made = arena().dict();
    for (const auto& [key, value] : entries) arena().set_item(made, key, value);
    return made;
  }
  NodeId tensor(Tensor tensor) { return arena().tensor({.index = builder_.add(std::move(tensor))}); }
  NodeId adam_group(std::initializer_list<NodeId> params, NodeId rate) {
    return dict({{"lr", rate},
                 {"betas", arena().tuple({real(0.9), real(0.999)})},
                 {"eps", real(1e-8)},
                 {"amsgrad", arena().boolean(false)},
                 {"decoupled_weight_decay", arena().boolean(true)},
                 {"params", arena().list(params)}});
  }
  NodeId optimizer(NodeId state, NodeId groups) { return dict({{"state", state}, {"param_groups", groups}}); }
  TrainingReport report(NodeId tree) {
    builder_.tree = tree;
    model_ = *std::move(builder_).named_by_tree();
    return training_of(model_);
  }

 private:
  ModelBuilder builder_;
  Model model_;
};

TEST(Training, OptimizersAreFoundWhereverTheyStand) {
  Checkpoint of;
  const NodeId state = of.arena().dict();
  of.arena().set_item(
      state, of.arena().integer(4),
      of.dict({{"step", of.tensor(tensor_of<float>(DType::kFloat32, {}, {7}))}, {"exp_avg", of.tensor(floats({1}))}}));
  const NodeId rate = of.tensor(tensor_of<double>(DType::kFloat64, {}, {0.25}));
  const NodeId groups = of.arena().list({of.adam_group({of.arena().integer(4)}, rate), of.adam_group({}, of.real(0.5))});
  const TrainingReport report =
      of.report(of.dict({{"states", of.arena().list({of.arena().null(), of.optimizer(state, groups)})}}));
  ASSERT_EQ(report.optimizers.size(), 1u);
  const OptimizerReport& found = report.optimizers[0];
  EXPECT_EQ(found.where, "states.1");
  EXPECT_EQ(found.kind, "AdamW");
  EXPECT_EQ(found.step, 7);
  ASSERT_EQ(found.groups.size(), 2u);
  EXPECT_EQ(found.groups[0].parameters, 1u);
  JsonWriter writer;
  write_training(writer.begin_object(), report);
  EXPECT_THAT(writer.text(),
              testing::HasSubstr(R"("step":7,"parameters":1,"groups":[{"parameters":1,"lr":0.25,"betas":[0.9,0.999])"));
}

TEST(Training, StepsThatDifferAreARangeAndFloat32IsSpelledShort) {
  Checkpoint of;
  const NodeId state = of.arena().dict();
  for (const float step : {5.F, 3.F, 9.F}) {
    const NodeId own = of.dict({{"step", of.tensor(tensor_of<float>(DType::kFloat32, {}, {step}))}});
    of.arena().set_item(state, of.arena().integer(static_cast<std::int64_t>(step)), own);
  }
  const NodeId rate = of.tensor(tensor_of<float>(DType::kFloat32, {}, {0.01F}));
  const TrainingReport report = of.report(of.optimizer(state, of.arena().list({of.adam_group({}, rate)})));
  JsonWriter writer;
  write_training(writer.begin_object(), report);
  EXPECT_THAT(writer.text(), testing::HasSubstr(R"("step":9,"steps":[3,9],)"));
  EXPECT_THAT(writer.text(), testing::HasSubstr(R"("lr":0.01,)"));
}

TEST(Training, WhatOnlyLooksLikeItIsNone) {
  Checkpoint of;
  const NodeId groups = of.arena().list({of.dict({{"lr", of.real(1)}})});
  const TrainingReport report = of.report(of.dict({{"no params", of.optimizer(of.arena().dict(), groups)},
                                                   {"no groups", of.optimizer(of.arena().dict(), of.arena().list())},
                                                   {"no epoch", of.dict({{"gamma", of.real(1)}})}}));
  EXPECT_TRUE(report.optimizers.empty());
  EXPECT_TRUE(report.schedulers.empty());
}

TEST(Training, UnknownOptimizersHaveNoClass) {
  Checkpoint of;
  const NodeId groups = of.arena().list({of.dict({{"lr", of.real(1)}, {"params", of.arena().list()}})});
  const TrainingReport report = of.report(of.optimizer(of.arena().dict(), groups));
  ASSERT_EQ(report.optimizers.size(), 1u);
  EXPECT_EQ(report.optimizers[0].kind, "");
  EXPECT_EQ(report.optimizers[0].where, "");
  EXPECT_FALSE(report.optimizers[0].step);
}

// A few bytes in a file may say the same dict very often, or hold a dict in itself.
TEST(Training, SharingAndCyclesAreSeenOnce) {
  Checkpoint of;
  const NodeId scheduler = of.dict({{"last_epoch", of.arena().integer(2)},
                                    {"step_size", of.arena().integer(3)},
                                    {"gamma", of.real(0.1)},
                                    {"_last_lr", of.arena().list({of.real(0.5), of.real(0.25)})}});
  const NodeId list = of.arena().list();
  for (int i = 0; i < 1000; ++i) of.arena().append(list, scheduler);
  of.arena().append(list, list);
  const TrainingReport report = of.report(list);
  ASSERT_EQ(report.schedulers.size(), 1u);
  EXPECT_EQ(report.schedulers[0].kind, "StepLR");
  EXPECT_EQ(report.schedulers[0].where, "0");
  EXPECT_EQ(report.schedulers[0].last_epoch, 2);
  EXPECT_THAT(report.schedulers[0].lr, ElementsAre(0.5, 0.25));
}

TEST(Training, ManyGroupsAreCounted) {
  Checkpoint of;
  const NodeId groups = of.arena().list();
  for (int i = 0; i < 1000; ++i) of.arena().append(groups, of.adam_group({}, of.real(1)));
  const TrainingReport report = of.report(of.optimizer(of.arena().dict(), groups));
  EXPECT_EQ(report.optimizers.at(0).groups.size() + report.optimizers[0].more_groups, 1000u);
  EXPECT_EQ(report.optimizers[0].groups.size(), 256u);
}

}  // namespace
}  // namespace holdall

#include "holdall/checkpoint/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace holdall {
namespace {

using testing::HasSubstr;

Checkpoint checkpoint_of_all_sorts() {
  Checkpoint checkpoint;
  checkpoint.run = "0123456789abcdef0123456789abcdef";
  checkpoint.sequence = 7;
  checkpoint.time = 1'700'000'000'123'456'789;
  checkpoint.label.step = -3;
  checkpoint.label.epoch = 12;
  checkpoint.label.metrics = {
      {"loss", 0.1}, {"best \"f1\"\n", 1e-300}, {"inf", HUGE_VAL}, {"low", -HUGE_VAL}, {"nan", std::nan("")}};
  return checkpoint;
}

TEST(Stamp, ComesBackAsItWas) {
  const Checkpoint written = checkpoint_of_all_sorts();
  Checkpoint read;
  const Status status = read_stamp(stamp_of(written), read);
  ASSERT_TRUE(status) << status.error().to_string();
  EXPECT_EQ(read.run, written.run);
  EXPECT_EQ(read.sequence, 7u);
  EXPECT_EQ(read.time, written.time);
  EXPECT_EQ(read.label.step, -3);
  EXPECT_EQ(read.label.epoch, 12);
  EXPECT_TRUE(read.is_complete());
  ASSERT_EQ(read.label.metrics.size(), 5u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(read.label.metrics[i], written.label.metrics[i]);
  EXPECT_TRUE(std::isnan(read.label.metrics[4].second));
}

TEST(Stamp, WithoutAnEpochHasNone) {
  Checkpoint read;
  read.label.epoch = 5;
  ASSERT_TRUE(read_stamp(stamp_of(Checkpoint()), read));
  EXPECT_EQ(read.label.epoch, std::nullopt);
}

TEST(Stamp, WhatLaterVersionsAddIsPassedOver) {
  std::string stamp = stamp_of(checkpoint_of_all_sorts());
  stamp.insert(stamp.find("\"run\""), "\"more\":{\"run\":[1,{\"step\":9}]},");
  Checkpoint read;
  ASSERT_TRUE(read_stamp(stamp, read));
  EXPECT_EQ(read.label.step, -3);
}

TEST(Stamp, OfALaterVersionIsTheFuture) {
  for (const char* stamp : {R"({"version":2,"step":5})", R"({"version":9,"step":"five"})", R"({"version":3})"}) {
    Checkpoint read;
    ASSERT_TRUE(read_stamp(stamp, read)) << stamp;
    EXPECT_EQ(read.state, Checkpoint::State::kFuture);
    EXPECT_THAT(read.why, HasSubstr("version"));
  }
}

TEST(Stamp, ThatIsNoneIsRefused) {
  for (const char* stamp :
       {"", "[]", "7", "{}", R"({"version":1})", R"({"step":5})", R"({"version":0,"step":5})", R"({"version":1,"step":1.5})",
        R"({"version":1,"step":9223372036854775808})", R"({"version":1,"step":5)", R"({"version":1,"step":5,"metrics":[1]})",
        R"({"version":1,"step":5,"metrics":{"loss":"low"}})", R"({"version":1,"step":5,"run":7})",
        R"({"version":1,"step":5} more)", R"({"version":1,"step":5,"sequence":-1})",
        R"({"version":1,"step":5,"sequence":9223372036854775807})"}) {
    Checkpoint read;
    const Status status = read_stamp(stamp, read);
    ASSERT_FALSE(status) << stamp;
    EXPECT_EQ(status.error().code(), Code::kCorrupt) << stamp;
  }
}

TEST(Checkpoint, NaNIsNoValueOfAMetric) {
  Checkpoint checkpoint;
  checkpoint.label.metrics = {{"loss", std::nan("")}, {"accuracy", 0.5}};
  EXPECT_EQ(checkpoint.metric("loss"), std::nullopt);
  EXPECT_EQ(checkpoint.metric("accuracy"), 0.5);
  EXPECT_EQ(checkpoint.metric("f1"), std::nullopt);
}

TEST(Checkpoint, DocumentSaysNullForWhatIsNotKnown) {
  Checkpoint checkpoint;
  checkpoint.name = "x.bin";
  checkpoint.bytes = 5;
  checkpoint.state = Checkpoint::State::kForeign;
  checkpoint.why = "it has no stamp";
  JsonWriter unknown;
  write_checkpoint(unknown, checkpoint, "runs/");
  EXPECT_EQ(unknown.text(), R"({"step":null,"epoch":null,"metrics":{},"bytes":5,"path":"runs/x.bin","state":"foreign",)"
                            R"("time":null,"why":"it has no stamp"})");
  checkpoint = checkpoint_of_all_sorts();
  checkpoint.name = "a.pt";
  checkpoint.time = 1'500'000'000;
  checkpoint.label.metrics.resize(1);
  JsonWriter known;
  write_checkpoint(known, checkpoint, "runs");
  EXPECT_EQ(known.text(),
            R"({"step":-3,"epoch":12,"metrics":{"loss":0.1},"bytes":0,"path":"runs/a.pt","state":"complete","time":1.5})");
}

}  // namespace
}  // namespace holdall

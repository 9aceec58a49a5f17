#include "holdall/ops/names_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "holdall/ops/ops_test_models.h"

namespace holdall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(NamesFile, LinesAreReadAsTheyAreWritten) {
  const std::string given = "# remark\n\na=b\nc/d:0=e.f\taxes=1,0\r\ng=\n";
  const auto lines = parse_names(given);
  ASSERT_TRUE(lines) << lines.error().to_string();
  std::string back;
  for (const NameLine& line : *lines) back += to_line(line).value() + "\n";
  EXPECT_EQ(back, "a=b\nc/d:0=e.f\taxes=1,0\ng=\n");
}

TEST(NamesFile, ALineThatIsNoneIsToldByItsNumber) {
  for (const char* wrong : {"a=b\nword", "a=b\n=b", "a=b\na*=b", "a=b\na*b*=c*", "a=b\na=b\tturn"}) {
    const auto lines = parse_names(wrong);
    ASSERT_FALSE(lines) << wrong;
    EXPECT_THAT(lines.error().to_string(), HasSubstr("line 2"));
  }
  EXPECT_FALSE(to_line({"a=b", "c", {}}));
  EXPECT_FALSE(to_line({"a", "b\nc", {}}));
  EXPECT_FALSE(to_line({"#a", "c", {}}));
}

TEST(NamesFile, TensorsGetTheirNamesAndShapes) {
  const Model model = flat_model({{"dense/kernel", tensor_of(DType::kFloat32, {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6})},
                                  {"dense/bias", floats({7})},
                                  {"step", floats({8})}});
  std::vector<std::string> renamed;
  const auto made = with_names(model, *parse_names("dense/kernel=weight\taxes=1,0\nstep=\ndense/*=*"), renamed);
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_THAT(names_of(*made), ElementsAre("weight", "bias"));
  EXPECT_THAT(renamed, ElementsAre("dense/kernel=weight", "dense/bias=bias"));
  EXPECT_EQ(made->tensors()[0].tensor.read<float>().value(), (std::vector<float>{1, 4, 2, 5, 3, 6}));
}

TEST(NamesFile, SecondLinesOfANameGiveItAgain) {
  const Model model =
      flat_model({{"table", tensor_of(DType::kFloat32, {2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6})}, {"w", floats({7})}});
  std::vector<std::string> renamed;
  const auto made = with_names(model, *parse_names("table=wte\ntable=head\taxes=1,0"), renamed);
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_THAT(names_of(*made), ElementsAre("wte", "w", "head"));
  EXPECT_EQ(made->tensors()[2].tensor.read<float>().value(), (std::vector<float>{1, 4, 2, 5, 3, 6}));
  EXPECT_THAT(renamed, ElementsAre("table=wte", "table=head"));
  const auto twice = with_names(model, *parse_names("table=x\ntable=w"), renamed);
  EXPECT_EQ(twice.error().code(), Code::kInvalidArgument);
}

TEST(NamesFile, ANameMistypedIsNotPassedOver) {
  std::vector<std::string> renamed;
  const auto made = with_names(checkpoint_model(), *parse_names("model.a.wieght=x"), renamed);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), Code::kNotFound);
  EXPECT_THAT(made.error().to_string(), HasSubstr("model.a.weight"));
}

}  // namespace
}  // namespace holdall

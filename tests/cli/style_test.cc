#include "cli/style.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace holdall::cli {
namespace {

TEST(StyleTest, WidthCountsColumnsNotBytes) {
  EXPECT_EQ(display_width(""), 0U);
  EXPECT_EQ(display_width("weight"), 6U);
  EXPECT_EQ(display_width("größe"), 5U);
  EXPECT_EQ(display_width("重み"), 4U);
  EXPECT_EQ(display_width("e\xcc\x81"), 1U);  // e and a combining acute
  EXPECT_EQ(display_width("😀"), 2U);
  EXPECT_EQ(display_width("\xff"), 1U);
}

TEST(StyleTest, CutKeepsTheEndOfAName) {
  EXPECT_EQ(cut_middle("abcdefghij", 10), "abcdefghij");
  EXPECT_EQ(cut_middle("abcdefghij", 7), "ab…ghij");
  EXPECT_EQ(cut_middle("重重重重重", 6), "…重重");
  EXPECT_EQ(cut_end("abcdef", 4), "abc…");
  for (unsigned columns = 0; columns < 12; ++columns) {
    EXPECT_LE(display_width(cut_middle("重み.weight.x", columns)), columns);
    EXPECT_LE(display_width(cut_end("重み.weight.x", columns)), columns);
  }
}

TEST(StyleTest, NamesAreCutByComponentsAndKeepTheirNumbers) {
  constexpr std::string_view kName = "encoder.layer.{0..11}.attention.output.LayerNorm.weight";
  EXPECT_EQ(cut_name(kName, 60), kName);
  EXPECT_EQ(cut_name(kName, 51), "encoder.….{0..11}.attention.output.LayerNorm.weight");
  EXPECT_EQ(cut_name(kName, 44), "encoder.….{0..11}.….output.LayerNorm.weight");
  EXPECT_EQ(cut_name(kName, 30), "….{0..11}.….LayerNorm.weight");
  EXPECT_EQ(cut_name(kName, 20), "….{0..11}.….weight");
  EXPECT_EQ(cut_name("model/layer_1/kernel", 16), "…/layer_1/kernel");
  for (unsigned columns = 0; columns < 60; ++columns) EXPECT_LE(display_width(cut_name(kName, columns)), columns);
}

TEST(StyleTest, SizesHaveThreeDigits) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1'000), "1.00 kB");
  EXPECT_EQ(human_bytes(90'868'376), "90.9 MB");
  EXPECT_EQ(human_bytes(999'999'999), "1.00 GB");
  EXPECT_EQ(human_bytes(std::numeric_limits<std::uint64_t>::max()), "18.4 EB");
}

TEST(StyleTest, NumbersAreGrouped) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(22'713'728), "22,713,728");
  EXPECT_EQ(short_count(9'999), "9999");
  EXPECT_EQ(short_count(22'713'728), "22.7 M");
  EXPECT_EQ(counted(1, "file", "files"), "1 file");
  EXPECT_EQ(counted(2'000, "file", "files"), "2,000 files");
}

TEST(StyleTest, TimesReadLikeAClock) {
  EXPECT_EQ(human_seconds(7), "0:07");
  EXPECT_EQ(human_seconds(3'723), "1:02:03");
  EXPECT_EQ(human_seconds(std::numeric_limits<double>::quiet_NaN()), "-:--");
}

TEST(StyleTest, SparklineShowsSmallBinsAndLeavesEmptyOnesBlank) {
  EXPECT_EQ(sparkline(std::array<std::uint64_t, 4>{0, 1, 100'000, 25'000}), " ▁█▅");
  EXPECT_EQ(sparkline({}), "");
}

TEST(StyleTest, SizesAreReadAsPeopleWriteThem) {
  EXPECT_EQ(*parse_size("4096"), 4096U);
  EXPECT_EQ(*parse_size("5GB"), 5'000'000'000U);
  EXPECT_EQ(*parse_size("1.5 g"), 1'500'000'000U);
  EXPECT_EQ(*parse_size("512MiB"), 536'870'912U);
  for (const char* bad : {"", "GB", "-1", "5XB", "5GBB", "1e400", "nan", "99999999T", "0.3", "5 i"})
    EXPECT_FALSE(parse_size(bad)) << bad;
}

TEST(StyleTest, TolerancesAreFiniteAndNotNegative) {
  EXPECT_EQ(*parse_tolerance("1e-3"), 1e-3);
  EXPECT_EQ(*parse_tolerance("0"), 0.0);
  for (const char* bad : {"", "-1", "inf", "nan", "1x"}) EXPECT_FALSE(parse_tolerance(bad)) << bad;
}

}  // namespace
}  // namespace holdall::cli

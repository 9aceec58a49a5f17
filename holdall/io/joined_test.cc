#include "holdall/io/joined.h"

#include <gtest/gtest.h>

#include <string>

namespace holdall {
namespace {

Blob piece(const char* text) { return Blob::memory(Bytes::copy(text), "piece"); }

std::string range_of(const Source& source, std::uint64_t offset, std::size_t size) {
  std::string out(size, '?');
  EXPECT_TRUE(source.read_at(offset, std::as_writable_bytes(std::span(out))).has_value());
  return out;
}

TEST(JoinedSource, EveryRangeIsThatOfThePiecesInARow) {
  const std::string whole = "abcdefghij";
  const auto source =
      joined_source({piece(""), piece("abc"), piece("d"), piece(""), *piece("xefghiy").slice(1, 5), piece("j")}, "j");
  ASSERT_EQ(source->size(), whole.size());
  for (std::size_t begin = 0; begin <= whole.size(); ++begin)
    for (std::size_t size = 0; begin + size <= whole.size(); ++size)
      EXPECT_EQ(range_of(*source, begin, size), whole.substr(begin, size)) << begin << " " << size;
}

TEST(JoinedSource, ReadsPastTheEndAreCorruptAndNameTheSource) {
  const auto source = joined_source({piece("abc")}, "whole");
  std::vector<std::byte> out(2);
  const Status status = source->read_at(2, out);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Code::kCorrupt);
  EXPECT_EQ(status.error().path(), "whole");
}

}  // namespace
}  // namespace holdall

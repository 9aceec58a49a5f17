#include "holdall/base/sha1.h"

#include <gtest/gtest.h>

#include <string_view>

#include "holdall/base/digest.h"
#include "holdall/base/endian.h"

namespace holdall {
namespace {

TEST(Sha1, TheStandardsExampleHasItsDigest) {  // FIPS 180-4's "abc"
  Sha1 sha;
  sha.update(as_bytes(std::string_view("a")));
  sha.update(as_bytes(std::string_view("bc")));
  EXPECT_EQ(to_hex(sha.finish()), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

}  // namespace
}  // namespace holdall

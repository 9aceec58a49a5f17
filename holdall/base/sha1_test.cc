#include "holdall/base/sha1.h"

#include <gtest/gtest.h>

#include <span>

#include "holdall/base/digest.h"

namespace holdall {
namespace {

TEST(Sha1, TheStandardsExampleHasItsDigest) {  // FIPS 180-4's "abc"
  Sha1 sha;
  sha.update(std::as_bytes(std::span("a", 1)));
  sha.update(std::as_bytes(std::span("bc", 2)));
  EXPECT_EQ(to_hex(sha.finish()), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

}  // namespace
}  // namespace holdall

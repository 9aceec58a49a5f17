#include "holdall/base/printable.h"

#include <gtest/gtest.h>

namespace holdall {
namespace {

TEST(Printable, NamesCannotSteerWhoShowsThem) {
  EXPECT_EQ(printable("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(printable("a\tb\nc"), "a\\tb\\nc");
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "gpj"),
            "\\u202egpj");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\x9b31m");
  EXPECT_EQ(printable("\xff\xc0\xaf"), "\\xff\\xc0\\xaf");
  EXPECT_EQ(printable("größe 重み"), "größe 重み");
}

}  // namespace
}  // namespace holdall

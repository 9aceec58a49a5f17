#include "holdall/base/base64.h"

#include <gtest/gtest.h>

namespace holdall {
namespace {

TEST(Base64, WritesAndReadsTheVectorsOfTheRfc) {  // RFC 4648, section 10
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [data, text] : vectors) {
    EXPECT_EQ(to_base64(data), text);
    EXPECT_EQ(from_base64(text), data);
  }
}

TEST(Base64, EveryByteComesBack) {
  std::string data;
  for (int i = 0; i < 256; ++i) data += static_cast<char>(i);
  EXPECT_EQ(from_base64(to_base64(data)), data);
}

TEST(Base64, TextsThatNobodyWroteAreRefused) {
  for (const char* text : {"Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "Zm 9", "Zg==Zg==", "Zm9\n", "Zm9-"}) {
    EXPECT_FALSE(from_base64(text)) << text;
  }
}

}  // namespace
}  // namespace holdall

#include "holdall/formats/encoded.h"

#include <gtest/gtest.h>

#include <string>

#include "holdall/base/base64.h"

namespace holdall {
namespace {

const std::string kLines = "cos\nsystem\n(S'x'\ntR.";

std::size_t findings_of(const std::string& said) {
  Findings findings;
  judge_maybe_encoded(said, "a", Context(), findings);
  return findings.size();
}

TEST(Encoded, PicklesOfEveryProtocolAreFound) {
  EXPECT_EQ(findings_of(to_base64(kLines)), 1u);
  EXPECT_EQ(findings_of(to_base64("\x80\x02" + kLines)), 1u);
  EXPECT_EQ(findings_of(to_base64("\x8c\x02os\x8c\x06system\x93(\x8c\x01xtR.")), 1u);
  EXPECT_EQ(findings_of(to_base64("\x80\x04" + kLines.substr(0, kLines.size() - 4))), 1u)
      << "which breaks off behind the import";
}

TEST(Encoded, InEverySpelling) {
  const std::string digits = to_base64(kLines + "\xfb\xff\xfe");
  EXPECT_EQ(findings_of(" \n" + digits), 1u);
  EXPECT_EQ(findings_of("data:application/octet-stream;base64," + digits), 1u);
  std::string other = digits;
  for (char& c : other) c = c == '+' ? '-' : c == '/' ? '_' : c;
  EXPECT_NE(other, digits);
  EXPECT_EQ(findings_of(other), 1u);
  EXPECT_EQ(findings_of(digits.substr(0, 20) + "\n" + digits.substr(20)), 1u);
}

TEST(Encoded, OtherTextsAreNone) {
  for (const std::string& said :
       {std::string("internationalization"), std::string("data:image/png;base64,"),
        to_base64("\x89PNG\r\n\x1a\n\n\n\n\n\n\n\n\n"), to_base64("cow\ncat\ncalf\ncamel\n"),
        to_base64(std::string(64, '\x93')), to_base64(std::string("N\x93)R.\n\n.", 8)), std::string(100, 'A'), std::string()})
    EXPECT_EQ(findings_of(said), 0u) << said;
}

}  // namespace
}  // namespace holdall

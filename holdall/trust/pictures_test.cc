#include "holdall/trust/pictures.h"

#include <gtest/gtest.h>

#include <string>

#include "holdall/base/text.h"
#include "holdall/trust/trust_test_scans.h"

namespace holdall {
namespace {

using namespace std::string_literals;

std::string_view kind(const std::string& file) { return picture_kind(as_bytes(file)); }

template <class T>
std::string little(T number) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(T); ++i) bytes += static_cast<char>(number >> 8 * i);
  return bytes;
}

template <class T>
std::string big(T number) {
  const std::string bytes = little(number);
  return {bytes.rbegin(), bytes.rend()};
}

std::string u16(std::uint16_t number) { return little(number); }
std::string u32(std::uint32_t number) { return little(number); }

std::string tiff(std::uint32_t strip = 74, std::uint32_t next = 0) {
  const auto entry = [](std::uint16_t tag, std::uint32_t value) { return u16(tag) + u16(4) + u32(1) + u32(value); };
  return "II*\0"s + u32(8) + u16(5) + entry(256, 2) + entry(257, 2) + entry(273, strip) + entry(278, 2) + entry(279, 4) +
         u32(next) + "abcd";
}

std::string mp3() { return "\xff\xfb\x90\x64" + std::string(413, '\0'); }

struct Made {
  std::string_view kind;
  std::string file;
};

const std::vector<Made>& whole() {
  static const std::vector<Made> made = {
      {"image", "BM" + u32(58) + u32(0) + u32(54) + u32(40) + std::string(40, '\1')},
      {"image", u16(0) + u16(1) + u16(1) + std::string(8, '\0') + u32(4) + u32(22) + "abcd"},
      {"image", tiff()},
      {"image", "P5\n# made by hand\n2 3 255\nabcdef"},
      {"image", "P6 1 1 65535\nabcdef"},
      {"image", "P4 9 2\nabcd"},
      {"font", "\0\1\0\0"s + big<std::uint16_t>(1) + std::string(6, '\0') + "head" + u32(0) + big(28u) + big(4u) + "abcd"},
      {"font", "wOF2" + u32(0) + big(16u) + "abcd"},
      {"media", mp3() + mp3()},
      {"media", "ID3\4\0\0\0\0\1\0"s + std::string(128, '\0') + mp3() + mp3() + "TAG" + std::string(125, ' ')},
      {"catalog", u32(0x950412de) + u32(0) + u32(1) + u32(28) + u32(36) + u32(0) + u32(44) + u32(1) + u32(44) + u32(1) +
                      u32(46) + "a\0b\0"s},
      {"document", "%PDF-1.4\n\xe2\n%%EOF\n"},
  };
  return made;
}

TEST(Pictures, WhatIsWholeIsKnown) {
  for (const Made& made : whole()) {
    EXPECT_TRUE(may_be_picture(as_bytes(made.file))) << made.kind;
    EXPECT_EQ(kind(made.file), made.kind);
    EXPECT_EQ(scanned("model.bin", made.file).verdict, Verdict::kInert) << made.file.substr(0, 4);
  }
}

TEST(Pictures, WhatIsCutShortIsNot) {
  for (const Made& made : whole()) {
    const std::size_t least = made.kind == "document" ? made.file.size() - 2 : made.file.size();
    for (std::size_t size = 0; size < least; ++size) {
      // A frame of MP3 less, or the tag behind the last, is MP3 all the same.
      if (made.kind == "media" && size % 417 == 138 % 417) continue;
      EXPECT_EQ(kind(made.file.substr(0, size)), "") << made.file.substr(0, 4) << size;
    }
  }
}

TEST(Pictures, WhatHasMoreBehindItIsNot) {
  for (const Made& made : whole()) EXPECT_EQ(kind(made.file + "eight..."), "") << made.file.substr(0, 4);
}

TEST(Pictures, NumbersThatLeadOutOfTheFileAreNoPictures) {
  for (const std::uint32_t far : {75u, 0x7fffffffu, 0xffffffffu}) EXPECT_EQ(kind(tiff(far)), "") << far;
  EXPECT_EQ(kind(tiff(74, 8)), "");  // a directory after itself, without end
  EXPECT_EQ(kind("P5 9999999 9999999 65535\n"), "");
  EXPECT_EQ(kind("P5 99999999999999999999 1 255\n"), "");
  EXPECT_EQ(kind("P5#"), "");
  EXPECT_EQ(kind(u32(0x950412de) + u32(0) + u32(0xffffffff) + std::string(16, '\xff')), "");
}

TEST(Pictures, WhatTheyAreBesidesIsJudged) {
  const std::string attack = "cos\nsystem\n(S'id'\ntR.";
  EXPECT_EQ(scanned("a.pgm", "P5 1 " + std::to_string(attack.size()) + " 255\n" + attack).verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned("a.pdf", "%PDF-1.4\n\xe2\n" + attack + "\n%%EOF\n").verdict, Verdict::kMalicious);
  EXPECT_EQ(scanned("a.woff", "wOFF" + u32(0) + big(static_cast<std::uint32_t>(12 + attack.size())) + attack).verdict,
            Verdict::kMalicious);
}

}  // namespace
}  // namespace holdall

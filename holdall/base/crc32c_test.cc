#include "holdall/base/crc32c.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace holdall {
namespace {

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

// RFC 3720, appendix B.4.
TEST(Crc32c, TheVectorsOfTheSpecificationHold) {
  std::string rising, falling;
  for (int i = 0; i < 32; ++i) {
    rising += static_cast<char>(i);
    falling += static_cast<char>(31 - i);
  }
  for (const auto& [text, crc] : std::vector<std::pair<std::string, std::uint32_t>>{{std::string(32, '\0'), 0x8a9136aaU},
                                                                                    {std::string(32, '\xff'), 0x62a8ab43U},
                                                                                    {rising, 0x46dd794eU},
                                                                                    {falling, 0x113fdb5cU},
                                                                                    {"123456789", 0xe3069283U},
                                                                                    {"", 0U}}) {
    EXPECT_EQ(crc32c(bytes(text)), crc);
    EXPECT_EQ(crc32c_portable(bytes(text)), crc);
  }
}

TEST(Crc32c, PiecesAndJoinsAndTablesAgree) {
  std::string data(50'001, '\0');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 131 + i / 257);
  const std::uint32_t whole = crc32c_portable(bytes(data));
  EXPECT_EQ(crc32c(bytes(data)), whole);
  for (const std::size_t cut : {0u, 1u, 7u, 12'288u, 12'289u, 40'000u, 50'001u}) {
    const auto head = bytes(data).first(cut);
    const auto tail = bytes(data).subspan(cut);
    EXPECT_EQ(crc32c(tail, crc32c(head)), whole) << cut;
    EXPECT_EQ(crc32c_join(crc32c(head), crc32c(tail), tail.size()), whole) << cut;
  }
}

}  // namespace
}  // namespace holdall

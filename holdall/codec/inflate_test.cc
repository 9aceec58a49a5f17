#include "holdall/codec/inflate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <random>

namespace holdall {
namespace {

using ::testing::HasSubstr;
using namespace std::string_literals;

constexpr DeflateWrap kWraps[] = {DeflateWrap::kNone, DeflateWrap::kZlib, DeflateWrap::kGzip};
constexpr int kWindowBits[] = {-15, 15, 31};  // as zlib calls them

std::string by_zlib(const std::string& text, int window_bits, int level, int strategy) {
  z_stream stream{};
  deflateInit2(&stream, level, Z_DEFLATED, window_bits, 8, strategy);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// What zlib makes of one stream that fills `encoded`, up to where it refuses it.
struct Inflated {
  std::string bytes;
  bool whole = false;
};
Inflated inflated_by_zlib(const std::string& encoded, int window_bits) {
  z_stream stream{};
  inflateInit2(&stream, window_bits);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(encoded.data()));
  stream.avail_in = static_cast<uInt>(encoded.size());
  Inflated result;
  std::string piece(65536, '\0');
  int code = Z_OK;
  while (code == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    code = ::inflate(&stream, Z_NO_FLUSH);
    result.bytes.append(piece, 0, piece.size() - stream.avail_out);
  }
  result.whole = code == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  return result;
}

struct Ours {
  std::string bytes;
  std::optional<Error> error;
};
Ours inflated(const std::string& encoded, DeflateWrap wrap, std::size_t pulled) {
  const auto decoder = inflate_decoder(memory_source(Bytes::copy(encoded), "file"), 0, encoded.size(), wrap);
  Ours result;
  std::vector<std::byte> piece(pulled);
  for (;;) {
    const auto got = decoder->pull(piece);
    if (!got) {
      result.error = got.error();
      return result;
    }
    result.bytes += as_text(std::span(piece).first(*got));
    if (*got < piece.size()) return result;
  }
}

// Noise, few letters, short repeats, long runs, a bell curve: all kinds of blocks and codes.
std::string sample(std::mt19937& random, unsigned kind, std::size_t size) {
  std::normal_distribution<> bell(80, 9);
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    const auto noise = static_cast<char>(random());
    text[i] = kind == 0   ? noise
              : kind == 1 ? static_cast<char>(noise & 3)
              : kind == 2 ? (i > 7 && random() % 8 != 0 ? text[i - 1 - random() % 7] : noise)
              : kind == 3 ? static_cast<char>(i / 1000)
                          : static_cast<char>(bell(random));
  }
  return text;
}

TEST(Inflate, WhateverZlibWritesIsReadBackInPiecesOfAnySize) {
  std::mt19937 random(1);
  for (unsigned kind = 0; kind < 5; ++kind) {
    for (const int strategy : {Z_DEFAULT_STRATEGY, Z_HUFFMAN_ONLY, Z_RLE, Z_FIXED}) {
      for (const int level : {0, 1, 9}) {
        const std::string text = sample(random, kind, random() % 300'000);
        const unsigned wrap = static_cast<unsigned>(random() % 3);
        const std::string encoded = by_zlib(text, kWindowBits[wrap], level, strategy);
        const Ours ours = inflated(encoded, kWraps[wrap], 1 + random() % 200'000);
        ASSERT_FALSE(ours.error) << ours.error->to_string();
        ASSERT_TRUE(ours.bytes == text) << kind << ' ' << strategy << ' ' << level;
      }
    }
  }
}

TEST(Inflate, DamageIsTakenAndRefusedAsByZlib) {
  std::mt19937 random(2);
  unsigned refused = 0;
  for (int i = 0; i < 3000; ++i) {
    const unsigned wrap = static_cast<unsigned>(random() % 3);
    std::string encoded = by_zlib(sample(random, static_cast<unsigned>(random() % 5), random() % 4000), kWindowBits[wrap],
                                  static_cast<int>(random() % 10), random() % 4 == 0 ? Z_FIXED : Z_DEFAULT_STRATEGY);
    for (auto flips = 1 + random() % 3; flips > 0; --flips) {
      char& byte = encoded[random() % encoded.size()];
      byte = static_cast<char>(byte ^ (1 << random() % 8));
    }
    const Inflated zlib = inflated_by_zlib(encoded, kWindowBits[wrap]);
    const Ours ours = inflated(encoded, kWraps[wrap], 1 + random() % 500);
    ASSERT_EQ(zlib.whole, !ours.error) << i;
    ASSERT_TRUE(ours.error ? zlib.bytes.starts_with(ours.bytes) || ours.bytes.starts_with(zlib.bytes)
                           : ours.bytes == zlib.bytes)
        << i;
    if (!ours.error) continue;
    ++refused;
    EXPECT_EQ(ours.error->code(), Code::kCorrupt);
    ASSERT_TRUE(ours.error->offset().has_value());
    EXPECT_LE(*ours.error->offset(), encoded.size());
  }
  EXPECT_GT(refused, 1000u);
}

TEST(Inflate, TruncationIsNamedWhereTheDataEnds) {
  std::mt19937 random(3);
  for (unsigned wrap = 0; wrap < 3; ++wrap) {
    const std::string whole = by_zlib(sample(random, 4, 3000), kWindowBits[wrap], 6, Z_DEFAULT_STRATEGY);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Ours ours = inflated(whole.substr(0, size), kWraps[wrap], 10);
      ASSERT_TRUE(ours.error) << size;
      ASSERT_THAT(ours.error->message(), HasSubstr("ends too early")) << size;
      ASSERT_EQ(ours.error->offset(), size);
    }
  }
}

TEST(Inflate, BytesBehindTheStreamAreRefused) {
  for (unsigned wrap = 0; wrap < 2; ++wrap) {
    const std::string encoded = by_zlib("some text", kWindowBits[wrap], 6, Z_DEFAULT_STRATEGY);
    const Ours ours = inflated(encoded + "xyz", kWraps[wrap], 100);
    ASSERT_TRUE(ours.error);
    EXPECT_THAT(ours.error->message(), HasSubstr("3 bytes stand behind"));
    EXPECT_EQ(ours.error->offset(), encoded.size());
  }
}

TEST(Inflate, WhatCameBeforeAFaultIsGivenFirst) {
  std::string encoded = by_zlib(std::string(100'000, 'x'), 15, 0, Z_DEFAULT_STRATEGY);
  encoded.resize(90'000);
  const auto decoder = inflate_decoder(memory_source(Bytes::copy(encoded), "file"), 0, encoded.size(), DeflateWrap::kZlib);
  std::vector<std::byte> piece(80'000);
  ASSERT_TRUE(decoder->pull(piece));
  EXPECT_FALSE(decoder->pull(piece));
  EXPECT_FALSE(decoder->pull(piece));
}

TEST(Inflate, TheChecksumsBehindAreCompared) {
  for (const DeflateWrap wrap : {DeflateWrap::kZlib, DeflateWrap::kGzip}) {
    std::string encoded = by_zlib("some text", wrap == DeflateWrap::kZlib ? 15 : 31, 6, Z_DEFAULT_STRATEGY);
    encoded.back() = static_cast<char>(encoded.back() ^ 1);
    EXPECT_THAT(inflated(encoded, wrap, 100).error->message(), HasSubstr("check")) << encoded.size();
  }
}

TEST(Inflate, EveryFieldOfAGzipHeaderIsPassedOver) {
  const std::string plain = by_zlib("some text", 31, 6, Z_DEFAULT_STRATEGY);
  std::string header = plain.substr(0, 10);
  header[3] = 4 | 8 | 16 | 2;
  header += "\x2c\x01"s + std::string(300, 'e') + "a name\0"s + "a comment\0"s;
  const auto sum = ::crc32(0, reinterpret_cast<const Bytef*>(header.data()), static_cast<uInt>(header.size()));
  const std::string good = header + static_cast<char>(sum) + static_cast<char>(sum >> 8) + plain.substr(10);
  EXPECT_EQ(inflated(good, DeflateWrap::kGzip, 100).bytes, "some text");
  const std::string bad = header + static_cast<char>(sum ^ 1) + static_cast<char>(sum >> 8) + plain.substr(10);
  EXPECT_THAT(inflated(bad, DeflateWrap::kGzip, 100).error->message(), HasSubstr("header crc"));
}

}  // namespace
}  // namespace holdall

#include "holdall/codec/stream_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

namespace holdall {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kSize = 5'000'001;

std::byte at(std::uint64_t offset) { return static_cast<std::byte>(offset * 2654435761u >> 24); }

// Counts up to kSize, or until it breaks.
class Counting final : public Decoder {
 public:
  explicit Counting(std::uint64_t from = 0, std::uint64_t breaks = UINT64_MAX) : next_(from), breaks_(breaks) {}
  Result<std::size_t> pull(std::span<std::byte> out) override {
    std::size_t done = 0;
    for (; done < out.size() && next_ < kSize; ++done, ++next_) {
      if (next_ == breaks_) return corrupt("broken");
      out[done] = at(next_);
    }
    return done;
  }

 private:
  std::uint64_t next_;
  std::uint64_t breaks_;
};

struct Stream {
  SourceRef source;
  std::shared_ptr<int> starts = std::make_shared<int>(0);
};
Stream stream(std::uint64_t breaks = UINT64_MAX, std::uint64_t most = 2 * kSize) {
  Stream made;
  StreamDecoding decoding;
  decoding.name = "file";
  decoding.start = [starts = made.starts, breaks] {
    ++*starts;
    return std::make_unique<Counting>(0, breaks);
  };
  decoding.head.resize(1 << 20);
  for (std::size_t i = 0; i < decoding.head.size(); ++i) decoding.head[i] = at(i);
  decoding.decoder = std::make_unique<Counting>(1 << 20, breaks);
  decoding.most = most;
  decoding.too_much = [](std::uint64_t) { return over_limit("too much"); };
  made.source = stream_source(std::move(decoding));
  return made;
}

bool is_right(std::uint64_t offset, std::span<const std::byte> bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (bytes[i] != at(offset + i)) return false;
  return true;
}

TEST(StreamSource, TheSizeIsABoundUntilTheEndIsFound) {
  const Stream made = stream();
  EXPECT_EQ(made.source->size(), 2 * kSize);
  ASSERT_TRUE(made.source->find_end());
  EXPECT_EQ(made.source->size(), kSize);
  EXPECT_EQ(*made.starts, 0);
}

TEST(StreamSource, RisingReadsOfAnySizeDecodeOnce) {
  const Stream made = stream();
  std::mt19937 random(1);
  std::vector<std::byte> out;
  for (std::uint64_t offset = 0; offset < kSize;) {
    out.resize(random() % 5 == 0 ? 1'500'000 : 1 + random() % 3000);
    const auto got = made.source->read_up_to(offset, out);
    ASSERT_TRUE(got);
    ASSERT_EQ(*got, std::min<std::uint64_t>(out.size(), kSize - offset));
    ASSERT_TRUE(is_right(offset, std::span(out).first(*got)));
    offset += *got;
    // A look back, as a pickle of its own amid the stream takes one.
    if (*got < 3000) {
      ASSERT_TRUE(made.source->read_at(offset - *got, std::span(out).first(1)));
    }
  }
  EXPECT_EQ(made.source->size(), kSize);
  EXPECT_EQ(*made.starts, 0);
}

TEST(StreamSource, ReadsPastTheEndSaySo) {
  const Stream made = stream();
  std::vector<std::byte> out(10);
  EXPECT_EQ(*made.source->read_up_to(kSize + 1000, out), 0u);
  EXPECT_EQ(made.source->size(), kSize);
  const Status status = made.source->read_at(kSize - 5, out);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), Code::kCorrupt);
  EXPECT_EQ(*made.source->read_up_to(kSize - 5, out), 5u);
}

TEST(StreamSource, ThreadsReadWhatIsThere) {
  const Stream made = stream();
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937 random(seed);
      std::vector<std::byte> out(50'000);
      for (int i = 0; i < 20; ++i) {
        const std::uint64_t offset = random() % (kSize - out.size());
        right += made.source->read_at(offset, out).has_value() && is_right(offset, out) ? 1 : 0;
      }
      (void)made.source->find_end();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 80);
}

TEST(StreamSource, DamageAndExcessAreToldByEveryWay) {
  for (const auto& [made, what] :
       {std::pair(stream(3'000'000), "broken"), std::pair(stream(UINT64_MAX, kSize - 1), "too much")}) {
    std::vector<std::byte> out(10);
    for (int again = 0; again < 2; ++again) {
      const Status end = made.source->find_end();
      ASSERT_FALSE(end);
      EXPECT_THAT(end.error().to_string(), HasSubstr(what));
      EXPECT_TRUE(made.source->read_at(2'000'000, out));
      EXPECT_FALSE(made.source->read_at(kSize - 11, out));
    }
  }
}

}  // namespace
}  // namespace holdall

#include "holdall/base/hash_index.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "holdall/base/keyed_hash.h"

namespace holdall {
namespace {

class Words {
 public:
  explicit Words(bool collide) : collide_(collide) {}
  bool add(const std::string& word) {
    if (find(word) != HashIndex::kNone) return false;
    words_.push_back(word);
    index_.add(hash(word), static_cast<std::uint32_t>(words_.size() - 1), [&](std::uint32_t i) { return hash(words_[i]); });
    return true;
  }
  std::uint32_t find(const std::string& word) const {
    return index_.find(hash(word), [&](std::uint32_t i) { return words_[i] == word; });
  }
  const HashIndex& index() const { return index_; }

 private:
  std::uint64_t hash(const std::string& word) const { return collide_ ? 7 : keyed_hash(word); }
  bool collide_;
  std::vector<std::string> words_;
  HashIndex index_;
};

TEST(HashIndex, FindsEveryWordAndNoOtherWhateverTheirHashes) {
  for (const bool collide : {false, true}) {
    Words words(collide);
    EXPECT_EQ(words.find("w0"), HashIndex::kNone);
    const std::uint32_t count = collide ? 300 : 20'000;
    for (std::uint32_t i = 0; i < count; ++i) ASSERT_TRUE(words.add("w" + std::to_string(i)));
    for (std::uint32_t i = 0; i < count; ++i) ASSERT_EQ(words.find("w" + std::to_string(i)), i);
    EXPECT_FALSE(words.add("w5"));
    EXPECT_EQ(words.find("w" + std::to_string(count)), HashIndex::kNone);
    EXPECT_EQ(words.index().size(), count);
    EXPECT_LE(words.index().memory(), 12u * count);
  }
}

}  // namespace
}  // namespace holdall

#include "holdall/formats/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdall {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::optional<TokenizerFacts> described(std::initializer_list<std::pair<const char*, std::string>> files) {
  std::map<std::string, Blob> blobs;
  for (const auto& [name, content] : files) blobs.emplace(name, Blob::memory(Bytes::copy(content), name));
  return describe_tokenizer(blobs, {});
}

TEST(Tokenizer, WordPieceCountsVocabularyAndAddedTokens) {
  const auto facts = described({{"tokenizer.json", R"({"added_tokens":[{"id":0,"content":"[PAD]"},{"id":7,"content":"<x>"}],
      "model":{"type":"WordPiece","vocab":{"[PAD]":0,"a":1,"##b":2},"unk_token":"[UNK]"}})"},
                                {"vocab.txt", "[PAD]\na\n##b\n"}});
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->kind, "WordPiece");
  EXPECT_EQ(facts->tokens, 4u);
  EXPECT_EQ(facts->ids, 8u);
  EXPECT_THAT(facts->files, ElementsAre("tokenizer.json", "vocab.txt"));
  EXPECT_THAT(facts->warnings, IsEmpty());
}

TEST(Tokenizer, OldFilesThatDoNotSayTheirTypeAreTold) {
  EXPECT_EQ(described({{"tokenizer.json", R"({"model":{"vocab":{"a":0},"merges":[]}})"}})->kind, "BPE");
  EXPECT_EQ(described({{"tokenizer.json", R"({"model":{"vocab":{"a":0},"continuing_subword_prefix":"##"}})"}})->kind,
            "WordPiece");
  const auto unigram = described({{"tokenizer.json", R"({"model":{"vocab":[["a",-1.0],["b",-2.0]]},"added_tokens":[]})"}});
  EXPECT_EQ(unigram->kind, "Unigram");
  EXPECT_EQ(unigram->ids, 2u);
}

TEST(Tokenizer, PlainFilesAreCounted) {
  EXPECT_EQ(described({{"vocab.txt", "a\nb\nc"}})->tokens, 3u);
  const auto pair =
      described({{"vocab.json", R"({"a":0,"b":1})"}, {"merges.txt", "#version\na b\n"}, {"added_tokens.json", R"({"c":2})"}});
  EXPECT_EQ(pair->kind, "BPE");
  EXPECT_EQ(pair->tokens, 3u);
  EXPECT_EQ(pair->ids, 3u);
  EXPECT_FALSE(described({{"tokenizer_config.json", "{}"}}));
}

TEST(Tokenizer, SentencePiecesAreCountedWithoutDecodingThem) {
  const std::string model("\x0a\x05\x0a\x01\x61\x10\x01\x0a\x03\x0a\x01\x62\x12\x02\x08\x01\x1d\0\0\0\0", 21);
  EXPECT_EQ(count_sentence_pieces(as_bytes(model)).value(), 2u);
  EXPECT_EQ(described({{"spiece.model", model}})->kind, "SentencePiece");
  for (std::size_t size : {1u, 3u, 6u, 8u, 20u}) EXPECT_FALSE(count_sentence_pieces(as_bytes(model.substr(0, size)))) << size;
  EXPECT_FALSE(count_sentence_pieces(as_bytes(std::string(20, '\xff'))));
  EXPECT_FALSE(described({{"tokenizer.model", "IQ== 0\nIg== 1\n"}})) << "tiktoken's files have the same name";
}

TEST(Tokenizer, BrokenFilesAreWarnings) {
  const auto facts = described({{"tokenizer.json", R"({"model":{"vocab":[)"}, {"vocab.txt", "a\n"}});
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->kind, "WordPiece");
  EXPECT_THAT(facts->warnings, ElementsAre(HasSubstr("tokenizer.json @ 19: the JSON ends")));
}

}  // namespace
}  // namespace holdall

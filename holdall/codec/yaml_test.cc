#include "holdall/codec/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdall {
namespace {

using testing::ElementsAre;

std::vector<YamlToken> tokens_of(std::string_view yaml) {
  std::vector<YamlToken> tokens;
  scan_yaml(yaml, [&](YamlToken token) { tokens.push_back(std::move(token)); });
  return tokens;
}

std::vector<std::string> texts(std::string_view yaml, YamlKind kind = YamlKind::kScalar) {
  std::vector<std::string> found;
  for (const YamlToken& token : tokens_of(yaml))
    if (token.kind == kind) found.push_back(token.text);
  return found;
}

TEST(Yaml, ScalarsOfEveryStyle) {
  EXPECT_THAT(texts("a: b c # d\ne: 'it''s'\nf: \"x\\u0041\\ty\""), ElementsAre("a", "b c", "e", "it's", "f", "xA\ty"));
  EXPECT_THAT(texts("a: |\n  x: 1\n   y\n\n  z\nb: >-\n c\n d\n"), ElementsAre("a", "x: 1\n y\n\nz", "b", "c d"));
  EXPECT_THAT(texts("a: b\n  'c\n  d\ne: f"), ElementsAre("a", "b 'c d", "e", "f"));
  EXPECT_THAT(texts("{a: b, c: [d, 'e']}"), ElementsAre("a", "b", "c", "d", "e"));
}

TEST(Yaml, ACommentEndsWithItsLineAndBeginsBehindWhiteSpace) {
  EXPECT_THAT(texts("a#b: c # d\re: f"), ElementsAre("a#b", "c", "e", "f"));
  EXPECT_THAT(texts("'a # b\n # c': d"), ElementsAre("a # b # c", "d"));
  EXPECT_THAT(texts("# a\xe2\x80\xa8"
                    "b: c"),
              ElementsAre("b", "c"));
}

TEST(Yaml, TagsAreResolvedAsTheirDocumentSays) {
  EXPECT_THAT(texts("!!str a", YamlKind::kTag), ElementsAre("tag:yaml.org,2002:str"));
  EXPECT_THAT(texts("!<tag:%79.org:x> a", YamlKind::kTag), ElementsAre("tag:y.org:x"));
  EXPECT_THAT(texts("%TAG !e! tag:e.org:\n---\n[!e!x a, !y b]", YamlKind::kTag), ElementsAre("tag:e.org:x", "!y"));
  EXPECT_THAT(texts("%TAG !! tag:e.org:\n---\n!!x a\n---\n!!x b", YamlKind::kTag),
              ElementsAre("tag:e.org:x", "tag:yaml.org,2002:x"));
}

TEST(Yaml, ADocumentBeginsWhateverIsOpen) {
  for (const char* open : {"[a, {b", "'a", "\"a", "a: |\n  b", "# a", "!<a", "a b", "%TAG ! x"})
    EXPECT_THAT(texts(std::string(open) + "\n...\n--- !!x a", YamlKind::kTag), testing::Contains("tag:yaml.org,2002:x"))
        << open;
}

TEST(Yaml, WhatAHandleStandsForIsCut) {
  const std::string yaml = "%TAG ! " + std::string(1u << 20, 'x') + "\n---\n!a b";
  ASSERT_THAT(texts(yaml, YamlKind::kTag), testing::SizeIs(1));
  EXPECT_LT(texts(yaml, YamlKind::kTag)[0].size(), 2'000u);
}

TEST(Yaml, LinesAndNamesOfAnchors) {
  const auto tokens = tokens_of("a: &x 1\nb:\n  - *x\n");
  ASSERT_EQ(tokens.size(), 8u);
  EXPECT_EQ(tokens[2].kind, YamlKind::kAnchor);
  EXPECT_EQ(tokens[2].text, "x");
  EXPECT_EQ(tokens.back().kind, YamlKind::kAlias);
  EXPECT_EQ(tokens.back().line, 3u);
}

TEST(Yaml, AnythingIsScannedToItsEnd) {
  for (const std::string_view odd :
       {"", "\"", "'", "{", "]]]", "|", "!", "!<", "&", "*", "%TAG", "a: |9\n", "- - -\n\t:", "\\", "\"\\"})
    tokens_of(odd);
  std::string deep(100'000, '[');
  EXPECT_EQ(tokens_of(deep).size(), deep.size());
}

}  // namespace
}  // namespace holdall

#include "holdall/formats/model_card.h"

#include <gtest/gtest.h>

#include "holdall/codec/json.h"

namespace holdall {
namespace {

std::string card(std::string_view readme) {
  Arena arena;
  const NodeId node = read_model_card(arena, readme);
  if (node == kNoNode) return "none";
  JsonWriter writer;
  EXPECT_TRUE(write_json(writer, arena.at(node)));
  return writer.text();
}

TEST(ModelCard, TextsAndListsAreKept) {
  EXPECT_EQ(
      card("---\nlicense: apache-2.0  # so\nlanguage:\n- en\n- 'de'\ntags: [a, \"b\"]\n\nbase_model: x/y\r\n---\n# Title\n"),
      R"({"license":"apache-2.0","language":["en","de"],"tags":["a","b"],"base_model":"x/y"})");
}

TEST(ModelCard, DeeperValuesAreKeptAsTheirText) {
  EXPECT_EQ(card("---\nmodel-index:\n- name: z\n  results: []\nnote: |\n  two\n  lines\n---\n"),
            R"({"model-index":"- name: z\n  results: []","note":"  two\n  lines"})");
}

TEST(ModelCard, AFileWithoutFrontMatterHasNone) {
  for (const char* readme :
       {"", "# Title\n---\nlicense: mit\n---\n", "---\nlicense: mit\n", "---\n---\n", "----\na: b\n---\n"}) {
    EXPECT_EQ(card(readme), "none") << readme;
  }
}

}  // namespace
}  // namespace holdall

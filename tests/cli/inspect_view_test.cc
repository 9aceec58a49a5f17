#include "cli/inspect_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "cli/style.h"

namespace holdall::cli {
namespace {

Tensor zeros(Shape shape) {
  const std::uint64_t bytes = *dense_bytes(DType::kFloat32, shape);
  return *Tensor::dense(DType::kFloat32, std::move(shape), Blob::memory(Bytes::adopt(std::string(bytes, '\0')), "zeros"));
}

// A small encoder with a config, an epoch, a shared tensor, a hostile name, a warning and a finding.
Inspection encoder() {
  ModelBuilder builder;
  std::vector<std::string> names;
  const auto add = [&](std::string name, Shape shape) {
    builder.add(zeros(std::move(shape)), "model.safetensors");
    names.push_back(std::move(name));
  };
  add("embeddings.word_embeddings.weight", {100, 8});
  for (int i = 0; i < 6; ++i) {
    add("encoder.layer." + std::to_string(i) + ".attention.self.query.weight", {8, 8});
    add("encoder.layer." + std::to_string(i) + ".attention.self.query.bias", {8});
  }
  add("evil\x1b[2J\nname\tx", {1});
  builder.origin = {.format = "huggingface",
                    .detail = "safetensors",
                    .path = "minilm",
                    .files = {"config.json", "model.safetensors"},
                    .bytes = 90'868'376};
  builder.warnings = {"config.json says vocab_size 30522, embeddings.word_embeddings.weight has 100 rows"};
  builder.metadata = builder.arena->dict();
  builder.arena->set_item(builder.metadata, "format", builder.arena->string("pt"));
  builder.config = builder.arena->dict();
  builder.arena->set_item(builder.config, "hidden_size", builder.arena->integer(8));
  Inspection inspection;
  inspection.path = "minilm";
  inspection.model = *std::move(builder).named(names);
  inspection.label = {.family = "bert",
                      .task = "BertModel",
                      .base = "",
                      .precision = "float32",
                      .producer = "transformers 4.8.2",
                      .licence = "apache-2.0"};
  inspection.tokenizer = Tokenizer{.kind = "WordPiece", .vocabulary = 30'522, .files = {"tokenizer.json", "vocab.txt"}};
  inspection.verdict = Verdict::kCode;
  inspection.findings = {
      {Verdict::kCode, Rule::kRemoteCode, "modeling_x.py", "a Python file beside the weights that config.json names"}};
  for (std::uint32_t i = 0; i < inspection.model.tensors().size(); ++i) {
    inspection.tensors.emplace_back().entry = i;
  }
  return inspection;
}

std::vector<std::string> lines_of(const std::string& page) {
  if (std::getenv("HOLDALL_SHOW") != nullptr) std::cerr << page;
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < page.size();) {
    const std::size_t end = page.find('\n', begin);
    lines.push_back(page.substr(begin, end - begin));
    begin = end == std::string::npos ? page.size() : end + 1;
  }
  return lines;
}

std::string page_of(const Inspection& inspection, unsigned width, Listing listing) {
  Console console(Console::Settings{.out_terminal = true, .width = width});
  print_page(console, inspection, listing);
  return console.pending();
}

TEST(InspectPageTest, NoLineIsWiderThanTheTerminalExceptDigests) {
  Inspection inspection = encoder();
  for (unsigned width = 60; width <= 200; width += 7) {
    for (const Listing listing : {Listing::kFolded, Listing::kEach}) {
      for (const std::string& line : lines_of(page_of(inspection, width, listing)))
        EXPECT_LE(display_width(line), width) << line;
    }
  }
}

TEST(InspectPageTest, RepeatingBlocksAreOneLine) {
  const std::string page = page_of(encoder(), 120, Listing::kFolded);
  EXPECT_NE(page.find("encoder.layer.{0..5}.attention.self.query.weight  float32  [8, 8]    ×6"), std::string::npos) << page;
  EXPECT_EQ(page.find("encoder.layer.3"), std::string::npos) << page;
}

TEST(InspectPageTest, TheVerdictStandsAtTheEnd) {
  const std::vector<std::string> lines = lines_of(page_of(encoder(), 120, Listing::kFolded));
  EXPECT_TRUE(lines[lines.size() - 2].starts_with("code: ")) << lines[lines.size() - 2];
}

TEST(InspectPageTest, HostileNamesAreShownEscaped) {
  for (const unsigned width : {60U, 200U}) EXPECT_EQ(page_of(encoder(), width, Listing::kEach).find("\x1b"), std::string::npos);
  EXPECT_NE(page_of(encoder(), 120, Listing::kEach).find("evil\\x1b[2J\\nname\\tx"), std::string::npos);
}

TEST(InspectLinesTest, EachTensorIsOneLineOfSixFields) {
  const Inspection inspection = encoder();
  Console console(Console::Settings{.quiet = true});
  ASSERT_TRUE(print_lines(console, inspection));
  const std::vector<std::string> lines = lines_of(console.pending());
  ASSERT_EQ(lines.size(), inspection.tensors.size());
  for (const std::string& line : lines) EXPECT_EQ(std::ranges::count(line, '\t'), 5) << line;
  EXPECT_EQ(lines[1], "encoder.layer.0.attention.self.query.weight\tfloat32\t[8, 8]\t256\tmodel.safetensors\t-")
      << "bytes in memory lie at no offset";
}

TEST(InspectLinesTest, OtherFactsAreRemarksWithAKeyAndATab) {
  Console console(Console::Settings{});
  ASSERT_TRUE(print_lines(console, encoder()));
  const std::string& page = console.pending();
  for (const std::string_view line :
       {"# format\thuggingface\n", "# bytes\t90868376\n", "# verdict\tcode\n", "# config\t/hidden_size\t8\n",
        "# metadata\t/format\t\"pt\"\n", "# file\tconfig.json\n"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line << page;
  }
}

}  // namespace
}  // namespace holdall::cli

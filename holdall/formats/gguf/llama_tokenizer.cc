#include "holdall/formats/gguf/llama_tokenizer.h"

#include <algorithm>
#include <charconv>

#include "holdall/base/text.h"

namespace holdall::gguf {
namespace {

std::optional<std::uint64_t> id_in(std::string_view digits) {
  std::uint64_t id = 0;
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  return fault == std::errc() && end == digits.data() + digits.size() ? std::optional(id) : std::nullopt;
}

// From tokenizer.json, else tokenizer_config.json, else added_tokens.json; the first that names a number decides.
std::vector<AddedToken> added_tokens(const TokenizerFiles& files, Value table) {
  std::vector<AddedToken> added;
  std::set<std::uint64_t> seen;
  const auto add = [&](std::optional<std::uint64_t> id, std::optional<std::string_view> content, bool special) {
    if (id && content && seen.insert(*id).second) added.push_back({*id, std::string(*content), special});
  };
  const Value list = files.tokenizer.find("added_tokens");
  for (std::size_t i = 0; list.is(ValueKind::kList) && i < list.size(); ++i) {
    const Value token = list.item(i);
    const auto id = token.find_int("id");
    if (id && *id >= 0) add(static_cast<std::uint64_t>(*id), token.find_string("content"), is_true(token.find("special")));
  }
  const Value decoder = files.config.find("added_tokens_decoder");
  for (std::size_t i = 0; decoder.is(ValueKind::kDict) && i < decoder.size(); ++i) {
    if (!decoder.key(i).is(ValueKind::kString)) continue;
    const Value token = decoder.mapped(i);
    add(id_in(decoder.key(i).as_string()), token.find_string("content"), is_true(token.find("special")));
  }
  for (std::size_t i = 0; table.is(ValueKind::kDict) && i < table.size(); ++i) {
    const Value id = table.mapped(i);
    if (!id.is(ValueKind::kInt) || id.as_int() < 0 || !table.key(i).is(ValueKind::kString)) continue;
    add(static_cast<std::uint64_t>(id.as_int()), table.key(i).as_string(), false);
  }
  return added;
}

// WordPiece marks what continues a word ("##ing"), llama.cpp what begins one ("▁word").
std::string phantom(const std::string& token, TokenType type) {
  if (type == TokenType::kControl) return token;
  return token.starts_with("##") ? token.substr(2) : std::string(kSpaceMark) + token;
}

void add_table(Conversion& conversion, const Vocabulary& vocabulary) {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;
  for (std::size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const bool is_empty = vocabulary.tokens[i].empty();
    const TokenType type = is_empty ? TokenType::kUnused : vocabulary.types[i];
    types.push_back(static_cast<std::int32_t>(type));
    std::string token = is_empty ? text("[PAD{}]", i) : vocabulary.tokens[i];
    tokens.push_back(vocabulary.model == "bert" ? phantom(token, type) : std::move(token));
  }
  conversion.pairs.string("tokenizer.ggml.model", vocabulary.model);
  conversion.pairs.string("tokenizer.ggml.pre", vocabulary.pre);
  conversion.pairs.strings("tokenizer.ggml.tokens", tokens);
  if (!vocabulary.scores.empty()) conversion.pairs.reals("tokenizer.ggml.scores", vocabulary.scores);
  conversion.pairs.integers("tokenizer.ggml.token_type", types);
  if (!vocabulary.merges.empty()) conversion.pairs.strings("tokenizer.ggml.merges", vocabulary.merges);
}

// BERT's tokenizers lower and strip accents unless they say otherwise.
void add_normalizer(Conversion& conversion, const TokenizerFiles& files) {
  const Value normalizer = files.tokenizer.find("normalizer");
  Value lowers = normalizer.find("lowercase");
  if (!lowers.is(ValueKind::kBool)) lowers = files.config.find("do_lower_case");
  const bool lowercase = !lowers.is(ValueKind::kBool) || lowers.as_bool();
  Value strips = normalizer.find("strip_accents");
  if (!strips.is(ValueKind::kBool)) strips = files.config.find("strip_accents");
  conversion.pairs.boolean("tokenizer.ggml.normalizer.lowercase", lowercase);
  conversion.pairs.boolean("tokenizer.ggml.normalizer.strip_accents",
                           strips.is(ValueKind::kBool) ? strips.as_bool() : lowercase);
}

// Whether SentencePiece puts a space before a text.
void add_space_prefix(Conversion& conversion, const TokenizerFiles& files, const Vocabulary& vocabulary) {
  std::optional<bool> prefix;
  const Value said = files.config.find("add_prefix_space");
  if (said.is(ValueKind::kBool)) prefix = said.as_bool();
  const Value pre = files.tokenizer.find("pre_tokenizer");
  const Value normalizer = files.tokenizer.find("normalizer");
  if (vocabulary.adds_space) prefix = *vocabulary.adds_space;
  if (const auto scheme = pre.find_string("prepend_scheme")) {
    prefix = *scheme != "never";
  } else if (files.tokenizer && !pre.is(ValueKind::kDict)) {
    prefix = false;
    const Value steps = normalizer.find("normalizers");
    for (std::size_t i = 0; steps.is(ValueKind::kList) && i < steps.size(); ++i)
      if (steps.item(i).find_string("type").value_or("") == "Prepend") prefix = true;
    if (normalizer.find_string("type").value_or("") == "Prepend") prefix = true;
  }
  if (prefix) conversion.pairs.boolean("tokenizer.ggml.add_space_prefix", *prefix);
}

void note_no_tokenizer(Conversion& conversion) {
  for (const char* other : {"tokenizer.model", "sentencepiece.bpe.model", "spiece.model", "tekken.json"}) {
    if (!conversion.model.side_files().contains(other)) continue;
    conversion.losses.push_back({other, "a tokenizer of this kind is not written"});
    return;
  }
  conversion.builder.warnings.emplace_back("the folder has no tokenizer: llama.cpp takes the numbers of tokens alone");
}

}  // namespace

Status convert_tokenizer(Conversion& conversion) {
  TokenizerFiles files;
  HOLDALL_ASSIGN(files.tokenizer, conversion.json("tokenizer.json"));
  HOLDALL_ASSIGN(files.config, conversion.json("tokenizer_config.json"));
  HOLDALL_ASSIGN(files.specials, conversion.json("special_tokens_map.json"));
  HOLDALL_ASSIGN(const Value table, conversion.json("added_tokens.json"));
  files.added = added_tokens(files, table);
  const std::size_t losses = conversion.losses.size();
  HOLDALL_ASSIGN(const std::optional<Vocabulary> vocabulary, read_vocabulary(conversion, files));
  if (!vocabulary) {
    conversion.pairs.string("tokenizer.ggml.model", "none");
    conversion.pairs.integer(conversion.key("vocab_size"), static_cast<std::int64_t>(conversion.rows));
    if (conversion.losses.size() == losses) note_no_tokenizer(conversion);
    return {};
  }
  add_table(conversion, *vocabulary);
  const std::string unlike = files.tokenizer ? unlike_llama_cpp(files.tokenizer, vocabulary->model) : std::string();
  if (!unlike.empty())
    conversion.losses.push_back({"tokenizer.json", text("llama.cpp makes other tokens of a text: it does without {}", unlike)});
  if (vocabulary->model == "bert") add_normalizer(conversion, files);
  if (vocabulary->model == "llama") add_space_prefix(conversion, files, *vocabulary);
  return convert_special_tokens(conversion, files, *vocabulary);
}

}  // namespace holdall::gguf

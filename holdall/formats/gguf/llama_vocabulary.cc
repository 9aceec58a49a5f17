#include <algorithm>
#include <bit>
#include <charconv>
#include <unordered_set>

#include "holdall/base/text.h"
#include "holdall/codec/protobuf.h"
#include "holdall/formats/gguf/llama_tokenizer.h"

namespace holdall::gguf {
namespace {

constexpr float kUnusedScore = -10'000.0F;
constexpr float kAddedScore = -1'000.0F;
constexpr std::size_t kLongestJoined = 1024;  // of the tokens whose every split is looked for, in bytes

bool is_byte(std::string_view token) {
  return token.size() == 6 && token.starts_with("<0x") && token.ends_with(">") && std::isxdigit(token[3]) != 0 &&
         std::isxdigit(token[4]) != 0;
}

// Tokens that are not marked special and are: what the converter of llama.cpp takes for one.
bool looks_special(std::string_view token) {
  constexpr std::string_view kKnown[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
  if (std::find(std::begin(kKnown), std::end(kKnown), token) != std::end(kKnown)) return true;
  return (token.starts_with("<|") && token.ends_with("|>")) ||
         (token.starts_with("<\xEF\xBD\x9C") && token.ends_with("\xEF\xBD\x9C>")) ||
         (token.starts_with("<unused") && token.ends_with(">"));
}

std::string with_spaces(const std::string& token) {
  std::string result;
  std::size_t from = 0;
  for (std::size_t at = token.find(kSpaceMark); at != std::string::npos; at = token.find(kSpaceMark, from)) {
    result.append(token, from, at - from).append(" ");
    from = at + kSpaceMark.size();
  }
  return result.append(token, from);
}

class VocabularyReader {
 public:
  VocabularyReader(Conversion& conversion, const TokenizerFiles& files) : conversion_(conversion), files_(files) {}

  Result<std::optional<Vocabulary>> run() {
    HOLDALL_ASSIGN(const bool found, tokens());
    if (!found) return std::optional<Vocabulary>();
    add_added();
    vocabulary_.ids.reserve(vocabulary_.tokens.size());
    for (std::size_t i = 0; i < vocabulary_.tokens.size(); ++i)
      if (!vocabulary_.tokens[i].empty()) vocabulary_.ids.emplace(vocabulary_.tokens[i], i);
    if (vocabulary_.model == "llama" && !merges_.empty()) score_by_merges();
    pad();
    if (beyond_ != 0) {
      conversion_.losses.push_back(
          {"tokenizer", text("{} tokens lie beyond the {} rows of the embedding", beyond_, conversion_.rows)});
    }
    return std::optional(std::move(vocabulary_));
  }

 private:
  Result<bool> tokens() {
    HOLDALL_ASSIGN(const bool pieces, from_pieces());
    if (pieces) return true;
    const Value model = files_.tokenizer.find("model");
    if (model) return from_json(model);
    HOLDALL_ASSIGN(const bool lines, from_lines());
    if (lines) return true;
    HOLDALL_ASSIGN(const Value vocabulary, conversion_.json("vocab.json"));
    if (!vocabulary.is(ValueKind::kDict)) return false;
    add_table(vocabulary);
    vocabulary_.model = "gpt2";
    vocabulary_.pre = conversion_.architecture.skips_positions ? "roberta-bpe" : "gpt-2";
    if (conversion_.architecture.skips_positions) mark_special({"<s>", "</s>", "<unk>", "<pad>", "<mask>"});
    HOLDALL_TRY(merges_of_lines());
    return true;
  }

  void put(std::uint64_t id, std::string token, TokenType type, float score = 0) {
    if (id >= conversion_.rows) {
      ++beyond_;
      return;
    }
    const auto at = static_cast<std::size_t>(id);
    if (vocabulary_.tokens.size() <= at) {
      vocabulary_.tokens.resize(at + 1);
      vocabulary_.types.resize(at + 1, TokenType::kUnused);
      vocabulary_.scores.resize(at + 1, kUnusedScore);
    }
    vocabulary_.tokens[at] = std::move(token);
    vocabulary_.types[at] = type;
    vocabulary_.scores[at] = score;
  }

  void mark_special(std::initializer_list<std::string_view> tokens) {
    for (std::size_t i = 0; i < vocabulary_.tokens.size(); ++i)
      if (std::find(tokens.begin(), tokens.end(), vocabulary_.tokens[i]) != tokens.end())
        vocabulary_.types[i] = TokenType::kControl;
  }

  // {token: id}
  void add_table(Value table) {
    for (std::size_t i = 0; table.is(ValueKind::kDict) && i < table.size(); ++i) {
      const Value id = table.mapped(i);
      if (!id.is(ValueKind::kInt) || id.as_int() < 0 || !table.key(i).is(ValueKind::kString)) continue;
      put(static_cast<std::uint64_t>(id.as_int()), std::string(table.key(i).as_string()), TokenType::kNormal);
    }
  }

  Result<bool> from_json(Value model) {
    const std::string_view type = model.find_string("type").value_or(model.find("merges") ? "BPE" : "WordPiece");
    if (type != "BPE" && type != "WordPiece") {
      conversion_.losses.push_back({"tokenizer.json", text("a tokenizer of the kind {} is not written", type)});
      return false;
    }
    add_table(model.find("vocab"));
    if (type == "WordPiece") {
      vocabulary_.model = "bert";
      vocabulary_.pre = "default";
      return true;
    }
    HOLDALL_TRY(merges_of(model.find("merges")));
    if (is_true(model.find("byte_fallback"))) {
      sentence_pieces(model.find_string("unk_token").value_or("<unk>"));
      return true;
    }
    vocabulary_.model = "gpt2";
    vocabulary_.pre = pre_tokenizer_of(files_.tokenizer);
    if (vocabulary_.pre == "gpt-2" && conversion_.architecture.skips_positions) vocabulary_.pre = "roberta-bpe";
    if (vocabulary_.pre.empty()) {
      conversion_.losses.push_back({"tokenizer.json", "llama.cpp is not known to split a text as this pre-tokenizer does"});
      vocabulary_.pre = "default";
    }
    return true;
  }

  // BPE over characters that falls back to bytes is SentencePiece's, as transformers keeps it.
  void sentence_pieces(std::string_view unknown) {
    vocabulary_.model = "llama";
    vocabulary_.pre = "default";
    merges_ = std::move(vocabulary_.merges);
    vocabulary_.merges.clear();
    for (std::size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
      if (is_byte(vocabulary_.tokens[i])) vocabulary_.types[i] = TokenType::kByte;
      if (vocabulary_.tokens[i] == unknown) vocabulary_.types[i] = TokenType::kUnknown;
    }
  }

  // ["a b", …] or [["a", "b"], …]
  Status merges_of(Value list) {
    for (std::size_t i = 0; list.is(ValueKind::kList) && i < list.size(); ++i) {
      const Value merge = list.item(i);
      if (merge.is(ValueKind::kString)) {
        vocabulary_.merges.emplace_back(merge.as_string());
      } else if (merge.is(ValueKind::kList) && merge.size() == 2 && merge.item(0).is(ValueKind::kString) &&
                 merge.item(1).is(ValueKind::kString)) {
        vocabulary_.merges.push_back(text("{} {}", merge.item(0).as_string(), merge.item(1).as_string()));
      } else {
        return corrupt(text("merge {} of tokenizer.json is none", i)).in(conversion_.model.origin().path);
      }
    }
    return {};
  }

  // Each line of a text without its end.
  template <class Use>
  static void for_each_line(std::string_view text, const Use& use) {
    while (!text.empty()) {
      std::string_view line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(line.size() + 1, text.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      use(line);
    }
  }

  Status merges_of_lines() {
    HOLDALL_ASSIGN(const std::optional<Bytes> bytes, conversion_.file("merges.txt"));
    if (!bytes) return {};
    bool first = true;
    for_each_line(bytes->text(), [&](std::string_view line) {
      if (!line.empty() && !(first && line.starts_with("#version"))) vocabulary_.merges.emplace_back(line);
      first = false;
    });
    return {};
  }

  // vocab.txt: a token a line, by number.
  Result<bool> from_lines() {
    HOLDALL_ASSIGN(const std::optional<Bytes> bytes, conversion_.file("vocab.txt"));
    if (!bytes) return false;
    std::uint64_t id = 0;
    for_each_line(bytes->text(), [&](std::string_view line) {
      const bool is_special =
          line.starts_with('[') && line.ends_with(']') && line.size() > 2 && line[1] >= 'A' && line[1] <= 'Z';
      put(id++, std::string(line), is_special ? TokenType::kControl : TokenType::kNormal);
    });
    vocabulary_.model = "bert";
    vocabulary_.pre = "default";
    return true;
  }

  // tokenizer.model, ModelProto of sentencepiece_model.proto: pieces in field 1 (text 1, score 2, type 3).
  Result<bool> from_pieces() {
    const auto found = conversion_.model.side_files().find("tokenizer.model");
    if (conversion_.architecture.family != Family::kLlama || found == conversion_.model.side_files().end()) return false;
    ProtoReader reader(found->second);
    std::uint64_t id = 0;
    while (true) {
      const auto field = reader.next();
      if (!field && id == 0) return false;  // the name is also that of other kinds
      if (!field) return Error(field.error());
      if (!*field) break;
      const std::uint32_t number = (*field)->number;
      if (number > 3 || !(*field)->is_bytes(number)) continue;
      HOLDALL_ASSIGN(ProtoReader part, reader.message(**field));
      HOLDALL_TRY(number == 1 ? add_piece(id++, part) : read_spec(number, part));
    }
    if (id == 0) return false;
    vocabulary_.model = "llama";
    vocabulary_.pre = "default";
    return true;
  }

  // How the pieces are joined (TrainerSpec, field 2: model_type 3), and what a text begins with (NormalizerSpec, field 3:
  // add_dummy_prefix 3).
  Status read_spec(std::uint32_t number, ProtoReader& spec) {
    constexpr std::uint64_t kUnigram = 1;
    while (true) {
      HOLDALL_ASSIGN(const auto field, spec.next());
      if (!field) return {};
      if (!field->is_varint(3)) continue;
      if (number == 3) vocabulary_.adds_space = field->value != 0;
      if (number == 2 && field->value == kUnigram)
        conversion_.losses.push_back(
            {"tokenizer.model", "llama.cpp joins pieces by their scores alone, a unigram model does not"});
    }
  }

  Status add_piece(std::uint64_t id, ProtoReader& piece) {
    std::string token;
    float score = 0;
    std::uint64_t type = 1;
    while (true) {
      HOLDALL_ASSIGN(const auto field, piece.next());
      if (!field) break;
      if (field->is_bytes(1)) {
        HOLDALL_ASSIGN(token, piece.text(*field, conversion_.options.limits.header_bytes));
      } else if (field->is(2, ProtoWire::kFixed32)) {
        score = std::bit_cast<float>(static_cast<std::uint32_t>(field->value));
      } else if (field->is_varint(3)) {
        type = field->value;
      }
    }
    if (type < 1 || type > 6) return piece.fault(text("piece {} is of type {}; 1 to 6 are known", id, type));
    put(id, std::move(token), static_cast<TokenType>(type), score);
    return {};
  }

  // What was added to the trained vocabulary, or marks tokens of it as special.
  void add_added() {
    for (const AddedToken& added : files_.added) {
      const bool is_control = added.special || looks_special(added.content);
      const bool is_known =
          added.id < vocabulary_.types.size() && vocabulary_.types[static_cast<std::size_t>(added.id)] == TokenType::kUnknown;
      const TokenType type = is_known ? TokenType::kUnknown : is_control ? TokenType::kControl : TokenType::kUserDefined;
      put(added.id, is_control ? added.content : with_spaces(added.content), type, kAddedScore);
    }
  }

  // SentencePiece joins the neighbours whose token has the highest score; transformers keeps the order of the joins.
  void score_by_merges() {
    std::unordered_set<std::string_view> pairs;
    std::vector<bool> is_made(vocabulary_.tokens.size());
    for (std::size_t rank = 0; rank < merges_.size(); ++rank) {
      const std::string& merge = merges_[rank];
      pairs.insert(merge);
      const std::size_t space = merge.find(' ', 1);
      if (space == std::string::npos) continue;
      const auto made = vocabulary_.ids.find(merge.substr(0, space) + merge.substr(space + 1));
      if (made == vocabulary_.ids.end() || is_made[made->second]) continue;
      is_made[made->second] = true;
      vocabulary_.scores[made->second] = -static_cast<float>(rank);
    }
    std::uint64_t missing = 0;
    for (std::size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
      const std::string& token = vocabulary_.tokens[i];
      if (vocabulary_.types[i] != TokenType::kNormal) continue;
      if (!is_made[i]) vocabulary_.scores[i] = kAddedScore;
      for (std::size_t at = 1; at < token.size() && token.size() <= kLongestJoined; ++at) {
        if ((static_cast<unsigned char>(token[at]) & 0xC0) == 0x80) continue;
        const std::string left = token.substr(0, at);
        const std::string right = token.substr(at);
        const bool are_tokens = vocabulary_.ids.contains(left) && vocabulary_.ids.contains(right);
        if (are_tokens && !pairs.contains(left + " " + right)) ++missing;
      }
    }
    if (missing != 0) {
      conversion_.builder.warnings.push_back(
          text("llama.cpp joins {} more pairs of tokens than this tokenizer does: it may split a text otherwise", missing));
    }
  }

  void pad() {
    const auto rows = static_cast<std::size_t>(conversion_.rows);
    vocabulary_.tokens.resize(rows);
    vocabulary_.types.resize(rows, TokenType::kUnused);
    vocabulary_.scores.resize(rows, kUnusedScore);
    if (vocabulary_.model != "llama") vocabulary_.scores.clear();
  }

  Conversion& conversion_;
  const TokenizerFiles& files_;
  Vocabulary vocabulary_;
  std::vector<std::string> merges_;
  std::uint64_t beyond_ = 0;
};

}  // namespace

Result<std::optional<Vocabulary>> read_vocabulary(Conversion& conversion, const TokenizerFiles& files) {
  return VocabularyReader(conversion, files).run();
}

}  // namespace holdall::gguf

#include "holdall/formats/tokenizer.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/io/cursor.h"

namespace holdall {
namespace {

using Token = JsonReader::Token;

std::uint64_t id_of(const JsonReader::Item& item) {
  std::uint64_t id = 0;
  if (item.token == Token::kInteger) std::from_chars(item.text.data(), item.text.data() + item.text.size(), id);
  return std::min<std::uint64_t>(id, UINT32_MAX);
}

// Vocabularies are counted token by token of JSON: they are too large to become values.
class TokenizerReader {
 public:
  TokenizerReader(std::string_view json, const Limits& limits) : reader_(json, options(limits)) {}

  // tokenizer.json: {"added_tokens":[{"id":N,…},…],"model":{"type":…,"vocab":{…} or […],…},…}
  Status tokenizer(TokenizerFacts& facts) {
    HOLDALL_TRY(require(Token::kBeginObject));
    while (true) {
      HOLDALL_ASSIGN(const JsonReader::Item key, reader_.next());
      if (key.token == Token::kEndObject) break;
      if (key.text == "added_tokens") {
        HOLDALL_TRY(added(facts));
      } else if (key.text == "model") {
        HOLDALL_TRY(model(facts));
      } else {
        HOLDALL_TRY(pass());
      }
    }
    facts.tokens = vocabulary_;
    for (const std::uint64_t id : added_) facts.tokens += id >= vocabulary_ids_ ? 1 : 0;
    facts.ids = std::max(facts.ids, vocabulary_ids_);
    return {};
  }

  // {token: id, …}
  Status vocabulary(std::uint64_t& count, std::uint64_t& ids) {
    HOLDALL_TRY(require(Token::kBeginObject));
    return entries(count, ids);
  }

 private:
  static JsonOptions options(const Limits& limits) {
    JsonOptions options;
    options.depth = limits.depth;
    return options;
  }

  Status require(Token token) {
    HOLDALL_ASSIGN(const JsonReader::Item item, reader_.next());
    if (item.token != token) return corrupt("it is not laid out as such a file is").at(item.offset);
    return {};
  }

  Status pass() {
    HOLDALL_ASSIGN(const JsonReader::Item item, reader_.next());
    return reader_.skip(item);
  }

  // The rest of an object of ids.
  Status entries(std::uint64_t& count, std::uint64_t& ids) {
    while (true) {
      HOLDALL_ASSIGN(const JsonReader::Item key, reader_.next());
      if (key.token == Token::kEndObject) return {};
      HOLDALL_ASSIGN(const JsonReader::Item id, reader_.next());
      HOLDALL_TRY(reader_.skip(id));
      ++count;
      ids = std::max(ids, id_of(id) + 1);
    }
  }

  Status added(TokenizerFacts& facts) {
    HOLDALL_ASSIGN(const JsonReader::Item list, reader_.next());
    if (list.token != Token::kBeginArray) return reader_.skip(list);
    while (true) {
      HOLDALL_ASSIGN(const JsonReader::Item item, reader_.next());
      if (item.token == Token::kEndArray) return {};
      if (item.token != Token::kBeginObject) return corrupt("an added token is no object").at(item.offset);
      while (true) {
        HOLDALL_ASSIGN(const JsonReader::Item key, reader_.next());
        if (key.token == Token::kEndObject) break;
        const bool is_id = key.text == "id";
        HOLDALL_ASSIGN(const JsonReader::Item value, reader_.next());
        HOLDALL_TRY(reader_.skip(value));
        if (!is_id) continue;
        added_.insert(id_of(value));
        facts.ids = std::max(facts.ids, id_of(value) + 1);
      }
    }
  }

  Status model(TokenizerFacts& facts) {
    HOLDALL_TRY(require(Token::kBeginObject));
    std::string guess = "WordLevel";
    while (true) {
      HOLDALL_ASSIGN(const JsonReader::Item key, reader_.next());
      if (key.token == Token::kEndObject) break;
      if (key.text == "merges") guess = "BPE";
      if (key.text == "continuing_subword_prefix" && guess != "BPE") guess = "WordPiece";
      const bool is_type = key.text == "type";
      const bool is_vocabulary = key.text == "vocab";
      HOLDALL_ASSIGN(const JsonReader::Item value, reader_.next());
      if (is_type && value.token == Token::kString) facts.kind = value.text;
      if (is_vocabulary && value.token == Token::kBeginObject) {
        HOLDALL_TRY(entries(vocabulary_, vocabulary_ids_));
      } else if (is_vocabulary && value.token == Token::kBeginArray) {
        guess = "Unigram";
        HOLDALL_TRY(pieces());
      } else {
        HOLDALL_TRY(reader_.skip(value));
      }
    }
    if (facts.kind.empty()) facts.kind = guess;
    return {};
  }

  // The rest of Unigram's [[piece, score], …].
  Status pieces() {
    while (true) {
      HOLDALL_ASSIGN(const JsonReader::Item item, reader_.next());
      if (item.token == Token::kEndArray) break;
      HOLDALL_TRY(reader_.skip(item));
      ++vocabulary_;
    }
    vocabulary_ids_ = vocabulary_;
    return {};
  }

  JsonReader reader_;
  std::uint64_t vocabulary_ = 0;
  std::uint64_t vocabulary_ids_ = 0;
  std::set<std::uint64_t> added_;
};

Result<std::uint64_t> varint(Cursor& cursor) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    HOLDALL_ASSIGN(const std::uint8_t byte, cursor.read<std::uint8_t>());
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return corrupt("a number of more than 64 bits").at(cursor.position());
}

std::uint64_t count_lines(std::string_view text) {
  return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')) + (text.empty() || text.back() == '\n' ? 0 : 1);
}

class Describer {
 public:
  Describer(const std::map<std::string, Blob>& files, const Limits& limits) : files_(files), limits_(limits) {}

  std::optional<TokenizerFacts> run() {
    static constexpr std::string_view kBelonging[] = {"tokenizer.json",
                                                      "vocab.txt",
                                                      "vocab.json",
                                                      "merges.txt",
                                                      "tokenizer.model",
                                                      "spiece.model",
                                                      "sentencepiece.bpe.model",
                                                      "source.spm",
                                                      "target.spm",
                                                      "tokenizer_config.json",
                                                      "special_tokens_map.json",
                                                      "added_tokens.json"};
    for (const std::string_view name : kBelonging)
      if (files_.contains(std::string(name))) facts_.files.emplace_back(name);
    const bool found = json() || lines() || pair() || pieces("tokenizer.model") || pieces("spiece.model") ||
                       pieces("sentencepiece.bpe.model") || pieces("source.spm");
    if (!found && facts_.warnings.empty()) return std::nullopt;
    return std::move(facts_);
  }

 private:
  // The text of a file; empty where it is missing or cannot be read, which is a warning.
  std::optional<Bytes> read(const std::string& name) {
    const auto file = files_.find(name);
    if (file == files_.end()) return std::nullopt;
    auto bytes = file->second.read(limits_.header_bytes);
    if (bytes) return std::move(*bytes);
    warn(name, bytes.error());
    return std::nullopt;
  }

  void warn(const std::string& name, const Error& error) {
    facts_.warnings.push_back(error.offset() ? text("{} @ {}: {}", name, *error.offset(), error.message())
                                             : text("{}: {}", name, error.message()));
  }

  bool json() {
    const auto bytes = read("tokenizer.json");
    if (!bytes) return false;
    TokenizerFacts facts;
    if (const Status status = TokenizerReader(bytes->text(), limits_).tokenizer(facts); !status) {
      warn("tokenizer.json", status.error());
      return false;
    }
    facts_.kind = facts.kind;
    facts_.tokens = facts.tokens;
    facts_.ids = facts.ids;
    return true;
  }

  bool lines() {
    const auto bytes = read("vocab.txt");
    if (!bytes) return false;
    set("WordPiece", count_lines(bytes->text()));
    return true;
  }

  bool pair() {
    const auto bytes = read("vocab.json");
    if (!bytes) return false;
    std::uint64_t count = 0;
    std::uint64_t ids = 0;
    if (const Status status = TokenizerReader(bytes->text(), limits_).vocabulary(count, ids); !status) {
      warn("vocab.json", status.error());
      return false;
    }
    set(files_.contains("merges.txt") ? "BPE" : "WordLevel", count, ids);
    return true;
  }

  bool pieces(const std::string& name) {
    const auto bytes = read(name);
    if (!bytes) return false;
    const auto count = count_sentence_pieces(bytes->span());
    if (!count || *count == 0) return false;  // tokenizer.model is also the name of other kinds
    set("SentencePiece", *count);
    return true;
  }

  void set(std::string kind, std::uint64_t count, std::uint64_t ids = 0) {
    facts_.kind = std::move(kind);
    facts_.tokens = count;
    facts_.ids = ids == 0 ? count : ids;
    const auto bytes = read("added_tokens.json");
    if (!bytes) return;
    std::uint64_t added = 0;
    std::uint64_t added_ids = 0;
    if (const Status status = TokenizerReader(bytes->text(), limits_).vocabulary(added, added_ids); !status) {
      return warn("added_tokens.json", status.error());
    }
    if (added_ids > facts_.ids) {  // those within the vocabulary are named there too
      facts_.tokens += std::min(added, added_ids - facts_.ids);
      facts_.ids = added_ids;
    }
  }

  const std::map<std::string, Blob>& files_;
  const Limits& limits_;
  TokenizerFacts facts_;
};

}  // namespace

Result<std::uint64_t> count_sentence_pieces(std::span<const std::byte> model) {
  Cursor cursor(model);
  std::uint64_t pieces = 0;
  while (!cursor.at_end()) {
    HOLDALL_ASSIGN(const std::uint64_t tag, varint(cursor));
    std::uint64_t size = 0;
    switch (tag & 7) {
      case 0: {
        HOLDALL_TRY(varint(cursor));
        continue;
      }
      case 1:
        size = 8;
        break;
      case 2: {
        HOLDALL_ASSIGN(size, varint(cursor));
        break;
      }
      case 5:
        size = 4;
        break;
      default:
        return corrupt(text("wire type {} is not known", tag & 7)).at(cursor.position());
    }
    if (tag >> 3 == 0) return corrupt("field 0 is no field").at(cursor.position());
    HOLDALL_TRY(cursor.skip(size));
    if (tag >> 3 == 1 && (tag & 7) == 2) ++pieces;
  }
  return pieces;
}

std::optional<TokenizerFacts> describe_tokenizer(const std::map<std::string, Blob>& files, const Limits& limits) {
  return Describer(files, limits).run();
}

}  // namespace holdall

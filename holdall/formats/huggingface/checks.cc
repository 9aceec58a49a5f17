#include "holdall/formats/huggingface/checks.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>

#include "holdall/base/text.h"

namespace holdall::huggingface {
namespace {

// Last components of an input embedding's name in the models of transformers.
constexpr std::array<std::string_view, 7> kEmbeddings = {"word_embeddings.weight", "embed_tokens.weight",   "wte.weight",
                                                         "shared.weight",          "tok_embeddings.weight", "embed_in.weight",
                                                         "embeddings.weight"};
// Components before a layer's number.
constexpr std::array<std::string_view, 6> kLayers = {"layers", "layer", "h", "block", "blocks", "encoder_layers"};

bool is_last(std::string_view name, std::string_view tail) {
  return name == tail || (name.size() > tail.size() && name.ends_with(tail) && name[name.size() - tail.size() - 1] == '.');
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> tails) {
  return std::any_of(tails.begin(), tails.end(), [&](std::string_view tail) { return text.ends_with(tail); });
}

// The first of the keys that the config has as a size. Models of several parts keep those of their text in a dict of its own.
std::optional<std::uint64_t> size_in(Value config, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    const auto found = config.find_int(key);
    if (found && *found > 0) return static_cast<std::uint64_t>(*found);
  }
  return std::nullopt;
}

class Checker {
 public:
  explicit Checker(const Facts& facts) : facts_(facts), config_(facts.config) {
    for (const char* part : {"text_config", "language_config", "llm_config"}) {
      if (!config_.find_int("vocab_size") && config_.find(part).find_int("vocab_size")) config_ = config_.find(part);
    }
    embedding_ = find_embedding();
  }

  std::vector<std::string> run() {
    if (facts_.adapter) {
      check_adapter();
    } else {
      check_vocabulary();
      check_width();
      check_layers();
      check_ties();
    }
    return std::move(said_);
  }

 private:
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    said_.push_back(text(format, std::forward<Args>(args)...));
  }

  const NamedTensor* find_embedding() const {
    for (const std::string_view tail : kEmbeddings)
      for (const NamedTensor& entry : facts_.tensors)
        if (is_last(entry.name, tail) && is_matrix(entry)) return &entry;
    return nullptr;
  }

  static bool is_matrix(const NamedTensor& entry) {
    return entry.tensor.shape().size() == 2 && info(entry.tensor.dtype()).kind == DTypeKind::kFloat;
  }

  std::optional<std::uint64_t> vocabulary() const { return size_in(config_, {"padded_vocab_size", "vocab_size"}); }

  void check_vocabulary() {
    const auto vocabulary = this->vocabulary();
    if (embedding_ != nullptr && vocabulary && embedding_->tensor.shape()[0] != *vocabulary) {
      say("config.json says vocab_size {}, '{}' has {} rows", *vocabulary, embedding_->name, embedding_->tensor.shape()[0]);
    }
    std::optional<std::uint64_t> rows = vocabulary;
    if (embedding_ != nullptr) rows = embedding_->tensor.shape()[0];
    if (!rows) return;
    if (facts_.tokenizer && facts_.tokenizer->ids > *rows) {
      say("the tokenizer gives ids up to {}, the embedding has {} rows", facts_.tokenizer->ids - 1, *rows);
    }
    check_ids("config.json", config_, *rows);
    check_ids("generation_config.json", facts_.generation, *rows);
  }

  // Negative ids stand for "none".
  void check_ids(std::string_view file, Value from, std::uint64_t rows) {
    static constexpr std::string_view kKeys[] = {
        "bos_token_id", "eos_token_id",  "pad_token_id",           "unk_token_id",        "cls_token_id",
        "sep_token_id", "mask_token_id", "decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id"};
    for (const std::string_view key : kKeys) {
      const Value value = from.find(key);
      if (!value) continue;
      const std::size_t count = value.is(ValueKind::kList) ? value.size() : 1;
      for (std::size_t i = 0; i < count; ++i) {
        const Value id = value.is(ValueKind::kList) ? value.item(i) : value;
        if (id.is(ValueKind::kInt) && id.as_int() >= 0 && static_cast<std::uint64_t>(id.as_int()) >= rows) {
          say("{} says {} {}, beyond the {} rows of the embedding", file, key, id.as_int(), rows);
        }
      }
    }
  }

  void check_width() {
    const auto width = size_in(
        config_, {"embedding_size", "word_embed_proj_dim", "d_embed", "hidden_size", "n_embd", "d_model", "dim", "emb_dim"});
    if (embedding_ == nullptr || !width || embedding_->tensor.shape()[1] == *width) return;
    say("config.json says a width of {}, '{}' has {} columns", *width, embedding_->name, embedding_->tensor.shape()[1]);
  }

  // Numbers of layers by what stands before them: "encoder.layer" -> {0, 1, …}.
  std::map<std::string, std::set<std::uint64_t>> numbered() const {
    std::map<std::string, std::set<std::uint64_t>> found;
    for (const NamedTensor& entry : facts_.tensors) {
      const std::string_view name = entry.name;
      for (std::size_t dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1)) {
        std::uint64_t number = 0;
        const auto [end, error] = std::from_chars(name.data() + dot + 1, name.data() + name.size(), number);
        if (error != std::errc() || end == name.data() + name.size() || *end != '.') continue;
        const std::string_view before = name.substr(0, dot);
        const std::string_view last = before.substr(before.rfind('.') + 1);
        if (std::find(kLayers.begin(), kLayers.end(), last) != kLayers.end()) found[std::string(before)].insert(number);
        break;  // deeper numbers are parts of a layer
      }
    }
    return found;
  }

  // More layers than said are the business of their model (prediction heads); fewer are missing.
  void check_layers() {
    const auto layers = size_in(config_, {"num_hidden_layers", "n_layer", "n_layers", "num_layers"});
    if (!layers) return;
    const auto found = numbered();
    if (found.empty()) return;
    const auto longest = std::max_element(found.begin(), found.end(),
                                          [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
    if (longest->second.size() >= *layers) return;
    std::uint64_t missing = 0;
    while (longest->second.contains(missing)) ++missing;
    say("config.json says {} layers, the weights hold {} under '{}' ({} is missing)", *layers, longest->second.size(),
        longest->first, missing);
  }

  void check_ties() {
    const std::string_view architecture = architecture_name();
    const auto vocabulary = this->vocabulary();
    if (!vocabulary || facts_.tensors.empty() || config_.find("quantization_config")) return;
    if (!is_one_of(architecture, {"ForCausalLM", "LMHeadModel", "ForMaskedLM", "ForSeq2SeqLM"})) return;
    const auto rows =
        static_cast<std::size_t>(std::count_if(facts_.tensors.begin(), facts_.tensors.end(), [&](const NamedTensor& entry) {
          return is_matrix(entry) && (entry.tensor.shape()[0] == *vocabulary || &entry == embedding_);
        }));
    const Value tie = facts_.config.find("tie_word_embeddings");
    const bool is_tied = !tie || !tie.is(ValueKind::kBool) || tie.as_bool();
    if (rows == 0) {
      say("{} needs an embedding of {} rows, and no tensor has them", architecture, *vocabulary);
    } else if (!is_tied && rows == 1 && embedding_ != nullptr && is_one_of(architecture, {"ForCausalLM", "LMHeadModel"})) {
      say("tie_word_embeddings is false, but beside '{}' there is no output layer of {} rows", embedding_->name, *vocabulary);
    }
  }

  std::string_view architecture_name() const {
    const Value list = facts_.config.find("architectures");
    const bool named = list.is(ValueKind::kList) && list.size() > 0 && list.item(0).is(ValueKind::kString);
    return named ? list.item(0).as_string() : std::string_view();
  }

  void check_adapter() {
    const auto rank = size_in(facts_.adapter, {"r"});
    const Value pattern = facts_.adapter.find("rank_pattern");
    const bool uniform = !pattern.is(ValueKind::kDict) || pattern.size() == 0;
    if (!rank || !uniform || facts_.adapter.find_string("peft_type") != "LORA") return;
    for (const NamedTensor& entry : facts_.tensors) {
      if (entry.name.find(".lora_A.") == std::string::npos || entry.tensor.shape().size() != 2) continue;
      if (entry.tensor.shape()[0] == *rank) continue;
      say("adapter_config.json says rank {}, '{}' has {} rows", *rank, entry.name, entry.tensor.shape()[0]);
      return;
    }
  }

  const Facts& facts_;
  Value config_;  // of the text model
  const NamedTensor* embedding_ = nullptr;
  std::vector<std::string> said_;
};

}  // namespace

std::vector<std::string> disagreements(const Facts& facts) { return Checker(facts).run(); }

}  // namespace holdall::huggingface

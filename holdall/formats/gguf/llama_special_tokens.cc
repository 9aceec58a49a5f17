#include <algorithm>

#include "holdall/base/text.h"
#include "holdall/formats/gguf/llama_tokenizer.h"

namespace holdall::gguf {
namespace {

struct Kind {
  std::string_view name, key;
};
// Of tokenizer_config.json ("bos_token") and config.json ("bos_token_id"), and the keys there; "seperator" is how it is
// spelled.
constexpr Kind kKinds[] = {{"bos", "bos_token_id"},       {"eos", "eos_token_id"},     {"unk", "unknown_token_id"},
                           {"sep", "seperator_token_id"}, {"pad", "padding_token_id"}, {"cls", "cls_token_id"},
                           {"mask", "mask_token_id"},     {"eot", "eot_token_id"},     {"eom", "eom_token_id"}};

struct Usual {
  std::string_view name;
  const char *bert, *roberta;
};
constexpr Usual kUsual[] = {{"bos", "", "<s>"},          {"eos", "", "</s>"},       {"cls", "[CLS]", "<s>"},
                            {"sep", "[SEP]", "</s>"},    {"unk", "[UNK]", "<unk>"}, {"pad", "[PAD]", "<pad>"},
                            {"mask", "[MASK]", "<mask>"}};

std::string content_of(Value entry) {
  if (entry.is(ValueKind::kString)) return std::string(entry.as_string());
  return std::string(entry.find_string("content").value_or(""));
}

std::string special_in(Value step) { return std::string(step.find("SpecialToken").find_string("id").value_or("")); }

class SpecialTokens {
 public:
  SpecialTokens(Conversion& conversion, const TokenizerFiles& files, const Vocabulary& vocabulary)
      : conversion_(conversion), files_(files), vocabulary_(vocabulary) {}

  void run() {
    for (const Kind& kind : kKinds) texts_[kind.name] = said(kind.name);
    if (texts_["bos"].empty()) texts_["bos"] = texts_["cls"];
    if (texts_["eos"].empty()) texts_["eos"] = texts_["sep"];
    if (files_.tokenizer) {
      read_post_processor(files_.tokenizer.find("post_processor"));
      // llama.cpp has them true for some kinds where nothing is said.
      for (const std::string_view name : {"bos", "sep"}) adds_.emplace(name, false);
    } else if (vocabulary_.pre == "roberta-bpe") {
      for (const std::string_view name : {"bos", "eos", "sep"}) adds_[name] = true;
    }
    for (const std::string_view name : {"bos", "eos", "sep"}) {
      const Value given = files_.config.find(text("add_{}_token", name));
      if (given.is(ValueKind::kBool)) adds_[name] = given.as_bool();
    }
    for (const Kind& kind : kKinds) {
      if (const auto id = id_of(kind.name)) {
        conversion_.pairs.integer(text("tokenizer.ggml.{}", kind.key), static_cast<std::int64_t>(*id));
      }
    }
    for (const auto& [name, adds] : adds_) conversion_.pairs.boolean(text("tokenizer.ggml.add_{}_token", name), adds);
  }

 private:
  std::string said(std::string_view name) const {
    const std::string key = text("{}_token", name);
    std::string content = content_of(files_.config.find(key));
    if (content.empty()) content = content_of(files_.specials.find(key));
    if (!content.empty()) return content;
    // What the classes take where nothing is said, as the files of bert-base-uncased say nothing.
    const bool is_roberta = vocabulary_.pre == "roberta-bpe" && !files_.tokenizer;
    for (const Usual& usual : kUsual)
      if (usual.name == name) return vocabulary_.model == "bert" ? usual.bert : is_roberta ? usual.roberta : "";
    return {};
  }

  std::optional<std::uint64_t> id_of(std::string_view name) const {
    const std::string& content = texts_.at(name);
    if (!content.empty()) {
      for (const AddedToken& added : files_.added)
        if (added.content == content && added.id < conversion_.rows) return added.id;
      if (const auto found = vocabulary_.ids.find(content); found != vocabulary_.ids.end()) return found->second;
    }
    Value id = conversion_.config.find(text("{}_token_id", name));
    if (id.is(ValueKind::kList) && id.size() != 0) id = id.item(0);
    if (!id.is(ValueKind::kInt) || id.as_int() < 0 || static_cast<std::uint64_t>(id.as_int()) >= conversion_.rows)
      return std::nullopt;
    return static_cast<std::uint64_t>(id.as_int());
  }

  void read_post_processor(Value post) {
    const Value list = post.find("processors");
    if (!list.is(ValueKind::kList)) return read_processor(post);
    for (std::size_t i = 0; i < list.size(); ++i) read_processor(list.item(i));
  }

  void read_processor(Value processor) {
    const std::string_view type = processor.find_string("type").value_or("");
    if (type == "RobertaProcessing" || type == "BertProcessing") {
      for (const std::string_view name : {"bos", "eos", "sep"}) adds_[name] = true;
      for (const std::string_view name : {"cls", "sep"}) {
        const Value pair = processor.find(name);  // [token, number]
        if (texts_[name].empty() && pair.is(ValueKind::kList) && pair.size() != 0) texts_[name] = content_of(pair.item(0));
      }
    } else if (type == "TemplateProcessing") {
      read_template(processor.find("single"), processor.find("pair"));
    }
  }

  // What stands before and behind a text, and between two.
  void read_template(Value single, Value pair) {
    if (!single.is(ValueKind::kList) || single.size() == 0) return;
    const std::string first = special_in(single.item(0));
    const std::string last = single.size() > 1 ? special_in(single.item(single.size() - 1)) : std::string();
    adds_["bos"] = !first.empty() && (first == texts_["bos"] || first == texts_["cls"]);
    adds_["eos"] = !last.empty();
    if (!last.empty() && last != texts_["eos"]) {
      texts_[texts_["eot"].empty() ? "eot" : "eom"] = texts_["eos"];
      texts_["eos"] = last;
    }
    std::vector<std::string> between;
    bool in_between = false;
    for (std::size_t i = 0; pair.is(ValueKind::kList) && i < pair.size(); ++i) {
      const std::string_view sequence = pair.item(i).find("Sequence").find_string("id").value_or("");
      if (sequence == "B") break;
      if (in_between) between.push_back(special_in(pair.item(i)));
      if (sequence == "A") in_between = true;
    }
    const auto separates = [&](const std::string& token) {
      return !token.empty() && (token == texts_["sep"] || token == texts_["eos"]);
    };
    adds_["sep"] =
        (between.size() == 1 && last.empty() && separates(between[0])) || (between.size() == 2 && separates(between[1]));
  }

  Conversion& conversion_;
  const TokenizerFiles& files_;
  const Vocabulary& vocabulary_;
  std::map<std::string_view, std::string> texts_;
  std::map<std::string_view, bool> adds_;
};

// One template, or several with names, of which "default" is the one.
void add_templates(Pairs& pairs, Value templates) {
  if (templates.is(ValueKind::kString)) return pairs.string("tokenizer.chat_template", templates.as_string());
  std::vector<std::string> names;
  for (std::size_t i = 0; templates.is(ValueKind::kList) && i < templates.size(); ++i) {
    const auto name = templates.item(i).find_string("name");
    const auto source = templates.item(i).find_string("template");
    if (!name || !source) continue;
    if (*name == "default") {
      pairs.string("tokenizer.chat_template", *source);
      continue;
    }
    names.emplace_back(*name);
    pairs.string(text("tokenizer.chat_template.{}", names.back()), *source);
  }
  if (!names.empty()) pairs.strings("tokenizer.chat_templates", names);
}

Status convert_templates(Conversion& conversion, const TokenizerFiles& files) {
  Value templates = files.config.find("chat_template");
  if (templates && !templates.is_null()) return add_templates(conversion.pairs, templates), Status();
  HOLDALL_ASSIGN(const std::optional<Bytes> bytes, conversion.file("chat_template.jinja"));
  if (bytes) return conversion.pairs.string("tokenizer.chat_template", bytes->text()), Status();
  HOLDALL_ASSIGN(const Value document, conversion.json("chat_template.json"));
  add_templates(conversion.pairs, document.find("chat_template"));
  return {};
}

}  // namespace

Status convert_special_tokens(Conversion& conversion, const TokenizerFiles& files, const Vocabulary& vocabulary) {
  SpecialTokens(conversion, files, vocabulary).run();
  return convert_templates(conversion, files);
}

}  // namespace holdall::gguf

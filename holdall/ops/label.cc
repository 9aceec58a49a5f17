#include "holdall/ops/label.h"

#include <algorithm>
#include <map>

#include "holdall/base/text.h"
#include "holdall/formats/model_card.h"
#include "holdall/formats/tokenizer.h"

namespace holdall {
namespace {

constexpr std::uint64_t kMostCard = 1u << 20;

std::string text_of(Value value) {
  if (value.is(ValueKind::kString)) return std::string(value.as_string());
  if (value.is(ValueKind::kList) && value.size() > 0) return text_of(value.item(0));
  return {};
}

std::string first_of(std::initializer_list<Value> values) {
  for (const Value value : values)
    if (std::string text = text_of(value); !text.empty()) return text;
  return {};
}

// The front matter of README.md; no value where there is none.
Value model_card(Arena& arena, const Model& model) {
  const auto found = model.side_files().find("README.md");
  if (found == model.side_files().end()) return {};
  const Result<Bytes> bytes = found->second.read(kMostCard);
  if (!bytes) return {};
  const NodeId card = read_model_card(arena, bytes->text());
  return card == kNoNode ? Value() : arena.at(card);
}

std::string precision_of(const Model& model) {
  std::map<DType, std::uint64_t> elements;
  std::uint64_t all = 0;
  for (const NamedTensor& entry : model.tensors()) {
    const DTypeKind kind = info(entry.tensor.dtype()).kind;
    if (kind != DTypeKind::kFloat && kind != DTypeKind::kBlock && kind != DTypeKind::kQuantized && kind != DTypeKind::kComplex)
      continue;
    elements[entry.tensor.dtype()] += entry.tensor.elements();
    all += entry.tensor.elements();
  }
  if (elements.empty()) return {};
  std::vector<std::pair<std::uint64_t, DType>> ranked;
  for (const auto& [dtype, count] : elements) ranked.emplace_back(count, dtype);
  std::sort(ranked.rbegin(), ranked.rend());
  if (ranked.size() == 1) return std::string(name(ranked[0].second));
  const bool mostly = ranked[0].first > all / 2;
  return text("{}{}, {}{}", mostly ? "mostly " : "", name(ranked[0].second), mostly ? "some " : "", name(ranked[1].second));
}

std::string producer_of(const Model& model) {
  const Value metadata = model.metadata();
  std::string producer = first_of({metadata.find("producer"), metadata.find("producer_name")});
  if (!producer.empty()) return producer;
  const std::string transformers = text_of(model.config() ? model.config().find("transformers_version") : Value());
  if (!transformers.empty()) return "transformers " + transformers;
  const std::string keras = text_of(metadata.find("keras_version"));
  if (!keras.empty()) return "keras " + keras;
  const std::string& detail = model.origin().detail;
  const std::size_t torch = detail.find("torch");
  if (torch != std::string::npos) return detail.substr(torch, detail.find_first_of(",;", torch) - torch);
  return text_of(metadata.find("format")) == "pt" ? "torch" : std::string();
}

}  // namespace

Label label_of(const Model& model) {
  Label label;
  const Value config = model.config();
  const Value metadata = model.metadata();
  const auto in_config = [&](std::string_view key) { return config ? config.find(key) : Value(); };
  Arena arena;
  const Value card = model_card(arena, model);
  label.family = first_of(
      {in_config("model_type"), metadata.find("general.architecture"), in_config("class_name"), in_config("peft_type")});
  label.task = first_of({in_config("architectures"), in_config("task_type")});
  label.base = first_of({in_config("base_model_name_or_path"), metadata.find("general.base_model.0.name")});
  if (label.base.empty()) label.base = text_of(card.find("base_model"));
  if (label.base.empty()) label.base = text_of(in_config("_name_or_path"));
  label.licence =
      first_of({metadata.find("license"), metadata.find("licence"), metadata.find("general.license"), in_config("license")});
  if (label.licence.empty()) label.licence = text_of(card.find("license"));
  label.precision = precision_of(model);
  label.producer = producer_of(model);
  return label;
}

std::optional<Tokenizer> tokenizer_of(const Model& model) {
  auto facts = describe_tokenizer(model.side_files(), {});
  if (!facts) return std::nullopt;
  return Tokenizer{std::move(facts->kind), std::max(facts->tokens, facts->ids), std::move(facts->files)};
}

}  // namespace holdall

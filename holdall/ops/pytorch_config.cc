#include "holdall/ops/pytorch_config.h"

#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/json.h"

namespace holdall {
namespace {

constexpr std::uint64_t kMostConfig = 1u << 20;

struct Renamed {
  std::string_view from, to;
};
constexpr Renamed kFiles[] = {
    {"config.json", "config.json"}, {"vocab.txt", "vocab.txt"}, {"encoder.json", "vocab.json"}, {"vocab.bpe", "merges.txt"}};
// hparams.json of OpenAI's GPT-2, and GPT2Config; both names stand for the number of positions.
constexpr Renamed kHyperparameters[] = {
    {"n_vocab", "vocab_size"}, {"n_ctx", "n_positions"}, {"n_embd", "n_embd"}, {"n_head", "n_head"}, {"n_layer", "n_layer"}};

Result<NodeId> read_json(Arena& arena, const Bundle& bundle, std::string_view name) {
  HOLDALL_ASSIGN(const SourceRef source, bundle.open_part(name));
  HOLDALL_ASSIGN(const Bytes bytes, read_all(*source, kMostConfig));
  HOLDALL_ASSIGN(const NodeId root, parse_json(arena, bytes.text()));
  if (!arena.at(root).is(ValueKind::kDict)) return corrupt("the file holds no object").in(source->name());
  return root;
}

Result<NodeId> config_of(Arena& arena, const Bundle& bundle) {
  if (bundle.has("bert_config.json")) {  // the keys are BertConfig's
    HOLDALL_ASSIGN(const NodeId config, read_json(arena, bundle, "bert_config.json"));
    arena.set_item(config, "model_type", arena.string("bert"));
    return config;
  }
  HOLDALL_ASSIGN(const NodeId parameters, read_json(arena, bundle, "hparams.json"));
  const NodeId config = arena.dict();
  arena.set_item(config, "model_type", arena.string("gpt2"));
  for (const auto& [from, to] : kHyperparameters) {
    if (const Value value = arena.at(parameters).find(from)) arena.set_item(config, to, value.id());
  }
  return config;
}

void add_files(ModelBuilder& builder, const Bundle& bundle) {
  for (const auto& [from, to] : kFiles) {
    if (!bundle.has(from)) continue;
    auto source = bundle.open_part(from);
    if (source) {
      builder.side_files.emplace(to, Blob(std::move(*source)));
    } else {
      builder.warnings.push_back(text("'{}' is left out: {}", from, source.error().message()));
    }
  }
  if (bundle.has("config.json") || (!bundle.has("bert_config.json") && !bundle.has("hparams.json"))) return;
  const auto config = config_of(*builder.arena, bundle);
  if (config) {
    builder.config = *config;
  } else {
    builder.warnings.push_back(text("no config is made: {}", config.error().message()));
  }
}

}  // namespace

Model with_original_files(Model model, const Bundle& bundle) {
  if (model.config() || !model.side_files().empty()) return model;
  return ModelBuilder::amended(std::move(model), "", [&](ModelBuilder& builder) { add_files(builder, bundle); });
}

}  // namespace holdall

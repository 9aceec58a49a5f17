#include "holdall/formats/gguf/llama_cpp.h"

#include <algorithm>
#include <filesystem>

#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/core/beside.h"
#include "holdall/formats/model_card.h"

namespace holdall::gguf {
namespace {

constexpr Architecture kArchitectures[] = {
    {"bert", Family::kBert, "bert", false},
    {"roberta", Family::kBert, "bert", true},
    {"camembert", Family::kBert, "bert", true},
    {"xlm-roberta", Family::kBert, "bert", true},
    {"distilbert", Family::kDistilBert, "bert", false},
    {"gpt2", Family::kGpt2, "gpt2", false},
    {"llama", Family::kLlama, "llama", false},
    {"mistral", Family::kLlama, "llama", false},
};

// What general.file_type says of most matrices: llama_ftype of llama.h.
struct FileType {
  DType dtype;
  std::int64_t number;
};
constexpr FileType kFileTypes[] = {{DType::kFloat32, 0}, {DType::kFloat16, 1}, {DType::kQ4_0, 2}, {DType::kQ4_1, 3},
                                   {DType::kQ8_0, 7},    {DType::kQ5_0, 8},    {DType::kQ5_1, 9}, {DType::kBFloat16, 32}};

Status add_model_card(Conversion& conversion) {
  HOLDALL_ASSIGN(const std::optional<Bytes> bytes, conversion.file("README.md"));
  if (!bytes) return {};
  Arena& arena = *conversion.builder.arena;
  const NodeId node = read_model_card(arena, bytes->text());
  if (node == kNoNode) return {};
  const Value card = arena.at(node);
  if (const auto license = card.find_string("license")) conversion.pairs.string("general.license", *license);
  for (const auto& [from, to] : {std::pair("tags", "general.tags"), std::pair("language", "general.languages")}) {
    const Value list = card.find(from);
    std::vector<std::string> texts;
    for (std::size_t i = 0; list.is(ValueKind::kList) && i < list.size(); ++i)
      if (list.item(i).is(ValueKind::kString)) texts.emplace_back(list.item(i).as_string());
    if (!texts.empty()) conversion.pairs.strings(to, texts);
  }
  return {};
}

// How a text is sampled where nobody says otherwise: generation_config.json.
Status add_sampling(Conversion& conversion) {
  HOLDALL_ASSIGN(const Value said, conversion.json("generation_config.json"));
  if (const auto count = said.find_int("top_k")) conversion.pairs.integer("general.sampling.top_k", *count);
  for (const auto& [from, to] :
       {std::pair("temperature", "general.sampling.temp"), std::pair("top_p", "general.sampling.top_p"),
        std::pair("min_p", "general.sampling.min_p"), std::pair("repetition_penalty", "general.sampling.penalty_repeat")})
    if (const auto number = said.find_number(from)) conversion.pairs.real(to, *number);
  return {};
}

void add_general(Conversion& conversion) {
  conversion.pairs.string("general.architecture", conversion.architecture.name);
  conversion.pairs.string("general.type", "model");
  std::string path = conversion.model.origin().path;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const std::string name = std::filesystem::path(path).filename().string();
  if (!name.empty() && name != "." && name != "..") conversion.pairs.string("general.name", name);
}

void add_file_type(Conversion& conversion) {
  DType dtype = conversion.options.dtype.value_or(DType::kFloat32);
  for (const NamedTensor& entry : conversion.builder.entries()) {
    if (conversion.options.dtype || entry.tensor.shape().size() < 2) continue;
    dtype = entry.tensor.dtype();
    if (dtype != DType::kFloat32) break;
  }
  const auto* row =
      std::find_if(std::begin(kFileTypes), std::end(kFileTypes), [&](const FileType& t) { return t.dtype == dtype; });
  if (row != std::end(kFileTypes)) {
    conversion.pairs.integer("general.file_type", row->number);
  } else {
    conversion.losses.push_back({"--dtype", text("llama.cpp computes with no matrices of {}", name(dtype))});
  }
  conversion.pairs.integer("general.quantization_version", 2);
}

const Architecture* architecture_of(const Model& model) {
  const auto type = model.config().find_string("model_type");
  const auto* row = std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                                 [&](const Architecture& a) { return type && a.model_type == *type; });
  return row == std::end(kArchitectures) ? nullptr : row;
}

// Files beside the weights that nothing was taken from.
void warn_of_files(Conversion& conversion) {
  // The config, and forms of the tokenizer that the one which is read says as well.
  constexpr std::string_view kSame[] = {"config.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer.model"};
  std::string left;
  for (const auto& [name, blob] : conversion.model.side_files()) {
    const bool is_same = std::find(std::begin(kSame), std::end(kSame), name) != std::end(kSame);
    if (!is_same && !conversion.read.contains(name)) left += (left.empty() ? "" : ", ") + name;
  }
  if (!left.empty()) conversion.builder.warnings.push_back(text("not taken along: {}", left));
}

}  // namespace

void Pairs::strings(std::string_view key, const std::vector<std::string>& values) {
  std::vector<NodeId> items;
  for (const std::string& value : values) items.push_back(arena_.string(value));
  arena_.set_item(dict_, key, arena_.list(items));
}

void Pairs::integers(std::string_view key, const std::vector<std::int32_t>& values) {
  std::vector<NodeId> items;
  for (const std::int32_t value : values) items.push_back(arena_.integer(value));
  arena_.set_item(dict_, key, arena_.list(items));
}

void Pairs::reals(std::string_view key, const std::vector<float>& values) {
  std::vector<NodeId> items;
  for (const float value : values) items.push_back(arena_.real(static_cast<double>(value)));
  arena_.set_item(dict_, key, arena_.list(items));
}

// Files beside the weights are not taken along: what they say is.
Conversion::Conversion(const Model& source, const AdaptOptions& given, const Architecture& target)
    : model(source),
      options(given),
      architecture(target),
      builder(beside(source)),
      pairs(*builder.arena),
      config(builder.arena->at(builder.config)) {
  builder.metadata = pairs.dict();
  builder.side_files.clear();
}

std::optional<std::int64_t> Conversion::setting(std::initializer_list<std::string_view> keys) const {
  for (const std::string_view name : keys)
    if (const auto value = config.find_int(name)) return value;
  return std::nullopt;
}

std::optional<double> Conversion::number(std::initializer_list<std::string_view> keys) const {
  for (const std::string_view name : keys)
    if (const auto value = config.find_number(name)) return value;
  return std::nullopt;
}

bool Conversion::classifies() const {
  const Value classes = config.find("architectures");
  return classes.is(ValueKind::kList) && classes.size() != 0 && classes.item(0).is(ValueKind::kString) &&
         classes.item(0).as_string().ends_with("ForSequenceClassification");
}

std::uint64_t Conversion::first_position() const {
  if (!architecture.skips_positions) return 0;
  const std::int64_t padding = setting({"pad_token_id"}).value_or(1);
  return padding < 0 ? 0 : static_cast<std::uint64_t>(std::min<std::int64_t>(padding, UINT32_MAX)) + 1;
}

std::optional<std::uint64_t> Conversion::rows_of(std::string_view name) const {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  const Shape& shape = builder.entries()[static_cast<std::size_t>(found - names.begin())].tensor.shape();
  return shape.empty() ? std::nullopt : std::optional(shape[0]);
}

Result<std::optional<Bytes>> Conversion::file(const std::string& name) {
  const auto found = model.side_files().find(name);
  if (found == model.side_files().end()) return std::optional<Bytes>();
  read.insert(name);
  HOLDALL_ASSIGN(Bytes bytes, found->second.read(options.limits.header_bytes));
  return std::optional(std::move(bytes));
}

Result<Value> Conversion::json(const std::string& name) {
  HOLDALL_ASSIGN(const std::optional<Bytes> bytes, file(name));
  if (!bytes) return Value();
  JsonOptions json;
  json.depth = options.limits.depth;
  json.value_bytes = options.limits.value_bytes;
  Result<NodeId> root = parse_json(*builder.arena, bytes->text(), json);
  if (!root) return std::move(root).error().in(model.side_files().at(name).name());
  return builder.arena->at(*root);
}

Result<std::optional<Adapted>> adapt(const Model& model, const AdaptOptions& options) {
  const Architecture* architecture = architecture_of(model);
  if (architecture == nullptr) return std::optional<Adapted>();
  Conversion conversion(model, options, *architecture);
  HOLDALL_TRY(convert_tensors(conversion));
  if (conversion.rows == 0) return std::optional<Adapted>();  // another model's config
  add_general(conversion);
  HOLDALL_TRY(add_model_card(conversion));
  HOLDALL_TRY(add_sampling(conversion));
  HOLDALL_TRY(convert_parameters(conversion));
  add_file_type(conversion);
  HOLDALL_TRY(convert_tokenizer(conversion));
  warn_of_files(conversion);
  HOLDALL_ASSIGN(Model result, std::move(conversion.builder).named(std::move(conversion.names)));
  return std::optional(
      Adapted{std::move(result), std::move(conversion.renamed), std::move(conversion.losses), std::move(conversion.fixed)});
}

}  // namespace holdall::gguf

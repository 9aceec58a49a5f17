// The two layouts of torch.export's archives, and the JSON in them.
#include <algorithm>

#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/formats/torch_export/exported.h"

namespace holdall::torch_export {

namespace {

constexpr std::string_view kModels = "models/";
constexpr std::string_view kJson = ".json";
constexpr std::string_view kCompiledConfig = "/weights_config.json";

Result<NodeId> parse(Arena& arena, const Blob& blob, const Limits& limits) {
  HOLDALL_ASSIGN(const Bytes bytes, blob.read(limits.header_bytes));
  auto root = parse_json(arena, bytes.text(), {.depth = limits.depth, .value_bytes = limits.value_bytes});
  if (!root) return std::move(root).error().in(blob.name());
  return *root;
}

// {"as_int": 3}; what is {"as_expr": …} has no value here.
Result<std::int64_t> size_of(Value value) {
  const Value number = value.find("as_int");
  if (number.is(ValueKind::kInt) && number.as_int() >= 0) return number.as_int();
  if (value.find("as_expr")) return unsupported("a size that is an expression");
  return corrupt("a size that is no number, or a negative one");
}

Result<std::vector<std::int64_t>> sizes_of(Value list) {
  if (!list.is(ValueKind::kList)) return corrupt("sizes or strides that are no list");
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < list.size(); ++i) {
    HOLDALL_ASSIGN(const std::int64_t size, size_of(list.item(i)));
    sizes.push_back(size);
  }
  return sizes;
}

bool is_true(Value value) { return value.is(ValueKind::kBool) && value.as_bool(); }

Status read_meta(Value meta, Payload& payload) {
  payload.has_tensor = true;
  payload.dtype = meta.find_int("dtype").value_or(0);
  payload.layout = meta.find_int("layout").value_or(7);
  payload.requires_grad = is_true(meta.find("requires_grad"));
  HOLDALL_ASSIGN(payload.sizes, sizes_of(meta.find("sizes")));
  HOLDALL_ASSIGN(payload.strides, sizes_of(meta.find("strides")));
  if (const Value offset = meta.find("storage_offset")) {
    HOLDALL_ASSIGN(payload.offset, size_of(offset));
  }
  return {};
}

Result<Payload> read_payload(Value name, Value row) {
  Payload payload;
  payload.name = std::string(name.as_string());
  const auto path = row.find_string("path_name");
  if (!path || path->empty() || !is_contained(*path)) return corrupt("no record is named, or one that leads out of its folder");
  payload.path = std::string(*path);
  payload.is_parameter = is_true(row.find("is_param"));
  payload.is_pickled = is_true(row.find("use_pickle"));
  if (const Value meta = row.find("tensor_meta"); meta.is(ValueKind::kDict)) HOLDALL_TRY(read_meta(meta, payload));
  return payload;
}

Result<std::vector<std::int64_t>> plain_sizes(Value list) {
  if (!list.is(ValueKind::kList)) return corrupt("sizes or strides that are no list");
  std::vector<std::int64_t> sizes;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!list.item(i).is(ValueKind::kInt) || list.item(i).as_int() < 0)
      return corrupt("a size or stride that is no number, or a negative one");
    sizes.push_back(list.item(i).as_int());
  }
  return sizes;
}

Result<CompiledWeight> read_compiled_weight(Value name, Value row) {
  CompiledWeight weight;
  weight.name = std::string(name.as_string());
  const bool is_row = row.is(ValueKind::kList) && row.size() == 4 && row.item(0).is(ValueKind::kString) &&
                      row.item(3).is(ValueKind::kInt) && row.item(3).as_int() >= 0;
  if (!is_row) return corrupt("a row is a record, sizes, strides and an offset");
  weight.path = std::string(row.item(0).as_string());
  if (weight.path.empty() || !is_contained(weight.path)) return corrupt("a record that leads out of its folder");
  HOLDALL_ASSIGN(weight.sizes, plain_sizes(row.item(1)));
  HOLDALL_ASSIGN(weight.strides, plain_sizes(row.item(2)));
  if (weight.strides.size() != weight.sizes.size())
    return corrupt(text("{} strides for {} dimensions", weight.strides.size(), weight.sizes.size()));
  weight.offset = row.item(3).as_int();
  return weight;
}

std::string first_of(const Package& package, std::initializer_list<std::string> names) {
  for (const std::string& name : names)
    if (package.has(name)) return name;
  return {};
}

}  // namespace

Result<Package> Package::open(const Bundle& bundle, const Limits& limits) {
  Package package;
  HOLDALL_ASSIGN(package.zip_, ZipArchive::open(bundle, limits));
  if (package.zip_->find(kProgram) != nullptr) {
    package.is_old_ = true;
    return package;
  }
  HOLDALL_ASSIGN(const TorchArchive archive, TorchArchive::open(bundle, limits));
  package.prefix_ = archive.prefix();
  package.order_ = archive.byte_order();
  HOLDALL_ASSIGN(const std::string format, archive.word("archive_format"));
  if (format != "pt2") return unsupported(text("an archive of the format '{}', 'pt2' is read", format)).in(bundle.path());
  if (archive.has("archive_version")) {
    HOLDALL_ASSIGN(const std::string version, archive.word("archive_version"));
    if (version != "0") return unsupported(text("archive version {}, 0 is read", version)).in(bundle.path());
  }
  return package;
}

std::string Package::member_of(std::string_view record) const {
  return is_old_ ? std::string(record) : text("{}/{}", prefix_, record);
}

std::string_view Package::record_of(std::string_view member) const noexcept {
  if (is_old_) return member;
  if (!member.starts_with(prefix_) || member.size() <= prefix_.size() + 1 || member[prefix_.size()] != '/') return {};
  return member.substr(prefix_.size() + 1);
}

std::vector<std::string_view> Package::under(std::string_view folder) const {
  std::vector<std::string_view> records;
  for (const ZipMember& member : zip_->members()) {
    const std::string_view record = record_of(member.name);
    if (record.starts_with(folder) && record.size() > folder.size() && !record.ends_with('/')) records.push_back(record);
  }
  return records;
}

std::vector<std::string> Package::models() const {
  if (is_old_) return {"model"};
  std::vector<std::string> names;
  for (const std::string_view record : under(kModels)) {
    const std::string_view name = record.substr(kModels.size());
    if (name.ends_with(kJson)) names.emplace_back(name.substr(0, name.size() - kJson.size()));
  }
  return names;
}

std::string Package::program_of(std::string_view model) const {
  return is_old_ ? std::string(kProgram) : text("{}{}{}", kModels, model, kJson);
}

Result<NodeId> read_program(const Package& package, std::string_view model, Arena& arena, const Limits& limits) {
  HOLDALL_ASSIGN(const Blob blob, package.record(package.program_of(model)));
  HOLDALL_ASSIGN(const NodeId root, parse(arena, blob, limits));
  const Value version = arena.at(root).find("schema_version");
  const auto major = version.is(ValueKind::kInt) ? std::optional(version.as_int()) : version.find_int("major");
  if (!major) return corrupt("the program names no schema version").in(blob.name());
  const bool is_known = package.is_old() ? *major >= 1 && *major <= kSchemaMajor : *major == kSchemaMajor;
  if (!is_known) {
    return unsupported(text("a program of schema version {}, {} is read", *major, kSchemaMajor)).in(blob.name());
  }
  return root;
}

Result<std::vector<Payload>> read_payloads(const Blob& config, const Limits& limits) {
  Arena arena;
  HOLDALL_ASSIGN(const NodeId root, parse(arena, config, limits));
  const Value rows = arena.at(root).find("config");
  if (!rows.is(ValueKind::kDict)) return corrupt("there is no 'config'").in(config.name());
  std::vector<Payload> payloads;
  payloads.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto payload = read_payload(rows.key(i), rows.mapped(i));
    if (!payload) return std::move(payload).error().with(text("'{}'", rows.key(i).as_string())).in(config.name());
    payloads.push_back(*std::move(payload));
  }
  return payloads;
}

bool is_compiled_config(std::string_view record) noexcept {
  return record.starts_with(kCompiled) && record.ends_with(kCompiledConfig);
}

std::string compiled_config(std::string_view model) { return text("{}{}{}", kCompiled, model, kCompiledConfig); }

std::vector<std::string> compiled_models(const Package& package) {
  std::vector<std::string> names;
  for (const std::string_view record : package.under(kCompiled)) {
    if (!is_compiled_config(record)) continue;
    const std::string_view name =
        record.substr(kCompiled.size(), record.size() - std::min(record.size(), kCompiled.size() + kCompiledConfig.size()));
    if (!name.empty() && name.find('/') == std::string_view::npos) names.emplace_back(name);
  }
  return names;
}

Result<std::vector<CompiledWeight>> read_compiled_weights(const Blob& config, const Limits& limits) {
  Arena arena;
  HOLDALL_ASSIGN(const NodeId root, parse(arena, config, limits));
  const Value rows = arena.at(root);
  if (!rows.is(ValueKind::kDict)) return corrupt("the config of weights is no object").in(config.name());
  std::vector<CompiledWeight> weights;
  weights.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    auto weight = read_compiled_weight(rows.key(i), rows.mapped(i));
    if (!weight) return std::move(weight).error().with(text("'{}'", rows.key(i).as_string())).in(config.name());
    weights.push_back(*std::move(weight));
  }
  return weights;
}

std::string weights_config(const Package& package, std::string_view model) {
  return first_of(package,
                  {text("data/weights/{}_weights_config.json", model), text("data/weights/{}_model_param_config.json", model)});
}

std::string constants_config(const Package& package, std::string_view model) {
  return first_of(package, {text("data/constants/{}_constants_config.json", model),
                            text("data/constants/{}_model_constants_config.json", model)});
}

}  // namespace holdall::torch_export

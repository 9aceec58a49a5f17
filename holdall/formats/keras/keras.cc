#include "holdall/formats/keras/keras.h"

#include <algorithm>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/hdf5_pickles.h"
#include "holdall/formats/keras_config.h"
#include "holdall/formats/program_check.h"
#include "holdall/formats/zip_check.h"

namespace holdall {
namespace keras {
namespace {

constexpr std::string_view kExtensions[] = {".keras", ".weights.h5", ".weights.json"};

enum class Kind : std::uint8_t { kModel, kWeightsFile, kIndex };

bool is_model(std::span<const std::string_view> names) noexcept {
  const auto has = [&](std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  return has(kConfig) && has(kMetadata) && (has(kWeights) || has(kArrays));
}

Match match(Peek& peek) {
  if (peek.is_folder()) {
    const Bundle& bundle = peek.bundle();
    return bundle.has(kConfig) && bundle.has(kMetadata) && (bundle.has(kWeights) || bundle.has(kArrays)) ? Match::kCertain
                                                                                                         : Match::kNo;
  }
  if (as_text(peek.head()).starts_with("PK")) return is_model(peek.zip_members()) ? Match::kCertain : Match::kNo;
  if (looks_like_index(peek.head())) return Match::kCertain;
  const auto file = peek_hdf5(peek);
  return file != nullptr && has_keras_variables(*file) ? Match::kCertain : Match::kNo;
}

Kind kind_of(const Bundle& bundle, const Limits& limits) {
  Peek peek(bundle, limits);
  if (peek.is_folder() || as_text(peek.head()).starts_with("PK")) return Kind::kModel;
  return looks_like_index(peek.head()) ? Kind::kIndex : Kind::kWeightsFile;
}

Result<NodeId> json_part(Arena& arena, const Parts& parts, std::string_view name, const Limits& limits) {
  HOLDALL_ASSIGN(const Blob blob, parts.blob(name));
  HOLDALL_ASSIGN(const Bytes bytes, blob.read(limits.header_bytes));
  JsonOptions options;
  options.depth = limits.depth;
  options.value_bytes = limits.value_bytes;
  auto parsed = parse_json(arena, bytes.text(), options);
  if (!parsed) return std::move(parsed).error().in(blob.name());
  return parsed;
}

// Adds the weights of an HDF5 file, and the layers' own names under "layer_names" in the metadata.
struct Weights {
  std::vector<StoredTensor> tensors;
  std::string tree_text;  // holdall.tree
  std::string detail;
};

Status add_weights(ModelBuilder& builder, const Hdf5File& file, const SharedText& name, const Limits& limits,
                   Weights& weights) {
  HOLDALL_ASSIGN(Hdf5Contents contents,
                 read_hdf5(builder, file, name, limits, static_cast<std::uint32_t>(weights.tensors.size())));
  Arena& arena = *builder.arena;
  const Value attributes = arena.at(contents.attributes);
  weights.tree_text = attributes.find_string(kTreeKey).value_or(weights.tree_text);
  weights.detail = describe_hdf5(file);
  if (builder.tree == kNoNode) builder.tree = contents.tree;
  const Value names = arena.at(keras_layer_names(arena, attributes));
  const Value known = arena.at(builder.metadata).find("layer_names");
  const NodeId all = known ? known.id() : names.id();
  for (std::size_t i = 0; known && i < names.size(); ++i) arena.set_item(all, names.key(i).id(), names.mapped(i).id());
  if (arena.at(all).size() > 0) arena.set_item(builder.metadata, "layer_names", all);
  std::move(contents.tensors.begin(), contents.tensors.end(), std::back_inserter(weights.tensors));
  return {};
}

void add_arrays(ModelBuilder& builder, Arrays arrays, const SharedText& name, Weights& weights) {
  weights.detail = "npz";
  weights.tensors = std::move(arrays.tensors);
  for (StoredTensor& tensor : weights.tensors) tensor.file = name;
  for (std::string& warning : arrays.warnings) builder.warnings.push_back(std::move(warning));
  builder.tree = tree_of(*builder.arena, weights.tensors);
}

Result<Model> read_model(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const Parts parts, Parts::open(bundle, context.limits));
  ModelBuilder builder;
  HOLDALL_ASSIGN(builder.config, json_part(*builder.arena, parts, kConfig, context.limits));
  HOLDALL_ASSIGN(builder.metadata, json_part(*builder.arena, parts, kMetadata, context.limits));
  if (!builder.arena->at(builder.metadata).is(ValueKind::kDict)) return corrupt("metadata.json is no object").in(bundle.path());
  const std::string version(builder.arena->at(builder.metadata).find_string("keras_version").value_or("3"));
  const bool is_zip = parts.zip() != nullptr;
  const std::string_view weights_name = parts.has(kWeights) ? kWeights : kArrays;
  const SharedText file(is_zip ? bundle.names().front() : std::string(weights_name));
  HOLDALL_ASSIGN(const Blob blob, parts.blob(weights_name));
  Weights weights;
  if (weights_name == kWeights) {
    HOLDALL_ASSIGN(const auto hdf5, Hdf5File::open(blob.source(), context.limits));
    HOLDALL_TRY(add_weights(builder, *hdf5, file, context.limits, weights));
  } else {
    HOLDALL_ASSIGN(Arrays arrays, read_arrays(blob, context));
    add_arrays(builder, std::move(arrays), file, weights);
  }
  for (const std::string& name : parts.names()) {
    if (name == kConfig || name == kMetadata || name == weights_name) continue;
    HOLDALL_ASSIGN(Blob side, parts.blob(name));
    builder.side_files.emplace(name, std::move(side));
  }
  HOLDALL_ASSIGN(const std::uint64_t bytes, bundle.total_bytes());
  builder.origin = {"keras", text("{}, {}, Keras {}", is_zip ? "zip" : "folder", weights.detail, version), bundle.path(),
                    bundle.names(), bytes};
  return restore_tree(std::move(builder), std::move(weights.tensors), weights.tree_text, context.limits);
}

Result<Model> read_weights(const Bundle& bundle, const Context& context) {
  ModelBuilder builder;
  builder.metadata = builder.arena->dict();
  HOLDALL_ASSIGN(const auto file, Hdf5File::open(bundle, context.limits));
  Weights weights;
  HOLDALL_TRY(add_weights(builder, *file, bundle.names().front(), context.limits, weights));
  builder.origin = {
      "keras", text("weights, {}", weights.detail), bundle.path(), {bundle.names().front()}, bundle.main()->size()};
  return restore_tree(std::move(builder), std::move(weights.tensors), weights.tree_text, context.limits);
}

Status add_shards(ModelBuilder& builder, const Bundle& bundle, const Context& context, Weights& weights) {
  HOLDALL_ASSIGN(const Index index, read_index_file(bundle, context.limits));
  builder.metadata = builder.arena->dict();
  builder.origin = {"keras",
                    text("weights in {} shard{}", index.shards.size(), index.shards.size() == 1 ? "" : "s"),
                    bundle.path(),
                    {bundle.names().front()},
                    bundle.main()->size()};
  for (const std::string& shard : index.shards) {
    HOLDALL_ASSIGN(const SourceRef source, bundle.open_part(shard));
    HOLDALL_ASSIGN(const auto file, Hdf5File::open(source, context.limits));
    HOLDALL_TRY(add_weights(builder, *file, shard, context.limits, weights));
    builder.origin.files.push_back(shard);
    builder.origin.bytes += source->size();
  }
  builder.tree = tree_of(*builder.arena, weights.tensors);
  if (!index.tree_text.empty()) weights.tree_text = index.tree_text;
  return {};
}

Result<Model> read_index(const Bundle& bundle, const Context& context) {
  ModelBuilder builder;
  Weights weights;
  HOLDALL_TRY(add_shards(builder, bundle, context, weights));
  return restore_tree(std::move(builder), std::move(weights.tensors), weights.tree_text, context.limits);
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  switch (kind_of(bundle, context.limits)) {
    case Kind::kModel:
      return read_model(bundle, context);
    case Kind::kIndex:
      return read_index(bundle, context);
    case Kind::kWeightsFile:
      break;
  }
  return read_weights(bundle, context);
}

// The HDF5 files of a bundle; none for arrays.
Result<std::vector<SourceRef>> weight_sources(const Bundle& bundle, const Context& context) {
  std::vector<SourceRef> sources;
  switch (kind_of(bundle, context.limits)) {
    case Kind::kModel: {
      HOLDALL_ASSIGN(const Parts parts, Parts::open(bundle, context.limits));
      if (!parts.has(kWeights)) break;
      HOLDALL_ASSIGN(const Blob blob, parts.blob(kWeights));
      sources.push_back(blob.source());
      break;
    }
    case Kind::kIndex: {
      HOLDALL_ASSIGN(const Index index, read_index_file(bundle, context.limits));
      for (const std::string& shard : index.shards) {
        HOLDALL_ASSIGN(SourceRef source, bundle.open_part(shard));
        sources.push_back(std::move(source));
      }
      break;
    }
    case Kind::kWeightsFile:
      sources.push_back(bundle.main());
  }
  return sources;
}

// The trees that Holdall wrote into the files, against their tensors.
Status verify_trees(const Hdf5File& file, const Context& context, Faults& faults) {
  ModelBuilder builder;
  HOLDALL_ASSIGN(const Hdf5Contents contents, read_hdf5(builder, file, {}, context.limits));
  const auto tree = builder.arena->at(contents.attributes).find_string(kTreeKey);
  if (tree) verify_tree(contents.tensors, std::string(*tree), context, faults);
  return {};
}

Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  if (kind_of(bundle, context.limits) == Kind::kModel && bundle.kind() == Bundle::Kind::kFile) {
    HOLDALL_ASSIGN(const auto zip, ZipArchive::open(bundle, context.limits));
    HOLDALL_TRY(check_zip_members(*zip, context, faults));
    if (!faults.list.empty()) return {};
  }
  if (const auto model = read(bundle, context); !model) {
    faults.add(model.error());
    return {};
  }
  if (kind_of(bundle, context.limits) == Kind::kIndex) {
    ModelBuilder builder;
    Weights weights;
    HOLDALL_TRY(add_shards(builder, bundle, context, weights));
    if (!weights.tree_text.empty()) verify_tree(weights.tensors, weights.tree_text, context, faults);
  }
  HOLDALL_ASSIGN(const std::vector<SourceRef> sources, weight_sources(bundle, context));
  for (const SourceRef& source : sources) {
    HOLDALL_ASSIGN(const auto file, Hdf5File::open(source, context.limits));
    HOLDALL_TRY(verify_hdf5(*file, context, faults));
    HOLDALL_TRY(verify_trees(*file, context, faults));
  }
  return {};
}

// Keras builds what the config says and hands assets to its layers.
Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const std::vector<SourceRef> sources, weight_sources(bundle, context));
  for (const SourceRef& source : sources) {
    HOLDALL_ASSIGN(const auto file, Hdf5File::open(source, context.limits));
    judge_hdf5(*file, findings);
    judge_hdf5_pickles(*file, context, findings);
  }
  if (kind_of(bundle, context.limits) != Kind::kModel) return {};
  HOLDALL_ASSIGN(const Parts parts, Parts::open(bundle, context.limits));
  Arena arena;
  HOLDALL_ASSIGN(const NodeId config, json_part(arena, parts, kConfig, context.limits));
  judge_keras_config(arena.at(config), text("{}!{}", bundle.path(), kConfig), findings);
  for (const std::string& name : parts.names()) {
    if (name == kConfig || name == kMetadata || name == kWeights) continue;
    HOLDALL_ASSIGN(const Blob part, parts.blob(name));
    HOLDALL_TRY(judge_part(part.source(), context, findings));
  }
  return {};
}

}  // namespace
}  // namespace keras

extern const Format k_keras_format;
const Format k_keras_format = {"keras",
                               "Keras 3's .keras, .weights.h5 and sharded weights",
                               keras::kExtensions,
                               false,
                               keras::match,
                               keras::read,
                               keras::verify,
                               keras::acts,
                               keras::plan};

}  // namespace holdall

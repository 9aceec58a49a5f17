#include "holdall/formats/tf_savedmodel/tf_savedmodel.h"

#include <algorithm>
#include <map>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/keras_config.h"
#include "holdall/formats/tensorflow_types.h"
#include "holdall/formats/tf_savedmodel/graph_acts.h"

namespace holdall {
namespace tf_savedmodel {
namespace {

// The file of the graph, by itself or in a folder, and what it holds.
struct Opened {
  SourceRef graph;
  std::vector<MetaGraph> graphs;
};

Result<Bytes> head_of(const SourceRef& file) {
  HOLDALL_ASSIGN(const Blob head, Blob::range(file, 0, std::min<std::uint64_t>(file->size(), 4096)));
  return head.read();
}

// What TensorFlow loads and what is not read here.
Error refused(std::string_view name) {
  if (name.ends_with(".cpb"))
    return unsupported(text("a SavedModel cut into several files ('{}') is not read; save it without that option", name));
  return unsupported(text(
      "a graph as text ('{}') is not read: google.protobuf.text_format.Parse() it into TensorFlow's SavedModel (or GraphDef) "
      "and write its SerializeToString() as a .pb file; the weights in variables/ are read by themselves",
      name));
}

// Read once for all who ask of a bundle.
Result<std::shared_ptr<const Opened>> opened(const Bundle& bundle, const Limits& limits) {
  static constexpr char kWhose = 0;
  if (const auto kept = bundle.kept(&kWhose)) return std::static_pointer_cast<const Opened>(kept);
  const bool is_folder = bundle.kind() != Bundle::Kind::kFile;
  if (is_folder && !bundle.has(kGraphFile)) return refused(bundle.has(kTextFile) ? kTextFile : kCutFile).in(bundle.path());
  HOLDALL_ASSIGN(SourceRef graph,
                 bundle.kind() == Bundle::Kind::kFile ? Result<SourceRef>(bundle.main()) : bundle.open_part(kGraphFile));
  HOLDALL_ASSIGN(const Bytes head, head_of(graph));
  const std::string& name = bundle.names().front();
  if ((!is_folder && name == kTextFile) || is_text_of_graph(head.span())) return refused(name).in(graph->name());
  HOLDALL_ASSIGN(auto graphs, read_saved_graph(Blob(graph), limits));
  if (graphs.empty()) return corrupt("the file holds no meta graph").in(graph->name());
  auto made = std::make_shared<const Opened>(Opened{std::move(graph), std::move(graphs)});
  bundle.keep(&kWhose, made);
  return made;
}

Match match(Peek& peek) {
  if (peek.is_folder()) {
    const Bundle& bundle = peek.bundle();
    return bundle.has(kGraphFile) || bundle.has(kTextFile) || bundle.has(kCutFile) ? Match::kCertain : Match::kNo;
  }
  const auto head = peek.head();
  const std::string& name = peek.bundle().names().front();
  if (name == kTextFile || is_text_of_graph(head)) return Match::kCertain;
  const bool begins = head.size() > 3 && head[0] == std::byte{0x08} && head[1] == std::byte{0x01} && head[2] == std::byte{0x12};
  // TensorFlow 1's graph beside a checkpoint: a MetaGraphDef, which begins with its meta_info_def.
  const bool is_meta = !head.empty() && head[0] == std::byte{0x0a} && name.ends_with(".meta");
  if (is_meta || begins_with_node(head)) return Match::kLikely;
  // TensorFlow loads one that says no version of its schema, too.
  if (name == kGraphFile && !head.empty() && head[0] == std::byte{0x12}) return Match::kLikely;
  return !begins ? Match::kNo : name == kGraphFile ? Match::kCertain : Match::kMaybe;
}

NodeId described(Arena& arena, const std::vector<TensorInfo>& tensors) {
  const NodeId all = arena.dict();
  for (const TensorInfo& each : tensors) {
    const NodeId about = arena.dict();
    const TensorFlowType* type = tensorflow_type(each.dtype);
    arena.set_item(about, "name", arena.string(each.name));
    arena.set_item(about, "dtype", arena.string(type != nullptr ? name(type->dtype) : tensorflow_type_name(each.dtype)));
    arena.set_item(about, "shape", arena.string(each.shape));
    arena.set_item(all, each.key, about);
  }
  return all;
}

NodeId texts(Arena& arena, const std::vector<std::string>& all) {
  const NodeId list = arena.list();
  for (const std::string& each : all) arena.append(list, arena.string(each));
  return list;
}

NodeId described(Arena& arena, const MetaGraph& graph) {
  const NodeId about = arena.dict();
  arena.set_item(about, "tags", texts(arena, graph.tags));
  arena.set_item(about, "tensorflow_version", arena.string(graph.version));
  const NodeId signatures = arena.dict();
  for (const Signature& signature : graph.signatures) {
    const NodeId one = arena.dict();
    arena.set_item(one, "inputs", described(arena, signature.inputs));
    arena.set_item(one, "outputs", described(arena, signature.outputs));
    arena.set_item(one, "method", arena.string(signature.method));
    arena.set_item(signatures, signature.name, one);
  }
  arena.set_item(about, "signatures", signatures);
  std::map<std::string, std::int64_t> ops;
  const NodeId functions = arena.list();
  for (const Scope& scope : graph.scopes) {
    if (!scope.name.empty()) arena.append(functions, arena.string(scope.name));
    for (const Node& node : scope.nodes) ++ops[node.op];
  }
  arena.set_item(about, "functions", functions);
  const NodeId counts = arena.dict();
  for (const auto& [op, count] : ops) arena.set_item(counts, op, arena.integer(count));
  arena.set_item(about, "ops", counts);
  const NodeId assets = arena.list();
  for (const Asset& asset : graph.assets) arena.append(assets, arena.string(asset.file));
  arena.set_item(about, "assets", assets);
  return about;
}

// FingerprintDef: five hashes as numbers, by field. They are Fingerprint64's, which are not compared here.
NodeId fingerprint(Arena& arena, const Blob& file) {
  static constexpr std::string_view kNames[] = {"saved_model_checksum", "graph_def_program_hash", "signature_def_hash",
                                                "saved_object_graph_hash", "checkpoint_hash"};
  const NodeId about = arena.dict();
  ProtoReader message(file);
  while (true) {
    const auto field = message.next();
    if (!field || !*field) return about;
    if ((*field)->wire != ProtoWire::kVarint || (*field)->number > std::size(kNames)) continue;
    arena.set_item(about, kNames[(*field)->number - 1], arena.big_integer(std::to_string((*field)->value)));
  }
}

// Nothing where the folder has none.
Status read_metadata(const Bundle& bundle, const Limits& limits, Arena& arena, NodeId metadata) {
  if (!bundle.has(kMetadataFile)) return {};
  HOLDALL_ASSIGN(SourceRef source, bundle.open_part(kMetadataFile));
  return tf_savedmodel::add_metadata(Blob(std::move(source)), arena, metadata, limits);
}

class FolderReader {
 public:
  FolderReader(const Bundle& bundle, const Context& context) : bundle_(bundle), context_(context) {}

  Result<Model> run(const Opened& file) {
    const std::vector<MetaGraph>& graphs = file.graphs;
    const bool is_file = bundle_.kind() == Bundle::Kind::kFile;
    files_ = {is_file ? bundle_.names().front() : std::string(kGraphFile)};
    bytes_ = file.graph->size();
    ModelBuilder builder;
    std::vector<NamedTensor> tensors;
    if (files_.front() == kGraphFile && bundle_.has(kIndexFile)) {
      HOLDALL_ASSIGN(builder, variables(tensors));
    } else {
      builder.tree = builder.arena->dict();
      builder.metadata = builder.arena->dict();
    }
    HOLDALL_ASSIGN(const std::vector<Constant> constants, constants_of(graphs, context_.limits));
    add_constants(constants, builder, tensors);
    add_graphs(graphs, builder);
    if (const Status kept = read_metadata(bundle_, context_.limits, *builder.arena, builder.metadata); !kept)
      builder.warnings.push_back(text("{} is set aside: {}", kMetadataFile, kept.error().message()));
    HOLDALL_TRY(add_side_files(file.graph, builder));
    std::sort(files_.begin(), files_.end());
    const std::string& version = graphs.front().version;
    builder.origin = {"tf-savedmodel", version.empty() ? "a graph" : text("TensorFlow {}", version), bundle_.path(), files_,
                      bytes_};
    return std::move(builder).with_named(std::move(tensors));
  }

 private:
  // The checkpoint beside the graph, whose tree and metadata become the model's.
  Result<ModelBuilder> variables(std::vector<NamedTensor>& tensors) {
    HOLDALL_ASSIGN(const Bundle part, bundle_.part(kIndexFile));
    HOLDALL_ASSIGN(const Model model, context_.open(part));
    ModelBuilder builder(model.arena().clone());
    builder.tree = model.tree().id();
    builder.metadata = model.metadata().id();
    builder.warnings = model.warnings();
    builder.left_out = model.left_out();
    tensors = model.tensors();
    for (NamedTensor& entry : tensors) {
      if (!entry.file.empty()) entry.file = SharedText(std::string(kVariables) + entry.file.str());
    }
    for (const std::string& file : model.origin().files) files_.push_back(std::string(kVariables) + file);
    bytes_ += model.origin().bytes;
    return builder;
  }

  static void add_constants(const std::vector<Constant>& constants, ModelBuilder& builder, std::vector<NamedTensor>& tensors) {
    if (constants.empty()) return;
    std::map<std::string_view, bool> taken;
    for (const NamedTensor& entry : tensors) taken.emplace(entry.name, true);
    const NodeId dict = builder.arena->dict();
    const SharedText file{std::string(kGraphFile)};
    std::vector<NamedTensor> added;
    for (const Constant& constant : constants) {
      const std::string name = taken.contains(constant.name) ? constant.name + std::string(kOfConstant) : constant.name;
      const auto index = static_cast<std::uint32_t>(tensors.size() + added.size());
      builder.arena->set_item(dict, name, builder.arena->tensor({index}));
      added.push_back({name, constant.tensor, index, file});
    }
    std::move(added.begin(), added.end(), std::back_inserter(tensors));
    builder.arena->set_item(builder.tree, kConstants, dict);
  }

  void add_graphs(const std::vector<MetaGraph>& graphs, ModelBuilder& builder) const {
    Arena& arena = *builder.arena;
    const NodeId list = arena.list();
    for (const MetaGraph& graph : graphs) arena.append(list, described(arena, graph));
    arena.set_item(builder.metadata, "meta_graphs", list);
    if (!bundle_.has(kFingerprint)) return;
    const auto part = bundle_.open_part(kFingerprint);
    if (part) arena.set_item(builder.metadata, "fingerprint", fingerprint(arena, Blob(*part)));
  }

  // Assets and whatever else lies in the folder, the graph among them: what a write with other weights needs.
  Status add_side_files(const SourceRef& graph, ModelBuilder& builder) {
    builder.side_files.emplace(kGraphFile, Blob(graph));
    if (bundle_.kind() == Bundle::Kind::kFile) return {};
    for (const std::string& name : bundle_.names()) {
      if (name == kGraphFile || name.starts_with(kVariables)) continue;
      HOLDALL_ASSIGN(SourceRef source, bundle_.open_part(name));
      bytes_ += source->size();
      builder.side_files.emplace(name, Blob(std::move(source)));
      files_.push_back(name);
    }
    return {};
  }

  const Bundle& bundle_;
  const Context& context_;
  std::vector<std::string> files_;
  std::uint64_t bytes_ = 0;
};

Result<Model> read(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const auto file, opened(bundle, context.limits));
  return FolderReader(bundle, context).run(*file);
}

Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const auto file, opened(bundle, context.limits));
  for (const MetaGraph& graph : file->graphs) {
    for (const Asset& asset : graph.assets) {
      const std::string name = "assets/" + asset.file;
      if (!is_contained(asset.file)) {
        faults.list.push_back({file->graph->name(), std::nullopt, text("the asset '{}' leads out of the folder", asset.file)});
      } else if (!bundle.has(name)) {
        faults.list.push_back({file->graph->name(), std::nullopt, text("the asset '{}' is missing", name)});
      }
    }
  }
  if (bundle.has(kIndexFile)) {
    HOLDALL_ASSIGN(const Bundle part, bundle.part(kIndexFile));
    HOLDALL_TRY(context.verify(part, faults));
  }
  Arena arena;
  if (const Status kept = read_metadata(bundle, context.limits, arena, arena.dict()); !kept)
    faults.list.push_back({text("{}/{}", bundle.path(), kMetadataFile), std::nullopt, kept.error().message()});
  auto model = FolderReader(bundle, context).run(*file);
  if (!model) faults.add(model.error());
  return {};
}

// What Keras wrote of its layers. Classes that it does not have come back from the graph; what it would import, and what is
// code in the file, is told.
Status judge_keras_node(const KerasNode& node, std::string_view file, const Limits& limits, Told& told) {
  HOLDALL_ASSIGN(const Bytes bytes, node.metadata.read(limits.header_bytes));
  Arena arena;
  JsonOptions options;
  options.depth = limits.depth;
  options.value_bytes = limits.value_bytes;
  const auto json = parse_json(arena, bytes.text(), options);
  const std::string where = text("{}: {}", file, node.path.substr(0, kLongestPlace));
  if (json) {
    judge_keras_config(arena.at(*json), where, told);
  } else {
    told.add({Verdict::kUnreadable, Rule::kKerasMetadata, where, "what Keras wrote of a layer is no sound JSON"});
  }
  return {};
}

// Each place is judged whatever the other holds: which of them is read depends on who reads.
Status judge_keras(const Bundle& bundle, const Opened& opened, const Limits& limits, Findings& findings) {
  constexpr std::string_view kKeras = "_tf_keras_";
  Findings found;
  Told told(found);
  for (const MetaGraph& graph : opened.graphs) {
    for (const KerasNode& node : graph.keras)
      if (node.identifier.starts_with(kKeras)) HOLDALL_TRY(judge_keras_node(node, opened.graph->name(), limits, told));
  }
  if (bundle.has(kKerasFile)) {
    HOLDALL_ASSIGN(SourceRef source, bundle.open_part(kKerasFile));
    HOLDALL_ASSIGN(const std::vector<KerasNode> nodes, read_keras_nodes(Blob(std::move(source)), limits));
    const std::string file = text("{}/{}", bundle.path(), kKerasFile);
    for (const KerasNode& node : nodes) HOLDALL_TRY(judge_keras_node(node, file, limits, told));
  }
  for (Finding& finding : found)
    if (finding.rule != Rule::kKerasCustom) findings.push_back(std::move(finding));
  return {};
}

Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const auto file, opened(bundle, context.limits));
  Told told(findings);
  for (const MetaGraph& graph : file->graphs) {
    judge_graph(graph, file->graph->name(), context.limits, told);
    for (const Asset& asset : graph.assets) {
      if (is_contained(asset.file) || told.is_full(Verdict::kMalicious, Rule::kTensorflowAsset)) continue;
      told.add({Verdict::kMalicious, Rule::kTensorflowAsset, file->graph->name(),
                text("the asset '{}' is a file outside the folder", asset.file)});
    }
  }
  HOLDALL_TRY(judge_keras(bundle, *file, context.limits, findings));
  auto model = FolderReader(bundle, context).run(*file);
  return model ? Status() : Status(std::move(model).error());
}

}  // namespace
}  // namespace tf_savedmodel

extern const Format k_tf_savedmodel_format;
const Format k_tf_savedmodel_format = {"tf-savedmodel",
                                       "TensorFlow SavedModels: variables, constants, signatures, functions, assets",
                                       {},
                                       true,
                                       tf_savedmodel::match,
                                       tf_savedmodel::read,
                                       tf_savedmodel::verify,
                                       tf_savedmodel::acts,
                                       tf_savedmodel::plan};

}  // namespace holdall

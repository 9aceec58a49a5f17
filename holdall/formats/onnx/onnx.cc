#include "holdall/formats/onnx/onnx.h"

#include <algorithm>
#include <set>
#include <utility>

#include "holdall/base/sha1.h"
#include "holdall/base/text.h"
#include "holdall/formats/evaluated.h"
#include "holdall/formats/git_lfs.h"
#include "holdall/formats/onnx/proto_walk.h"
#include "holdall/objects/told.h"

namespace holdall {
namespace onnx {

Result<ProtoReader> message_of(const Blob& file, const ModelFile& model, std::uint32_t message) {
  const Message& place = model.messages[message];
  HOLDALL_ASSIGN(Blob part, file.slice(place.begin, place.size));
  return ProtoReader(std::move(part));
}

Result<Tensor> tensor_of_weight(const Blob& file, const ModelFile& model, const Weight& weight, const OpenExternal& external,
                                const Limits& limits) {
  HOLDALL_ASSIGN(ProtoReader message, message_of(file, model, weight.message));
  if (weight.form == Form::kTensor) {
    HOLDALL_ASSIGN(const TensorMessage tensor, read_tensor_message(std::move(message)));
    return tensor_of(tensor, external);
  }
  if (weight.form == Form::kSparse) {
    HOLDALL_ASSIGN(const SparseMessage sparse, read_sparse_message(std::move(message)));
    return sparse_tensor_of(sparse, external, limits);
  }
  return attribute_tensor(std::move(message), weight.form);
}

namespace {

constexpr std::string_view kExtension = ".onnx";
// What data files are called after the model's name: those of onnx, of PyTorch, of transformers.js.
constexpr std::string_view kDataEndings[] = {".data", "_data", ".onnx.data", ".onnx_data", ".weights"};

// The file to open, from whatever of the model was named: itself, a file with its data, a folder with one model.
Result<Bundle> model_of(const Bundle& bundle) {
  if (bundle.kind() == Bundle::Kind::kFolder) {
    std::vector<std::string> found;
    for (const std::string& name : bundle.names())
      if (name.ends_with(kExtension) && name.find('/') == std::string::npos) found.push_back(name);
    if (found.size() == 1) return bundle.part(found.front());
    return not_found(text("the folder holds {} files {}, one is needed", found.size(), kExtension)).in(bundle.path());
  }
  const std::string& name = bundle.names().front();
  for (const std::string_view ending : kDataEndings) {
    if (!name.ends_with(ending) || name.ends_with(kExtension)) continue;
    const std::string stem = name.substr(0, name.size() - ending.size());
    for (const std::string& model : {stem, stem + std::string(kExtension)})
      if (model.ends_with(kExtension) && bundle.has(model)) return bundle.part(model);
  }
  return bundle;
}

// The file and what it says, read once for all who ask of a bundle.
struct Contents {
  Blob file;
  ModelFile model;
};
struct Opened {
  Bundle bundle;
  std::shared_ptr<const Contents> contents;
  const Blob& file() const noexcept { return contents->file; }
  const ModelFile& model() const noexcept { return contents->model; }
};

Result<Opened> opened(const Bundle& given, const Limits& limits) {
  static constexpr char kWhose = 0;
  HOLDALL_ASSIGN(Bundle bundle, model_of(given));
  if (const auto kept = given.kept(&kWhose)) return Opened{std::move(bundle), std::static_pointer_cast<const Contents>(kept)};
  HOLDALL_ASSIGN(const std::string pointer, lfs_pointer(*bundle.main()));
  if (!pointer.empty()) return not_found(text("this is {}", pointer)).in(bundle.path());
  Blob file(bundle.main());
  HOLDALL_ASSIGN(ModelFile model, read_model_file(file, limits));
  if (!model.has_graph) return corrupt("the model has no graph").in(file.name());
  auto contents = std::make_shared<const Contents>(Contents{std::move(file), std::move(model)});
  given.keep(&kWhose, contents);
  return Opened{std::move(bundle), std::move(contents)};
}

// How the fields of a ModelProto begin: 1 if as those of a model, 0 if that cannot be, and what lies between.
Match match_fields(ProtoReader message, bool has_name) {
  static constexpr std::uint32_t kBytesFields[] = {2, 3, 4, 6, 7, 8, 14, 20, 25, 26};
  bool has_graph = false, has_version = false, has_opset = false;
  for (int i = 0; i < 64; ++i) {
    const auto field = message.next();
    if (!field) return has_version && has_name ? Match::kLikely : has_version && i > 1 ? Match::kMaybe : Match::kNo;
    if (!*field) break;
    const ProtoField& found = **field;
    if (found.is_varint(1) && found.value > 0 && found.value < 256) {
      has_version = true;
    } else if (found.is_bytes(7) && found.value != 0) {
      has_graph = true;
    } else if (found.is_bytes(8)) {
      has_opset = true;
    } else if (!found.is_varint(5) &&
               std::find(std::begin(kBytesFields), std::end(kBytesFields), found.number) == std::end(kBytesFields)) {
      return Match::kNo;
    } else if (found.number != 5 && found.wire != ProtoWire::kBytes) {
      return Match::kNo;
    }
    if (has_graph && has_opset) break;
  }
  if (!has_graph) return has_version && has_name ? Match::kMaybe : Match::kNo;
  return has_version && has_opset ? Match::kCertain : has_version || has_name ? Match::kLikely : Match::kNo;
}

Match match(Peek& peek) {
  if (peek.is_folder()) {
    const auto& names = peek.bundle().names();
    const auto is_model = [](const std::string& name) { return name.ends_with(kExtension) && name.find('/') == name.npos; };
    if (std::count_if(names.begin(), names.end(), is_model) != 1) return Match::kNo;
    // Nothing but a model and its data, as this format writes them.
    const bool is_alone =
        std::all_of(names.begin(), names.end(), [](const std::string& name) { return name.find(kExtension) != name.npos; });
    return is_alone ? Match::kCertain : Match::kLikely;
  }
  const auto head = peek.head();
  const bool has_name = peek.bundle().names().front().ends_with(kExtension);
  if (!head.empty() && (head[0] == std::byte{0x08} || has_name)) {
    const Match found = match_fields(ProtoReader(Blob(peek.bundle().main())), has_name);
    if (found != Match::kNo) return found;
  }
  const auto named = model_of(peek.bundle());
  return named && named->names().front() != peek.bundle().names().front() ? Match::kMaybe : Match::kNo;
}

NodeId described(Arena& arena, const std::vector<ValueInfo>& values) {
  const NodeId all = arena.dict();
  for (const ValueInfo& each : values) {
    const NodeId about = arena.dict();
    arena.set_item(about, "dtype", arena.string(each.type));
    arena.set_item(about, "shape", arena.string(each.shape));
    arena.set_item(all, each.name, about);
  }
  return all;
}

NodeId about(Arena& arena, const ModelFile& model) {
  const NodeId made = arena.dict();
  const auto say = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) arena.set_item(made, key, arena.string(value));
  };
  arena.set_item(made, "ir_version", arena.integer(static_cast<std::int64_t>(model.ir_version)));
  say("producer", model.producer);
  say("producer_version", model.producer_version);
  say("domain", model.domain);
  if (model.model_version != 0) arena.set_item(made, "model_version", arena.integer(model.model_version));
  say("doc", model.doc);
  say("graph", model.graph);
  const NodeId opsets = arena.dict();
  for (const auto& [domain, version] : model.opsets)
    arena.set_item(opsets, domain.empty() ? "ai.onnx" : std::string_view(domain),
                   arena.integer(static_cast<std::int64_t>(version)));
  arena.set_item(made, "opsets", opsets);
  arena.set_item(made, "inputs", described(arena, model.inputs));
  arena.set_item(made, "outputs", described(arena, model.outputs));
  const NodeId functions = arena.list();
  for (const OperatorName& name : model.functions) arena.append(functions, arena.string(operator_text(name)));
  arena.set_item(made, "functions", functions);
  const NodeId ops = arena.dict();
  for (const auto& [name, op] : model.operators)
    arena.set_item(ops, operator_text(name), arena.integer(static_cast<std::int64_t>(op.count)));
  arena.set_item(made, "ops", ops);
  return made;
}

std::string detail(const ModelFile& model) {
  std::string made = text("IR {}", model.ir_version);
  for (const auto& [domain, version] : model.opsets)
    if (plain_domain(domain).empty()) made += text(", opset {}", version);
  if (!model.producer.empty())
    made += text(", {}{}{}", model.producer, model.producer_version.empty() ? "" : " ", model.producer_version);
  return made;
}

// Tensors by weight; those that cannot be made end the reading, or (a list of faults is given) are told there.
Result<std::vector<Tensor>> tensors_of(const Opened& file, ExternalFiles& files, const Limits& limits, Faults* faults) {
  std::vector<Tensor> tensors;
  const OpenExternal external = [&](const TensorMessage& message, std::uint64_t bytes) { return files.open(message, bytes); };
  for (const Weight& weight : file.model().weights) {
    auto tensor = tensor_of_weight(file.file(), file.model(), weight, external, limits);
    if (!tensor && faults == nullptr) return std::move(tensor).error().with(text("tensor '{}'", weight.name));
    if (!tensor) {
      faults->add(Error(tensor.error()).with(text("tensor '{}'", weight.name)));
      continue;
    }
    tensors.push_back(std::move(*tensor));
  }
  return tensors;
}

Result<Model> read(const Bundle& given, const Context& context) {
  HOLDALL_ASSIGN(const Opened file, opened(given, context.limits));
  const std::string& name = file.bundle.names().front();
  ExternalFiles external(file.bundle);
  HOLDALL_ASSIGN(std::vector<Tensor> tensors, tensors_of(file, external, context.limits, nullptr));
  ModelBuilder builder;
  builder.reserve(tensors.size());
  Arena& arena = *builder.arena;
  std::map<const Source*, SharedText> places;
  for (const auto& [location, opened_file] : external.files()) places.emplace(opened_file.source.get(), SharedText(location));
  const SharedText own{name};
  std::vector<std::string> names;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto place = places.find(tensors[i].storage()->data.source().get());
    builder.add(std::move(tensors[i]), place == places.end() ? own : place->second);
    names.push_back(file.model().weights[i].name);
  }
  builder.metadata = arena.dict();
  for (const auto& [key, value] : file.model().properties) arena.set_item(builder.metadata, key, arena.string(value));
  arena.set_item(builder.metadata, kAbout, about(arena, file.model()));
  builder.side_files.emplace(name, file.file());
  std::uint64_t bytes = file.file().size();
  std::vector<std::string> files = {name};
  for (const auto& [location, opened_file] : external.files()) {
    files.push_back(location);
    bytes += opened_file.source->size();
  }
  builder.origin = {"onnx", detail(file.model()), file.bundle.path(), std::move(files), bytes};
  return std::move(builder).named(std::move(names));
}

// Compares a file's SHA-1, which a tensor gives, with its bytes.
Status verify_checksum(const std::string& location, const ExternalFiles::File& file, const Context& context, Faults& faults) {
  constexpr std::size_t kTile = 1u << 20;
  Sha1 sha;
  HOLDALL_TRY(for_each_tile(Blob(file.source), kTile, [&](std::uint64_t, std::span<const std::byte> piece) -> Status {
    sha.update(piece);
    return context.advance(piece.size());
  }));
  ++faults.digests;
  const std::string found = to_hex(sha.finish());
  if (found != file.checksum)
    faults.list.push_back({file.source->name(), std::nullopt,
                           text("the SHA-1 of '{}' is {}, the model says {}", location, found, file.checksum)});
  return {};
}

Status verify(const Bundle& given, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const Opened file, opened(given, context.limits));
  HOLDALL_TRY(check_graphs(file.file(), file.model(), context.limits, faults));
  ExternalFiles external(file.bundle);
  HOLDALL_ASSIGN(const std::vector<Tensor> tensors, tensors_of(file, external, context.limits, &faults));
  // What lies verbatim in a file was compared with its size; what is decoded shows only so whether it is whole.
  constexpr std::size_t kTile = 1u << 20;
  for (const Tensor& tensor : tensors) {
    const Blob& data = tensor.storage()->data;
    if (data.locate() || data.source() == file.file().source()) continue;
    const Status decoded = for_each_tile(data, kTile, [](std::uint64_t, std::span<const std::byte>) { return Status(); });
    if (!decoded && decoded.error().code() != Code::kCorrupt) return decoded;
    if (!decoded) faults.add(decoded.error());
  }
  for (const auto& [location, opened_file] : external.files())
    if (!opened_file.checksum.empty()) HOLDALL_TRY(verify_checksum(location, opened_file, context, faults));
  return {};
}

// Locations that lead out of the folder, by text or by links.
Status judge_external(const Opened& file, const Limits& limits, Findings& findings) {
  std::set<std::string> outside;  // locations
  Told told(findings);
  ExternalFiles files(file.bundle);
  const OpenExternal external = [&](const TensorMessage& message, std::uint64_t bytes) -> Result<Blob> {
    HOLDALL_ASSIGN(const ExternalPlace place, external_place(message));
    auto data = files.open(message, bytes);
    const bool leads_out = !is_contained(place.location) || (!data && data.error().code() == Code::kUnsafe);
    const bool is_new = leads_out && outside.insert(place.location).second;
    if (is_new && !told.is_full(Verdict::kMalicious, Rule::kOnnxExternalData)) {
      told.add({Verdict::kMalicious, Rule::kOnnxExternalData, file.file().name(),
                text("the data of '{}' is a file outside the model's folder: '{}'", message.name, place.location)});
    }
    return data;
  };
  std::optional<Error> failure;
  for (const Weight& weight : file.model().weights) {
    auto tensor = tensor_of_weight(file.file(), file.model(), weight, external, limits);
    if (!tensor && !failure) failure = std::move(tensor).error().with(text("tensor '{}'", weight.name));
  }
  return failure && outside.empty() ? Status(std::move(*failure)) : Status();
}

Status acts(const Bundle& given, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const Opened file, opened(given, context.limits));
  judge_operators(file.model(), file.file().name(), findings);
  Told told(findings);
  for (const auto& [key, value] : file.model().properties)
    if (is_evaluated_key(key)) judge_evaluated(value, text("{}#/metadata_props/{}", file.file().name(), key), told);
  return judge_external(file, context.limits, findings);
}

constexpr std::string_view kExtensions[] = {kExtension};

}  // namespace
}  // namespace onnx

extern const Format k_onnx_format;
const Format k_onnx_format = {"onnx",
                              "ONNX models: initializers, constants, signatures, functions, external data",
                              onnx::kExtensions,
                              false,
                              onnx::match,
                              onnx::read,
                              onnx::verify,
                              onnx::acts,
                              onnx::plan};

}  // namespace holdall

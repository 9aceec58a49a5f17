#include "holdall/formats/tflite/tflite.h"

#include <algorithm>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/fault_findings.h"
#include "holdall/formats/tflite/about.h"
#include "holdall/formats/zip_check.h"

namespace holdall {
namespace tflite {
namespace {

constexpr std::uint64_t kZipEnd = 22;  // bytes of an end record without a comment

// Read once for all who ask of a bundle.
Result<std::shared_ptr<const Graph>> opened(const Bundle& bundle, const Limits& limits) {
  static constexpr char kWhose = 0;
  if (const auto kept = bundle.kept(&kWhose)) return std::static_pointer_cast<const Graph>(kept);
  if (bundle.kind() != Bundle::Kind::kFile) return unsupported("a TFLite model is a file").in(bundle.path());
  HOLDALL_ASSIGN(Graph graph, read_graph(Blob(bundle.main()), limits));
  HOLDALL_TRY(check_indices(graph));
  auto made = std::make_shared<const Graph>(std::move(graph));
  bundle.keep(&kWhose, made);
  return made;
}

Match match(Peek& peek) {
  const auto head = peek.head();
  const bool is_own = head.size() >= 8 && as_text(head.subspan(4, 4)) == kIdentifier;
  return is_own ? Match::kCertain : Match::kNo;
}

// Associated files, by the names they have in the archive; a fault in it is a warning.
std::uint64_t add_side_files(const Graph& graph, const SourceRef& file, const Limits& limits, ModelBuilder& builder) {
  builder.side_files.emplace(kGraphFile, graph.file);
  const auto archive = associated_files(file, limits);
  if (!archive) {
    builder.warnings.push_back(text("the associated files are set aside: {}", archive.error().message()));
    return 0;
  }
  if (*archive == nullptr) return 0;
  for (const ZipMember& member : (*archive)->members()) {
    auto blob = (*archive)->blob(member);
    if (blob) {
      builder.side_files.emplace(member.name, std::move(*blob));
    } else {
      builder.warnings.push_back(text("the associated file '{}' is set aside: {}", member.name, blob.error().message()));
    }
  }
  return (*archive)->members().size();
}

std::string detail_of(const Graph& graph, std::uint64_t files) {
  std::string detail = text("schema {}", graph.version);
  if (graph.subgraphs.size() != 1) detail += text(", {} subgraphs", graph.subgraphs.size());
  const bool is_beyond =
      std::any_of(graph.buffers.begin(), graph.buffers.end(), [](const BufferRecord& each) { return each.is_beyond; });
  if (is_beyond) detail += ", buffers beyond the flatbuffer";
  if (files != 0) detail += text(", {} associated file{}", files, files == 1 ? "" : "s");
  return detail;
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const auto graph, opened(bundle, context.limits));
  HOLDALL_ASSIGN(Constants constants, constants_of(*graph, bundle, context.limits));
  ModelBuilder builder;
  builder.warnings = std::move(constants.warnings);
  HOLDALL_ASSIGN(builder.metadata, describe(*builder.arena, *graph, constants, context.limits, builder.warnings));
  const std::uint64_t files = add_side_files(*graph, bundle.main(), context.limits, builder);
  std::vector<std::string> names;
  builder.reserve(constants.all.size());
  for (Constant& each : constants.all) {
    builder.add(std::move(each.tensor), each.file);
    names.push_back(std::move(each.name));
  }
  std::vector<std::string> all = {bundle.names().front()};
  std::uint64_t bytes = graph->file.size();
  for (const std::string& name : constants.files) {
    HOLDALL_ASSIGN(const SourceRef part, bundle.open_part(name));
    bytes += part->size();
    all.push_back(name);
  }
  builder.origin = {"tflite", detail_of(*graph, files), bundle.path(), std::move(all), bytes};
  return std::move(builder).named(std::move(names));
}

// Tensors whose values are said by lists, which reading the model does not go through.
Status verify_tensors(const Graph& graph, const Constants& constants, const Context& context, Faults& faults) {
  for (const Constant& each : constants.all) {
    const TensorRecord& record = graph.subgraphs[each.subgraph].tensors[each.place];
    if (!record.sparsity && record.type != kStringType) continue;
    const auto bytes = each.tensor.read_bytes();
    if (!bytes) faults.add(Error(bytes.error()).with(text("tensor '{}'", each.name)));
    HOLDALL_TRY(context.advance(each.tensor.bytes()));
  }
  for (const std::string& warning : constants.warnings) faults.list.push_back({graph.file.name(), std::nullopt, warning});
  return {};
}

// What the interpreter takes on trust: it goes where these lead.
Status check_model(const Graph& graph, const Bundle& bundle, const Context& context, Faults& faults) {
  check_graph(graph, faults);
  const auto constants = constants_of(graph, bundle, context.limits);
  if (constants) return verify_tensors(graph, *constants, context, faults);
  faults.add(constants.error());
  return {};
}

// The archive's members, and that it has what the metadata name.
Status verify_files(const Graph& graph, const SourceRef& file, const Context& context, Faults& faults) {
  const auto archive = associated_files(file, context.limits);
  if (!archive) faults.add(archive.error());
  const bool is_there = archive && *archive != nullptr;
  if (is_there) HOLDALL_TRY(check_zip_members(**archive, context, faults));
  const auto metadata = named_buffer(graph, kModelMetadata);
  if (!metadata) return {};
  Arena arena;
  std::vector<std::string> named;
  const auto described = describe_model(arena, *metadata, context.limits, &named);
  if (!described) faults.add(described.error());
  std::sort(named.begin(), named.end());
  named.erase(std::unique(named.begin(), named.end()), named.end());
  for (const std::string& name : named) {
    if (is_there && (*archive)->find(name) != nullptr) continue;
    faults.list.push_back({graph.file.name(), metadata->offset(), text("the associated file '{}' is missing", name)});
  }
  return {};
}

Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const auto graph, opened(bundle, context.limits));
  HOLDALL_TRY(check_model(*graph, bundle, context, faults));
  return verify_files(*graph, bundle.main(), context, faults);
}

Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const auto graph, opened(bundle, context.limits));
  judge_operators(*graph, findings);
  for (const std::string& name : graph->external_groups) {
    if (is_contained(name)) continue;
    findings.push_back({Verdict::kMalicious, Rule::kTfliteExternal, graph->file.name(),
                        text("tensors lie in '{}', a file outside the folder", name)});
  }
  Faults faults;
  HOLDALL_TRY(check_model(*graph, bundle, context, faults));
  tell_faults(faults, graph->file.name(), findings);
  return {};
}

}  // namespace

Result<std::shared_ptr<const ZipArchive>> associated_files(const SourceRef& file, const Limits& limits) {
  constexpr std::string_view kSignature = "PK\5\6";
  std::byte end[kSignature.size()];
  if (file->size() < kZipEnd) return std::shared_ptr<const ZipArchive>();
  HOLDALL_TRY(file->read_at(file->size() - kZipEnd, end));
  if (as_text(end) != kSignature) return std::shared_ptr<const ZipArchive>();
  return ZipArchive::open(file, limits, ZipArchive::Before::kAnything);
}

}  // namespace tflite

namespace {
constexpr std::string_view kTfliteExtensions[] = {".tflite"};
}
extern const Format k_tflite_format;
const Format k_tflite_format = {
    "tflite",          "TFLite (LiteRT) models: constants, quantisation, signatures, metadata, associated files",
    kTfliteExtensions, false,
    tflite::match,     tflite::read,
    tflite::verify,    tflite::acts,
    tflite::plan};

}  // namespace holdall

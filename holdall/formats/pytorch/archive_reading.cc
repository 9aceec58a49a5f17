// Reading, verifying and judging the ZIP archives of torch.save.
#include <string>
#include <utility>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/codec/document.h"
#include "holdall/codec/json.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/program_check.h"
#include "holdall/formats/pytorch/archive.h"
#include "holdall/formats/pytorch/reading.h"
#include "holdall/formats/pytorch/storages.h"
#include "holdall/formats/zip_check.h"
#include "holdall/objects/stray.h"

namespace holdall::pytorch {

namespace {

// Metadata and config of a model of another format, which Holdall keeps in a record of its own.
Status read_metadata(const TorchArchive& archive, const Context& context, ModelBuilder& builder) {
  if (!archive.has(kMetadataRecord)) return {};
  HOLDALL_ASSIGN(const Blob blob, archive.record(kMetadataRecord));
  HOLDALL_ASSIGN(const Bytes bytes, blob.read(context.limits.header_bytes));
  Arena& arena = *builder.arena;
  const auto none = [&](std::string_view name) -> Result<std::uint32_t> {
    return corrupt(text("the metadata names a tensor '{}'", name)).in(blob.name());
  };
  auto parsed = parse_json(arena, bytes.text(), {.depth = context.limits.depth});
  if (!parsed) return std::move(parsed).error().in(blob.name());
  auto document = read_document(arena, arena.at(*parsed), none, context.limits.depth);
  if (!document) return std::move(document).error().in(blob.name());
  const Value metadata = arena.at(*document).find("metadata");
  const Value config = arena.at(*document).find("config");
  if (metadata.is(ValueKind::kDict)) builder.metadata = metadata.id();
  if (config) builder.config = config.id();
  return {};
}

// Calls `use` with the id and the record of every storage that the program names and the archive has.
template <class Use>
void for_each_storage(const TorchArchive& archive, const Arena& arena, const PickleProgram& program, const Use& use) {
  for (const PickleCall& call : program.calls) {
    if (call.kind != PickleCallKind::kPersistent) continue;
    const auto id = read_storage_id(persistent_id(arena.at(call.object)));
    if (!id) continue;
    if (const ZipMember* member = archive.zip().find(text("{}/data/{}", archive.prefix(), id->key))) use(*id, *member);
  }
}

// By place among the members.
std::size_t place_of(const TorchArchive& archive, const ZipMember& member) {
  return static_cast<std::size_t>(&member - archive.zip().members().data());
}

// Records that hold more than the pickle claims.
void check_storage_sizes(const TorchArchive& archive, const Arena& arena, const PickleProgram& program, Faults& faults) {
  std::vector<bool> seen(archive.zip().members().size());
  for_each_storage(archive, arena, program, [&](const StorageId& id, const ZipMember& member) {
    if (seen[place_of(archive, member)]) return;
    seen[place_of(archive, member)] = true;
    if (member.size <= id.elements * id.item_bytes) return;
    faults.add(corrupt(text("{} bytes, the pickle claims {}", member.size, id.elements * id.item_bytes))
                   .in(archive.zip().source()->name() + "!" + member.name));
  });
}

// The model of an archive. `faults`, where there are to be any, gets what is wrong with the sizes of its storages.
Result<Model> model_of(const TorchArchive& archive, const Bundle& bundle, const Context& context, Faults* faults) {
  const SourceRef& source = bundle.main();
  ModelBuilder builder;
  HOLDALL_ASSIGN(const SourceRef pickle, archive.program());
  NodeId root = kNoNode;
  int protocol = 0;
  {
    const PickleProgram program = run_pickle(*builder.arena, pickle, 0, {.limits = context.limits});
    if (program.error) return Error(*program.error).in(pickle->name());
    if (faults != nullptr) check_storage_sizes(archive, *builder.arena, program, *faults);
    root = program.root;
    protocol = program.protocol;
  }

  StorageTable storages(archive.byte_order(), [&](const std::string& key, std::uint64_t) -> Result<Blob> {
    auto blob = archive.record("data/" + key);
    if (!blob && blob.error().code() == Code::kNotFound) return std::move(blob).error().as(Code::kCorrupt);
    return blob;
  });
  const std::string file = file_name(bundle);
  builder.reserve(archive.zip().members().size());
  InterpretOptions options;
  options.limits = context.limits;
  options.arrays_say_so = true;
  std::uint64_t tensors = 0;
  options.add = [&](Tensor tensor) {
    ++tensors;
    return builder.add(std::move(tensor), file);
  };
  options.storage = [&](Value id, std::optional<DType> element) { return storages.resolve(id, element); };
  auto meant = interpret(*builder.arena, 0, root, options);
  if (!meant) return std::move(meant).error().in(pickle->name());
  if (tensors > context.limits.tensors) {
    return over_limit(text("{} tensors, {} are allowed", tensors, context.limits.tensors)).in(bundle.path());
  }
  HOLDALL_TRY(read_metadata(archive, context, builder));
  builder.tree = root;
  builder.origin = {"pytorch", archive.detail(protocol), bundle.path(), {file}, source->size(), "pt"};
  if (archive.version() == 0) builder.warnings.push_back("the archive has no version record; torch refuses it");
  if (!archive.zip().has_checksums()) {
    builder.warnings.push_back("the archive was written without checksums: damage in it cannot be seen");
  }
  return std::move(builder).named_by_tree();
}

}  // namespace

Result<Model> read_archive(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const TorchArchive archive, TorchArchive::open(bundle, context.limits));
  return model_of(archive, bundle, context, nullptr);
}

Status verify_archive(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const TorchArchive archive, TorchArchive::open(bundle, context.limits));
  HOLDALL_TRY(check_zip_members(archive.zip(), context, faults));
  if (archive.version() == 0) {
    faults.add(corrupt("there is no version record").in(archive.zip().source()->name()));
  }
  const std::size_t before = faults.list.size();
  const auto model = model_of(archive, bundle, context, &faults);
  // A program that does not match its CRC-32 has been counted already.
  if (!model && before == 0) faults.add(model.error());
  return {};
}

Status judge_archive(const Bundle& bundle, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const TorchArchive archive, TorchArchive::open(bundle, context.limits));
  HOLDALL_ASSIGN(const Blob blob, archive.record("data.pkl"));
  HOLDALL_ASSIGN(const SourceRef pickle, slice_source(blob.source(), blob.offset(), blob.size(), blob.name()));
  Arena arena;
  const PickleProgram program = run_pickle(arena, pickle, 0, {.limits = context.limits});
  judge_program(arena, program, pickle, context, findings);
  if (!program.error && program.end != pickle->size()) {
    findings.push_back({Verdict::kUnreadable, "trailing-bytes", text("{}@{}", pickle->name(), program.end),
                        text("{} bytes stand behind the pickle", pickle->size() - program.end)});
    judge_stray(pickle, program.end, context.limits, findings);
  }
  // Python's own zip reader would refuse a pickle that does not match its CRC-32, torch's would not.
  const auto pass = [](std::uint64_t, std::span<const std::byte>) { return Status(); };
  if (Status whole = for_each_tile(blob, 1u << 20, pass); !whole) {
    findings.push_back({Verdict::kUnreadable, "zip-crc32", pickle->name(), whole.error().message()});
  }
  // What torch does not read may be for another loader.
  std::vector<bool> is_storage(archive.zip().members().size());
  for_each_storage(archive, arena, program,
                   [&](const StorageId&, const ZipMember& member) { is_storage[place_of(archive, member)] = true; });
  for (const ZipMember& member : archive.zip().members()) {
    if (archive.is_known(member.name) || is_storage[place_of(archive, member)] || member.size == 0) continue;
    HOLDALL_ASSIGN(const Blob other, archive.zip().blob(member));
    HOLDALL_ASSIGN(SourceRef part, slice_source(other.source(), other.offset(), other.size(), other.name()));
    HOLDALL_TRY(judge_part(part, context, findings));
  }
  return {};
}

}  // namespace holdall::pytorch

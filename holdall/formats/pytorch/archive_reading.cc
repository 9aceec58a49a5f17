// Reading, verifying and judging the ZIP archives of torch.save.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/codec/document.h"
#include "holdall/codec/json.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/held_programs.h"
#include "holdall/formats/program_check.h"
#include "holdall/formats/pytorch/instantiator.h"
#include "holdall/formats/pytorch/reading.h"
#include "holdall/formats/torch_archive.h"
#include "holdall/formats/torch_storages.h"
#include "holdall/formats/zip_check.h"
#include "holdall/objects/judge.h"
#include "holdall/objects/stray.h"

namespace holdall::pytorch {

namespace {

constexpr std::string_view kProgram = "data.pkl";
constexpr std::string_view kStorages = "data";  // their folder

// An archive of torch.save. Errors: those of TorchArchive::open; unsupported for a TorchScript archive; corrupt for a missing
// data.pkl.
Result<TorchArchive> open_archive(const Bundle& bundle, const Limits& limits) {
  HOLDALL_ASSIGN(TorchArchive archive, TorchArchive::open(bundle, limits));
  if (archive.has("constants.pkl")) {
    return unsupported("a TorchScript archive, which torch.jit.save wrote and no torch.save").in(bundle.main()->name());
  }
  if (!archive.has(kProgram)) {
    return corrupt(text("there is no member '{}/{}'", archive.prefix(), kProgram)).in(bundle.main()->name());
  }
  return archive;
}

// "zip, pickle protocol 2, torch >= 2.1": what the records give away.
std::string detail(const TorchArchive& archive, int pickle_protocol) {
  std::string_view writer = "1.6";
  if (archive.has("byteorder") || archive.has(".data/serialization_id")) writer = "2.1";
  if (archive.has(".format_version")) writer = "2.7";
  std::string detail = text("zip, pickle protocol {}, torch >= {}", pickle_protocol, writer);
  if (archive.byte_order() == ByteOrder::kBig) detail += ", big-endian";
  return detail;
}

// Whether a member is a record that torch reads or that is Holdall's, storages apart: of those torch reads what the pickle
// names.
bool is_known(const TorchArchive& archive, std::string_view member) {
  const std::string_view record = archive.record_of(member);
  return record == kProgram || record == kMetadataRecord || TorchArchive::is_frame(record);
}

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

// Calls `use` with a persistent id that names a storage, and the storage's record, if the archive has it.
template <class Use>
void with_storage(const TorchArchive& archive, Value id, const Use& use) {
  StorageId said;
  if (const ZipMember* member = storage_record(archive, kStorages, id, said)) use(said, *member);
}

// The same for every storage that the program names.
template <class Use>
void for_each_storage(const TorchArchive& archive, const Arena& arena, const PickleProgram& program, const Use& use) {
  for (const PickleCall& call : program.calls) {
    if (call.kind == PickleCallKind::kPersistent) with_storage(archive, persistent_id(arena.at(call.object)), use);
  }
}

// By place among the members.
std::size_t place_of(const TorchArchive& archive, const ZipMember& member) {
  return static_cast<std::size_t>(&member - archive.zip().members().data());
}

enum class Keep : std::uint8_t { kWhatIsNeeded, kAll };

// One reading of an archive.
class Reading {
 public:
  Reading(const TorchArchive& archive, const Bundle& bundle, const Context& context)
      : archive_(archive), bundle_(bundle), context_(context), file_(file_name(bundle)), sizes_(archive) {
    storages_.emplace(archive.byte_order(),
                      [this](const std::string& key, std::uint64_t claimed) { return find(key, claimed); });
    options_.limits = context.limits;
    options_.arrays_say_so = true;
    options_.add = [this](Tensor tensor) {
      ++tensors_;
      return builder_.add(std::move(tensor), file_);
    };
    options_.storage = [this](Value id, std::optional<DType> element) { return storages_->resolve(id, element); };
    builder_.reserve(archive.zip().members().size());
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  // Empty: the program refers to what it should not, all must be kept.
  Result<std::optional<Model>> model(Keep keep) && {
    HOLDALL_ASSIGN(const SourceRef pickle, archive_.program(kProgram));
    NodeId root = kNoNode;
    int protocol = 0;
    {
      PickleOptions how{.limits = context_.limits};
      if (keep == Keep::kWhatIsNeeded) how.settle = EarlyTensors(*builder_.arena, options_);
      const PickleProgram program = run_pickle(*builder_.arena, pickle, 0, how);
      if (program.forgot_too_much) return std::optional<Model>();
      if (program.error) return Error(*program.error).in(pickle->name());
      for_each_storage(archive_, *builder_.arena, program, [&](const StorageId& id, const ZipMember& member) {
        sizes_.check(member, id.elements * id.item_bytes);
      });
      root = program.root;
      protocol = program.protocol;
      if (program.end < pickle->size()) {
        trailing_ = corrupt(text("{} bytes stand behind the end of the pickle", pickle->size() - program.end))
                        .at(program.end)
                        .in(pickle->name());
        builder_.left_out.push_back(trailing_->to_string());
        builder_.warnings.push_back(trailing_->to_string());
      }
    }
    auto meant = interpret(*builder_.arena, 0, root, options_);
    if (!meant) return std::move(meant).error().in(pickle->name());
    if (tensors_ > context_.limits.tensors) {
      return over_limit(text("{} tensors, {} are allowed", tensors_, context_.limits.tensors)).in(bundle_.path());
    }
    HOLDALL_TRY(read_metadata(archive_, context_, builder_));
    builder_.tree = root;
    builder_.origin = {"pytorch", detail(archive_, protocol), bundle_.path(), {file_}, bundle_.main()->size(), "pt"};
    if (archive_.version() == 0) builder_.warnings.push_back("the archive has no version record; torch refuses it");
    if (!archive_.zip().has_checksums()) {
      builder_.warnings.push_back("the archive was written without checksums: damage in it cannot be seen");
    }
    storages_.reset();
    HOLDALL_ASSIGN(Model model, std::move(builder_).named_by_tree());
    return std::optional(std::move(model));
  }

  // What is wrong with it beyond what ended model().
  void report(Faults& faults) const {
    sizes_.report(faults);
    if (trailing_) faults.add(*trailing_);
  }

 private:
  Result<Blob> find(const std::string& key, std::uint64_t claimed) {
    const std::string name = text("{}/data/{}", archive_.prefix(), key);
    const ZipMember* member = archive_.zip().find(name);
    if (member == nullptr) return archive_.zip().blob(name).error().as(Code::kCorrupt);
    sizes_.check(*member, claimed);
    return archive_.zip().blob(*member);
  }

  const TorchArchive& archive_;
  const Bundle& bundle_;
  const Context& context_;
  const SharedText file_;
  StorageSizes sizes_;
  std::optional<Error> trailing_;
  ModelBuilder builder_;
  std::optional<StorageTable> storages_;  // until the tensors are made
  InterpretOptions options_;
  std::uint64_t tensors_ = 0;
};

// The model of an archive. `faults`, where there are to be any, gets what is wrong with the sizes of its storages and behind
// its pickle.
Result<Model> model_of(const TorchArchive& archive, const Bundle& bundle, const Context& context, Faults* faults) {
  for (const Keep keep : {Keep::kWhatIsNeeded, Keep::kAll}) {
    Reading reading(archive, bundle, context);
    auto model = std::move(reading).model(keep);
    if (model && !*model) continue;
    if (faults != nullptr) reading.report(*faults);
    if (!model) return std::move(model).error();
    return *std::move(*model);
  }
  return internal("a program that is kept whole has forgotten something").in(bundle.path());
}

}  // namespace

Result<Model> read_archive(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const TorchArchive archive, open_archive(bundle, context.limits));
  return model_of(archive, bundle, context, nullptr);
}

Status verify_archive(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const TorchArchive archive, open_archive(bundle, context.limits));
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
  HOLDALL_ASSIGN(const TorchArchive archive, open_archive(bundle, context.limits));
  HOLDALL_ASSIGN(const Blob blob, archive.record(kProgram));
  HOLDALL_ASSIGN(const SourceRef pickle, slice_source(blob.source(), blob.offset(), blob.size(), blob.name()));
  std::vector<bool> is_storage(archive.zip().members().size());
  std::vector<const ZipMember*> of_bytes;  // storages
  const auto mark_storage = [&](const StorageId& said, const ZipMember& member) {
    const std::size_t place = place_of(archive, member);
    if (said.dtype == DType::kUInt8 && !is_storage[place]) of_bytes.push_back(&member);
    is_storage[place] = true;
  };
  auto arena = std::make_unique<Arena>();
  PickleOptions options{.limits = context.limits};
  options.settle = HarmlessTensors(*arena, [&](Value id) { with_storage(archive, id, mark_storage); });
  PickleProgram program = run_pickle(*arena, pickle, 0, options);
  if (program.forgot_too_much) {
    arena = std::make_unique<Arena>();
    program = run_pickle(*arena, pickle, 0, {.limits = context.limits});
  }
  judge_program(*arena, program, pickle, context, findings);
  judge_instantiator(*arena, pickle->name(), findings);
  if (!program.error && program.end != pickle->size()) {
    findings.push_back({Verdict::kUnreadable, Rule::kTrailingBytes, text("{}@{}", pickle->name(), program.end),
                        text("{} bytes stand behind the pickle", pickle->size() - program.end)});
    judge_stray(pickle, program.end, context.limits, findings);
  }
  // Python's own zip reader would refuse a pickle that does not match its CRC-32, torch's would not.
  const auto pass = [](std::uint64_t, std::span<const std::byte>) { return Status(); };
  if (Status whole = for_each_tile(blob, 1u << 20, pass); !whole) {
    findings.push_back({Verdict::kUnreadable, Rule::kZipCrc32, pickle->name(), whole.error().message()});
  }
  // What torch does not read may be for another loader.
  for_each_storage(archive, *arena, program, mark_storage);
  for (const ZipMember* member : of_bytes) {
    HOLDALL_ASSIGN(const Blob bytes, archive.zip().blob(*member));
    judge_held(bytes, bytes.name(), context, findings);
  }
  for (const ZipMember& member : archive.zip().members()) {
    if (is_known(archive, member.name) || is_storage[place_of(archive, member)] || member.size == 0) continue;
    HOLDALL_ASSIGN(const Blob other, archive.zip().blob(member));
    HOLDALL_ASSIGN(SourceRef part, slice_source(other.source(), other.offset(), other.size(), other.name()));
    HOLDALL_TRY(judge_part(part, context, findings));
  }
  return {};
}

}  // namespace holdall::pytorch

#include "holdall/formats/torchscript/script_archive.h"

#include <memory>
#include <optional>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/torch_extra_files.h"
#include "holdall/formats/torch_storages.h"
#include "holdall/formats/torchscript/script_values.h"
#include "holdall/objects/interpret.h"

namespace holdall::torchscript {

namespace {

enum class Keep : std::uint8_t { kWhatIsNeeded, kAll };

// One pickle of an archive and the storages in its folder.
class Program {
 public:
  Program(const TorchArchive& archive, const Context& context, std::string_view name)
      : archive_(archive), limits_(context.limits), name_(name), sizes_(archive) {
    table_.emplace(archive.byte_order(), [this](const std::string& key, std::uint64_t bytes) { return find(key, bytes); });
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // What the pickle gives, meaning and all; empty: it refers to what was let go, all must be kept.
  Result<std::optional<NodeId>> run(ModelBuilder& builder, const SharedText& file, Keep keep) {
    Arena& arena = *builder.arena;
    HOLDALL_ASSIGN(const SourceRef pickle, archive_.program(text("{}.pkl", name_)));
    InterpretOptions options;
    options.limits = limits_;
    options.add = [&](Tensor tensor) { return builder.add(std::move(tensor), file); };
    options.storage = [this](Value id, std::optional<DType> element) { return table_->resolve(id, element); };
    PickleOptions how{.limits = limits_};
    if (keep == Keep::kWhatIsNeeded) how.settle = EarlyTensors(arena, options);
    const auto first = static_cast<NodeId>(arena.size());
    const PickleProgram program = run_pickle(arena, pickle, 0, how);
    if (program.forgot_too_much) return std::optional<NodeId>();
    if (program.error) return Error(*program.error).in(pickle->name());
    if (program.end < pickle->size()) {
      trailing_ = corrupt(text("{} bytes stand behind the end of the pickle", pickle->size() - program.end))
                      .at(program.end)
                      .in(pickle->name());
      builder.left_out.push_back(trailing_->to_string());
      builder.warnings.push_back(trailing_->to_string());
    }
    auto meant = interpret(arena, first, program.root, options);
    if (!meant) return std::move(meant).error().in(pickle->name());
    settle_values(arena, first);
    return std::optional(program.root);
  }

  void report(Faults& faults) const {
    sizes_.report(faults);
    if (trailing_) faults.add(*trailing_);
  }

 private:
  // A storage without elements has no bytes that torch would look for.
  Result<Blob> find(const std::string& key, std::uint64_t claimed) {
    const std::string name = text("{}/{}/{}", archive_.prefix(), name_, key);
    const ZipMember* member = archive_.zip().find(name);
    if (member == nullptr && claimed == 0) return Blob::memory({}, name);
    if (member == nullptr) return archive_.zip().blob(name).error().as(Code::kCorrupt);
    sizes_.check(*member, claimed);
    return archive_.zip().blob(*member);
  }

  const TorchArchive& archive_;
  const Limits& limits_;
  std::string name_;
  StorageSizes sizes_;
  std::optional<StorageTable> table_;
  std::optional<Error> trailing_;
};

// Puts the constants beside the module's attributes, under a name that none of those has.
void add_constants(Arena& arena, NodeId root, NodeId constants) {
  const Value tuple = arena.at(constants);
  if (tuple.is(ValueKind::kTuple) && tuple.size() == 0) return;
  const bool is_taken = bool(arena.at(root).find(kConstants));
  arena.set_item(root, is_taken ? "constants.pkl" : kConstants, constants);
}

Result<std::optional<Model>> read_once(const TorchArchive& archive, const Bundle& bundle, const Context& context, Keep keep,
                                       Faults* faults) {
  ModelBuilder builder;
  builder.reserve(archive.zip().members().size());
  const SharedText file(file_name(bundle));
  Program constants(archive, context, kConstants), module(archive, context, kModule);
  const auto root = module.run(builder, file, keep);
  if (faults != nullptr) module.report(*faults);
  if (!root) return root.error();
  if (!*root) return std::optional<Model>();
  if (!builder.arena->at(**root).is(ValueKind::kDict)) {
    return corrupt("the pickle holds no module of TorchScript").in(text("{}!{}/data.pkl", bundle.path(), archive.prefix()));
  }
  if (archive.has("constants.pkl")) {
    const auto tuple = constants.run(builder, file, keep);
    if (faults != nullptr) constants.report(*faults);
    if (!tuple) return tuple.error();
    if (!*tuple) return std::optional<Model>();
    add_constants(*builder.arena, **root, **tuple);
  }
  if (builder.entries().size() > context.limits.tensors) {
    return over_limit(text("{} tensors, {} are allowed", builder.entries().size(), context.limits.tensors)).in(bundle.path());
  }
  builder.tree = **root;
  HOLDALL_ASSIGN(builder.metadata, read_metadata(archive, context, *builder.arena));
  describe(archive, bundle, archive.has(kBytecode) ? "TorchScript for the lite interpreter" : "TorchScript", builder);
  HOLDALL_ASSIGN(Model model, std::move(builder).named_by_tree());
  return std::optional(std::move(model));
}

}  // namespace

bool is_pickle_record(std::string_view record) noexcept { return record.ends_with(".pkl") || record.ends_with(".debug_pkl"); }

Result<Model> read_module(const TorchArchive& archive, const Bundle& bundle, const Context& context, Faults* faults) {
  for (const Keep keep : {Keep::kWhatIsNeeded, Keep::kAll}) {
    Faults found;
    auto model = read_once(archive, bundle, context, keep, faults == nullptr ? nullptr : &found);
    if (model && !*model) continue;
    if (faults != nullptr) faults->list.insert(faults->list.end(), found.list.begin(), found.list.end());
    if (!model) return std::move(model).error();
    return *std::move(*model);
  }
  return internal("a program that is kept whole has forgotten something").in(bundle.path());
}

Result<NodeId> read_metadata(const TorchArchive& archive, const Context& context, Arena& arena) {
  const NodeId metadata = arena.dict();
  HOLDALL_TRY(add_extra_files(archive.zip(), text("{}/{}", archive.prefix(), kExtra), context.limits, arena, metadata));
  std::vector<NodeId> code;
  for (const ZipMember& member : archive.zip().members()) {
    const std::string_view record = archive.record_of(member.name);
    if (record.ends_with(".py")) code.push_back(arena.string(record));
  }
  if (!code.empty()) arena.set_item(metadata, "code", arena.list(code));
  return metadata;
}

void describe(const TorchArchive& archive, const Bundle& bundle, std::string_view kind, ModelBuilder& builder) {
  std::string detail = text("zip, {}", kind);
  if (archive.version() != 0) detail += text(", file version {}", archive.version());
  if (archive.byte_order() == ByteOrder::kBig) detail += ", big-endian";
  builder.origin = {"torchscript", std::move(detail), bundle.path(), {file_name(bundle)}, bundle.main()->size(), "pt"};
  // The program, of which the model has no values.
  builder.side_files.emplace(file_name(bundle), Blob(bundle.main()));
  if (archive.version() == 0) builder.warnings.push_back("the archive has no version record; torch refuses it");
  if (!archive.zip().has_checksums()) {
    builder.warnings.push_back("the archive was written without checksums: damage in it cannot be seen");
  }
}

}  // namespace holdall::torchscript

// Tar files of torch before 0.1.10 (torch/serialization.py, legacy_load in _legacy_load).
//
// The objects of the pickle are told apart by keys: of storages, of views of storages and of tensors, which lie in members of
// their own. Numbers and elements are little-endian whatever sys_info says; torch does not read it.
#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/codec/tar.h"
#include "holdall/formats/program_check.h"
#include "holdall/formats/pytorch/reading.h"
#include "holdall/formats/pytorch/tar_streams.h"
#include "holdall/formats/torch_storages.h"
#include "holdall/objects/stray.h"

namespace holdall::pytorch {

namespace {

constexpr std::string_view kWhat = "a PyTorch tar file from before 0.1.10";
constexpr std::string_view kSystem = "sys_info";
constexpr std::string_view kPickle = "pickle";
constexpr std::string_view kStorages = "storages";
constexpr std::string_view kTensors = "tensors";
constexpr std::array kNeeded = {kStorages, kTensors, kPickle};

bool is_known(std::string_view name) {
  return name == kSystem || std::find(kNeeded.begin(), kNeeded.end(), name) != kNeeded.end();
}

Result<TarArchive> open_tar(const SourceRef& source, const Limits& limits) {
  auto archive = TarArchive::open(source, limits);
  if (!archive) return std::move(archive).error().with(std::string(kWhat));
  return archive;
}

Result<SourceRef> open_needed(const TarArchive& archive, std::string_view name) {
  const TarMember* member = archive.find(name);
  if (member != nullptr) return archive.open_member(*member);
  return corrupt(text("there is no member '{}'", name)).with(std::string(kWhat)).in(archive.source()->name());
}

// Whether the elements of a tensor are within so many of its storage. What is negative is for interpret() to refuse.
bool stays_within(const TarTensor& tensor, std::uint64_t elements) {
  std::optional<std::uint64_t> last = static_cast<std::uint64_t>(std::max<std::int64_t>(tensor.offset, 0));
  for (std::size_t i = 0; i < tensor.sizes.size(); ++i) {
    if (tensor.sizes[i] == 0) return true;
    const auto steps = static_cast<std::uint64_t>(std::max<std::int64_t>(tensor.sizes[i] - 1, 0));
    const auto way = checked_multiply(steps, static_cast<std::uint64_t>(std::max<std::int64_t>(tensor.strides[i], 0)));
    last = last && way ? checked_add(*last, *way) : std::nullopt;
  }
  return last && *last < elements;
}

// What the keys stand for, made in the arena as objects that interpret() knows.
class Objects {
 public:
  explicit Objects(Arena& arena) : arena_(arena), persistent_(arena.global("", "persistent_id")) {}

  Status add(const TarStorage& storage) {
    const NodeId id =
        arena_.tuple({arena_.string("storage"), arena_.global(storage.module, storage.name), arena_.string(storage.key),
                      arena_.string(storage.location), arena_.integer(static_cast<std::int64_t>(storage.elements))});
    storages_.emplace(storage.key, Stored{storage, arena_.at(id)});
    return add(storage.key, {persistent(id), storage.elements});
  }

  Status add(const TarView& view) {
    const auto root = storages_.find(view.root);
    if (root == storages_.end())
      return corrupt(text("the storage '{}' is a view of '{}', which is not there", view.key, view.root));
    std::vector<NodeId> id;
    for (std::size_t i = 0; i < root->second.id.size(); ++i) id.push_back(root->second.id.item(i).id());
    id.push_back(arena_.tuple({arena_.string(view.key), arena_.integer(static_cast<std::int64_t>(view.offset)),
                               arena_.integer(static_cast<std::int64_t>(view.elements))}));
    return add(view.key, {persistent(arena_.tuple(id)), view.elements});
  }

  // The tensor's node is an object until it is interpreted.
  Result<NodeId> add(const TarTensor& tensor) {
    const auto storage = nodes_.find(tensor.storage);
    if (storage == nodes_.end() || !storage->second.elements) {
      return corrupt(text("the tensor '{}' is of the storage '{}', which is not there", tensor.key, tensor.storage));
    }
    if (!stays_within(tensor, *storage->second.elements)) {
      return corrupt(text("the tensor '{}' leaves the {} elements of its storage '{}'", tensor.key, *storage->second.elements,
                          tensor.storage));
    }
    ObjectParts parts;
    parts.callee = arena_.global("torch._utils", "_rebuild_tensor");
    parts.args =
        arena_.tuple({storage->second.node, arena_.integer(tensor.offset), integers(tensor.sizes), integers(tensor.strides)});
    const NodeId node = arena_.object(std::move(parts));
    HOLDALL_TRY(add(tensor.key, {node, std::nullopt}));
    return node;
  }

  // What a persistent id of the object's pickle stands for. A class that persisted with its source stands for itself.
  Result<NodeId> meant_by(Value id) const {
    if (id.is(ValueKind::kTuple)) {
      if (id.size() == 3 && id.item(0).is(ValueKind::kGlobal)) return id.item(0).id();
    } else if (const auto found = nodes_.find(key_text(id)); found != nodes_.end()) {
      return found->second.node;
    }
    return corrupt(text("the persistent id '{}' names no storage, tensor or class of the file", key_text(id)));
  }

  Result<Blob> bytes_of(const SourceRef& storages, const std::string& key) const {
    const auto found = storages_.find(key);
    if (found == storages_.end()) return corrupt(text("the storage '{}' is not in the file", key));
    return Blob::range(storages, found->second.storage.offset, found->second.storage.bytes);
  }

  // Bytes that the keys and what they stand for take beside the arena, about.
  std::uint64_t memory() const noexcept { return (nodes_.size() + storages_.size()) * kPerKey; }

 private:
  struct Stored {
    TarStorage storage;
    Value id;
  };

  struct Made {
    NodeId node = kNoNode;
    std::optional<std::uint64_t> elements;  // of a storage or a view of one; a tensor has none
  };

  Status add(const std::string& key, Made made) {
    if (nodes_.emplace(key, made).second) return {};
    return corrupt(text("two storages or tensors have the key '{}'", key));
  }

  NodeId persistent(NodeId id) {
    ObjectParts parts;
    parts.callee = persistent_;
    parts.args = arena_.tuple({id});
    return arena_.object(std::move(parts));
  }

  NodeId integers(std::span<const std::int64_t> values) {
    std::vector<NodeId> nodes;
    nodes.reserve(values.size());
    for (const std::int64_t value : values) nodes.push_back(arena_.integer(value));
    return arena_.tuple(nodes);
  }

  static constexpr std::uint64_t kPerKey = 320;

  Arena& arena_;
  NodeId persistent_;
  TextMap<Made> nodes_;
  TextMap<Stored> storages_;
};

// One run of a file's members into a model. `leftover`, where it is asked for, gets what stands behind the end of a member.
class Reading {
 public:
  Reading(const TarArchive& archive, const Context& context, const std::string& file)
      : archive_(archive), context_(context), file_(file), objects_(*builder_.arena) {
    options_.limits = context.limits;
    options_.arrays_say_so = true;
    options_.add = [this](Tensor tensor) { return builder_.add(std::move(tensor), file_); };
  }

  Result<Model> model(const std::string& path, Faults* leftover) {
    HOLDALL_TRY(read_storages());
    StorageTable table(ByteOrder::kLittle,
                       [this](const std::string& key, std::uint64_t) { return objects_.bytes_of(storages_, key); });
    options_.storage = [&](Value id, std::optional<DType> element) { return table.resolve(id, element); };
    HOLDALL_TRY(read_tensors());
    HOLDALL_TRY(read_object());
    HOLDALL_TRY(read_system());
    for (Error& error : leftover_) {
      if (leftover == nullptr) {
        builder_.warnings.push_back(error.path() + ": " + error.message());
      } else {
        leftover->add(error);
      }
    }
    const std::string detail = text("tar, pickle protocol {}, torch < 0.1.10{}", protocol_, note_);
    builder_.origin = {"pytorch", detail, path, {file_}, archive_.source()->size(), "pt"};
    return std::move(builder_).named_by_tree();
  }

 private:
  void check_end(const SourceRef& part, std::uint64_t end) {
    if (end == part->size()) return;
    leftover_.push_back(
        corrupt(text("{} bytes stand behind the end of what is read", part->size() - end)).at(end).in(part->name()));
  }

  Status read_storages() {
    HOLDALL_ASSIGN(storages_, open_needed(archive_, kStorages));
    TarStream stream(storages_, context_.limits);
    const auto add = [this](const auto& found) -> Status {
      HOLDALL_TRY(objects_.add(found));
      return check_memory();
    };
    HOLDALL_TRY(stream.storages(add, add));
    check_end(storages_, stream.position());
    return {};
  }

  Status read_tensors() {
    HOLDALL_ASSIGN(const SourceRef part, open_needed(archive_, kTensors));
    TarStream stream(part, context_.limits);
    HOLDALL_TRY(stream.tensors([this](const TarTensor& tensor) -> Status {
      HOLDALL_ASSIGN(const NodeId node, objects_.add(tensor));
      Status meant = interpret(*builder_.arena, node, kNoNode, options_);
      if (!meant) return std::move(meant).error().with(text("tensor '{}'", tensor.key));
      return check_memory();
    }));
    check_end(part, stream.position());
    return {};
  }

  Status check_memory() const {
    const std::uint64_t taken = builder_.arena->memory() + objects_.memory();
    if (taken <= context_.limits.value_bytes) return {};
    return over_limit(text("values take {} bytes, {} are allowed", taken, context_.limits.value_bytes));
  }

  Status read_object() {
    HOLDALL_ASSIGN(const SourceRef part, open_needed(archive_, kPickle));
    Arena& arena = *builder_.arena;
    const auto from = static_cast<NodeId>(arena.size());
    PickleOptions options;
    options.limits = context_.limits;
    options.persistent = [this](Value id) { return objects_.meant_by(id); };
    const PickleProgram program = run_pickle(arena, part, 0, options);
    if (program.error) return Error(*program.error).in(part->name());
    Status meant = interpret(arena, from, program.root, options_);
    if (!meant) return std::move(meant).error().in(part->name());
    builder_.tree = program.root;
    protocol_ = program.protocol;
    check_end(part, program.end);
    return {};
  }

  Status read_system() {
    const TarMember* member = archive_.find(kSystem);
    if (member == nullptr) return {};
    HOLDALL_ASSIGN(const SourceRef part, archive_.open_member(*member));
    Arena arena;
    const PickleProgram program = run_pickle(arena, part, 0, {.limits = context_.limits});
    if (program.error) return Error(*program.error).in(part->name());
    const Value little = arena.at(program.root).find("little_endian");
    if (little.is(ValueKind::kBool) && !little.as_bool()) note_ = ", from a big-endian machine";
    check_end(part, program.end);
    return {};
  }

  const TarArchive& archive_;
  const Context& context_;
  const std::string& file_;
  ModelBuilder builder_;
  Objects objects_;
  InterpretOptions options_;
  SourceRef storages_;
  std::vector<Error> leftover_;
  std::string note_;
  int protocol_ = 0;
};

// Judges the members; what two pickles of a member have in common is said once.
class Judging {
 public:
  Judging(const Context& context, Findings& findings) : context_(context), findings_(findings) {}

  Status member(std::string_view name, const SourceRef& part) {
    if (!is_known(name)) return other(part);
    TarStream stream(part, context_.limits, [&](const Arena& arena, const PickleProgram& program) {
      Findings own;
      judge_program(arena, program, part, context_, own);
      for (Finding& finding : own)
        if (said_.insert(std::string(row(finding.rule).id) + finding.what).second) findings_.push_back(std::move(finding));
    });
    const auto pass = [](const auto&) { return Status(); };
    Status walked;
    if (name == kStorages) {
      walked = stream.storages(pass, pass);
    } else if (name == kTensors) {
      walked = stream.tensors(pass);
    } else {
      walked = stream.only_pickle();
    }
    // A pickle that fails has been judged, and what stands behind it.
    if (stream.failed()) return {};
    if (!walked) {
      unreadable(part, stream.position(), walked.error().message());
    } else if (stream.position() != part->size()) {
      unreadable(part, stream.position(),
                 text("{} bytes stand behind the end of what is read", part->size() - stream.position()));
    }
    return {};
  }

 private:
  Status other(const SourceRef& part) {
    if (part->size() == 0) return {};
    Status judged = context_.acts(Bundle::of(part), findings_);
    if (judged || judged.error().code() != Code::kUnsupported) return judged;
    unreadable(part, 0, judged.error().message());
    return {};
  }

  void unreadable(const SourceRef& part, std::uint64_t at, std::string what) {
    findings_.push_back({Verdict::kUnreadable, Rule::kTrailingBytes, text("{}@{}", part->name(), at), std::move(what)});
    judge_stray(part, at, context_.limits, findings_);
  }

  const Context& context_;
  Findings& findings_;
  std::set<std::string> said_;
};

}  // namespace

bool is_torch_tar(std::span<const std::string> members) noexcept {
  if (members.empty()) return false;
  if (is_known(members.front())) return true;
  return std::all_of(kNeeded.begin(), kNeeded.end(), [&](std::string_view needed) {
    return std::find(members.begin(), members.end(), needed) != members.end();
  });
}

Result<Model> read_tar(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const TarArchive archive, open_tar(bundle.main(), context.limits));
  const std::string file = file_name(bundle);
  return Reading(archive, context, file).model(bundle.path(), nullptr);
}

Status verify_tar(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const TarArchive archive, open_tar(bundle.main(), context.limits));
  const std::string file = file_name(bundle);
  const auto model = Reading(archive, context, file).model(bundle.path(), &faults);
  if (!model) faults.add(model.error());
  return {};
}

Status judge_tar(const Bundle& bundle, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const TarArchive archive, open_tar(bundle.main(), context.limits));
  Judging judging(context, findings);
  for (const TarMember& member : archive.members()) {
    if (member.is_folder) continue;
    HOLDALL_ASSIGN(const SourceRef part, archive.open_member(member));
    HOLDALL_TRY(judging.member(member.name, part));
  }
  for (const std::string_view needed : kNeeded) {
    if (archive.find(needed) != nullptr) continue;
    findings.push_back(
        {Verdict::kUnreadable, Rule::kNotUnderstood, bundle.path(), text("{}: there is no member '{}'", kWhat, needed)});
  }
  return {};
}

}  // namespace holdall::pytorch

#include "holdall/formats/numpy/numpy.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "holdall/base/hash_index.h"
#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/program_check.h"
#include "holdall/formats/zip_check.h"
#include "holdall/objects/interpret.h"
#include "holdall/objects/numpy_arrays.h"
#include "holdall/objects/stray.h"

namespace holdall {
namespace numpy {

bool looks_like_zip(std::span<const std::byte> head) noexcept {
  return as_text(head).starts_with("PK\x03\x04") || as_text(head).starts_with("PK\x05\x06");
}

namespace {

constexpr std::string_view kSuffix = ".npy";

// The elements. A stored CRC-32 of the whole member gives theirs: CRC(header, data) is linear in both.
Result<Blob> elements_of(const Array& array) {
  const std::uint64_t begin = array.offset + array.header.header_bytes;
  HOLDALL_ASSIGN(Blob elements, array.file.slice(begin, array.header.data_bytes));
  if (!array.file.crc32() || begin + array.header.data_bytes != array.file.size()) return elements;
  std::vector<std::byte> before(static_cast<std::size_t>(begin));
  HOLDALL_TRY(array.file.read_at(0, before));
  return elements.with_crc32(*array.file.crc32() ^ crc32_join(crc32(before), 0, array.header.data_bytes));
}

// An array of objects: the pickle behind its header, as inert values. `end` is where the pickle ends in the file.
struct Objects {
  NodeId root = kNoNode;
  std::uint64_t end = 0;
};

PickleProgram run_objects(Arena& arena, const Array& array, const Limits& limits) {
  PickleOptions options;
  options.limits = limits;
  return run_pickle(arena, array.file.source(), array.file.offset() + array.offset + array.header.header_bytes, options);
}

Result<Objects> objects_of(ModelBuilder& builder, const Array& array, const std::string& file, const Limits& limits) {
  const auto first = static_cast<NodeId>(builder.arena->size());
  PickleProgram program = run_objects(*builder.arena, array, limits);
  if (program.error) return *std::move(program.error);
  InterpretOptions options;
  options.limits = limits;
  options.add = [&](Tensor tensor) { return builder.add(std::move(tensor), file); };
  HOLDALL_TRY(interpret(*builder.arena, first, program.root, options));
  return Objects{program.root, program.end - array.file.offset()};
}

Error surplus(const Array& array, std::uint64_t end) {
  return corrupt(text("{} bytes stand behind the array", array.file.size() - end))
      .at(array.file.offset() + end)
      .in(array.file.name());
}

// The arrays of a .npy file: numpy.save may be called several times on one open file.
Result<std::vector<Array>> arrays_of(const SourceRef& source, const Limits& limits) {
  const Blob file(source);
  std::vector<Array> arrays;
  std::uint64_t offset = 0;
  do {
    HOLDALL_ASSIGN(NpyHeader header, read_npy_header(file, offset, limits));
    Array array{std::move(header), file, offset};
    if (arrays.size() >= limits.tensors)
      return over_limit(text("more than {} arrays", limits.tensors)).at(offset).in(source->name());
    offset += array.header.header_bytes + array.header.data_bytes;
    if (array.header.has_objects) {
      Arena scratch;
      const PickleProgram program = run_objects(scratch, array, limits);
      if (program.error) return *program.error;
      offset = program.end;
    }
    arrays.push_back(std::move(array));
  } while (offset < file.size());
  return arrays;
}

std::string describe(const Array& array) { return text("npy {}.0", array.header.version); }

Result<Model> read_npy(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const std::vector<Array> arrays, arrays_of(bundle.main(), context.limits));
  const std::string& file = bundle.names().front();
  ModelBuilder builder;
  builder.origin = {"numpy", describe(arrays.front()), bundle.path(), {file}, bundle.main()->size()};
  if (arrays.size() > 1) builder.origin.detail += text(", {} arrays", arrays.size());
  std::vector<NodeId> nodes;
  for (const Array& array : arrays) {
    if (array.header.has_objects) {
      HOLDALL_ASSIGN(const Objects objects, objects_of(builder, array, file, context.limits));
      nodes.push_back(objects.root);
    } else {
      HOLDALL_ASSIGN(Tensor tensor, tensor_of(array));
      nodes.push_back(builder.arena->tensor({.index = builder.add(std::move(tensor), file)}));
    }
  }
  builder.metadata = builder.arena->dict();
  builder.tree = nodes.size() == 1 ? nodes.front() : builder.arena->list(std::move(nodes));
  return std::move(builder).named_by_tree();
}

bool is_plain(const Member& member) { return member.array && !member.array->header.has_objects; }

std::string describe(const ZipArchive& zip, std::string_view tree) {
  const auto& zipped = zip.members();
  const bool deflated = std::any_of(zipped.begin(), zipped.end(), [](const ZipMember& member) { return member.method == 8; });
  return text("npz, {}{}", deflated ? "deflated" : "stored", tree.empty() ? "" : ", with holdall.tree");
}

// A model of an archive's members, as they come. Arrays of objects and members that are no arrays have their place in the tree
// alone: with the first of them the plain arrays before it are put there too.
class ArchiveModel {
 public:
  ArchiveModel(const std::string& file, const Limits& limits) : file_(file), where_(file), limits_(limits) {}

  Status add(Member member) {
    if (builder.tree == kNoNode && is_plain(member)) {
      HOLDALL_ASSIGN(Tensor tensor, tensor_of(*member.array));
      stored_.push_back({std::move(member.name), std::move(tensor), 0, where_});
      return {};
    }
    if (builder.tree == kNoNode) {
      builder.tree = builder.arena->dict();
      for (StoredTensor& stored : stored_) add_tensor(stored.name, std::move(stored.tensor));
      stored_ = {};
    }
    if (!member.array) {
      builder.arena->set_item(builder.tree, member.name, builder.arena->bytes(member.blob));
    } else if (member.array->header.has_objects) {
      HOLDALL_ASSIGN(const Objects objects, objects_of(builder, *member.array, file_, limits_));
      if (objects.end != member.blob.size()) return surplus(*member.array, objects.end);
      builder.arena->set_item(builder.tree, member.name, objects.root);
    } else {
      HOLDALL_ASSIGN(Tensor tensor, tensor_of(*member.array));
      add_tensor(member.name, std::move(tensor));
    }
    return {};
  }

  Result<Model> finish(const std::string& tree) && {
    if (builder.tree == kNoNode) return restore_tree(std::move(builder), std::move(stored_), tree, limits_);
    if (!tree.empty()) {
      builder.warnings.push_back(text("{} is not used: the archive holds more than plain arrays", kTreeKey));
    }
    return std::move(builder).named_by_tree();
  }

  ModelBuilder builder;

 private:
  void add_tensor(std::string_view name, Tensor tensor) {
    const std::uint32_t index = builder.add(std::move(tensor), where_);
    builder.arena->set_item(builder.tree, name, builder.arena->tensor({.index = index}));
  }

  const std::string& file_;
  const SharedText where_;
  const Limits& limits_;
  std::vector<StoredTensor> stored_;
};

Result<Model> read_npz(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const auto zip, ZipArchive::open(bundle, context.limits));
  const std::string& file = bundle.names().front();
  ArchiveModel model(file, context.limits);
  model.builder.metadata = model.builder.arena->dict();
  HOLDALL_ASSIGN(const std::string tree,
                 for_each_member(*zip, context.limits, [&](Member member) { return model.add(std::move(member)); }));
  model.builder.origin = {"numpy", describe(*zip, tree), bundle.path(), {file}, bundle.main()->size()};
  return std::move(model).finish(tree);
}

Match match(Peek& peek) {
  if (peek.is_folder()) return Match::kNo;
  if (looks_like_npy(peek.head())) return Match::kCertain;
  if (!looks_like_zip(peek.head())) return Match::kNo;
  const auto& members = peek.zip_members();
  // np.savez of nothing; any other tool's empty archive looks the same.
  if (members.empty()) return as_text(peek.head()).starts_with("PK\x05\x06") ? Match::kMaybe : Match::kNo;
  const auto is_ours = [](std::string_view name) { return name.ends_with(kSuffix) || name == kTreeKey; };
  if (std::all_of(members.begin(), members.end(), is_ours)) return Match::kCertain;
  return std::any_of(members.begin(), members.end(), is_ours) ? Match::kLikely : Match::kNo;
}

bool is_npy(const Bundle& bundle, const Limits& limits) {
  Peek peek(bundle, limits);
  return looks_like_npy(peek.head());
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  return is_npy(bundle, context.limits) ? read_npy(bundle, context) : read_npz(bundle, context);
}

// What reading does not see: the CRC-32 of every member, and the ends of pickles.
Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  if (is_npy(bundle, context.limits)) {
    HOLDALL_TRY(read_npy(bundle, context));
    return {};
  }
  HOLDALL_ASSIGN(const auto zip, ZipArchive::open(bundle, context.limits));
  HOLDALL_TRY(check_zip_members(*zip, context, faults));
  if (!faults.list.empty()) return {};
  if (auto model = read_npz(bundle, context); !model) {
    faults.add(model.error());
    return {};
  }
  if (zip->find(kTreeKey) == nullptr) return {};
  std::vector<StoredTensor> stored;
  bool are_plain = true;
  HOLDALL_ASSIGN(const std::string tree, for_each_member(*zip, context.limits, [&](Member member) -> Status {
                   are_plain = are_plain && is_plain(member);
                   if (!are_plain) return {};
                   HOLDALL_ASSIGN(Tensor tensor, tensor_of(*member.array));
                   stored.push_back({std::move(member.name), std::move(tensor), 0, {}});
                   return {};
                 }));
  if (are_plain) verify_tree(stored, tree, context, faults);
  return {};
}

// An object array of an archive, and what stands behind it in its member.
void judge_objects(const Array& array, const Context& context, Findings& findings) {
  Arena arena;
  const SourceRef& source = array.file.source();
  const PickleProgram program = run_objects(arena, array, context.limits);
  judge_program(arena, program, source, context, findings);
  const std::uint64_t end = array.file.offset() + array.file.size();
  if (program.error || program.end >= end) return;
  findings.push_back({Verdict::kUnreadable, Rule::kTrailingBytes, text("{}@{}", array.file.name(), program.end),
                      text("{} bytes stand behind the pickle", end - program.end)});
  judge_stray(source, program.end, context.limits, findings);
}

// np.load runs the pickles of object arrays when it is told allow_pickle=True, and nothing else.
Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  if (is_npy(bundle, context.limits)) {
    const Blob file(bundle.main());
    std::uint64_t offset = 0;
    do {
      HOLDALL_ASSIGN(NpyHeader header, read_npy_header(file, offset, context.limits));
      const Array array{std::move(header), file, offset};
      offset += array.header.header_bytes + array.header.data_bytes;
      if (!array.header.has_objects) continue;
      Arena arena;
      const PickleProgram program = run_objects(arena, array, context.limits);
      judge_program(arena, program, file.source(), context, findings);
      if (program.error) return {};
      offset = program.end;
    } while (offset < file.size());
    return {};
  }
  HOLDALL_ASSIGN(const auto zip, ZipArchive::open(bundle, context.limits));
  HOLDALL_TRY(for_each_member(*zip, context.limits, [&](const Member& member) -> Status {
    if (member.array && member.array->header.has_objects) judge_objects(*member.array, context, findings);
    // np.load gives its bytes; whoever loads those further is told what they are.
    if (!member.array) return judge_part(member.blob.source(), context, findings);
    return {};
  }));
  // Python knows nothing of Holdall's tree: what is an array by its first bytes is one to it.
  for (const ZipMember& zipped : zip->members()) {
    if (zipped.name != kTreeKey) continue;
    HOLDALL_ASSIGN(const Blob blob, zip->blob(zipped));
    HOLDALL_ASSIGN(SourceRef part, slice_source(blob.source(), blob.offset(), blob.size(), blob.name()));
    HOLDALL_TRY(judge_part(part, context, findings));
  }
  return {};
}

constexpr std::string_view kExtensions[] = {".npz", ".npy"};

}  // namespace

Result<Tensor> tensor_of(const Array& array) {
  HOLDALL_ASSIGN(Blob data, elements_of(array));
  const NumpyOrder order = array.header.fortran_order ? NumpyOrder::kFortran : NumpyOrder::kC;
  return numpy_tensor(array.header.type, array.header.shape, order, std::move(data));
}

namespace {

// As np.load shows it.
std::string_view shown_name(const ZipMember& member) noexcept {
  std::string_view name = member.name;
  if (name.ends_with(kSuffix)) name.remove_suffix(kSuffix.size());
  return name;
}

Result<Member> open_member(const ZipArchive& zip, const ZipMember& zipped, const Limits& limits) {
  HOLDALL_ASSIGN(Blob blob, zip.blob(zipped));
  Member member{std::string(shown_name(zipped)), std::move(blob), {}};
  if (!std::string_view(zipped.name).ends_with(kSuffix)) return member;
  std::vector<std::byte> head(static_cast<std::size_t>(std::min<std::uint64_t>(member.blob.size(), 6)));
  HOLDALL_TRY(member.blob.read_at(0, head));
  if (!looks_like_npy(head)) return member;
  HOLDALL_ASSIGN(NpyHeader header, read_npy_header(member.blob, 0, limits));
  member.array = Array{std::move(header), member.blob, 0};
  const std::uint64_t end = member.array->header.header_bytes + member.array->header.data_bytes;
  if (!member.array->header.has_objects && end != member.blob.size()) return surplus(*member.array, end);
  return member;
}

}  // namespace

Result<std::string> for_each_member(const ZipArchive& zip, const Limits& limits,
                                    const std::function<Status(Member member)>& use) {
  std::string tree;
  const auto& members = zip.members();
  const auto name_of = [&](std::uint32_t i) { return shown_name(members[i]); };
  const auto hash_of = [&](std::uint32_t i) { return keyed_hash(name_of(i)); };
  HashIndex shown;
  for (std::uint32_t i = 0; i < members.size(); ++i) {
    const ZipMember& zipped = members[i];
    if (zipped.name.ends_with('/')) continue;
    if (zipped.name == kTreeKey) {
      HOLDALL_ASSIGN(const Blob blob, zip.blob(zipped));
      HOLDALL_ASSIGN(const Bytes json, blob.read(limits.header_bytes));
      tree = json.text();
      continue;
    }
    HOLDALL_ASSIGN(Member member, open_member(zip, zipped, limits));
    if (shown.find(hash_of(i), [&](std::uint32_t j) { return name_of(j) == name_of(i); }) != HashIndex::kNone) {
      return corrupt(text("two members are shown as '{}'", member.name)).at(zipped.header_offset).in(zip.source()->name());
    }
    shown.add(hash_of(i), i, hash_of);
    HOLDALL_TRY(use(std::move(member)));
  }
  return tree;
}

}  // namespace numpy

extern const Format k_numpy_format;
const Format k_numpy_format = {
    "numpy",    "NumPy's .npy and .npz files", numpy::kExtensions, false, numpy::match, numpy::read, numpy::verify, numpy::acts,
    numpy::plan};

}  // namespace holdall

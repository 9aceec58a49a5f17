#include "holdall/formats/numpy/numpy.h"

#include <algorithm>
#include <set>
#include <utility>

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

// The elements as a blob of their own. A stored CRC-32 of the whole member gives theirs: CRC(header, data) is linear in both.
Result<Blob> elements_of(const Array& array) {
  const std::uint64_t begin = array.offset + array.header.header_bytes;
  if (!array.file.crc32() || begin + array.header.data_bytes != array.file.size()) {
    return array.file.slice(begin, array.header.data_bytes);
  }
  std::vector<std::byte> before(static_cast<std::size_t>(begin));
  HOLDALL_TRY(array.file.read_at(0, before));
  const std::uint32_t crc = *array.file.crc32() ^ crc32_join(crc32(before), 0, array.header.data_bytes);
  HOLDALL_ASSIGN(SourceRef data,
                 slice_source(array.file.source(), array.file.offset() + begin, array.header.data_bytes, array.file.name()));
  return Blob(std::move(data), crc);
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

std::string describe(const Archive& archive) {
  const auto& zipped = archive.zip->members();
  const bool deflated = std::any_of(zipped.begin(), zipped.end(), [](const ZipMember& member) { return member.method == 8; });
  return text("npz, {}{}", deflated ? "deflated" : "stored", archive.tree.empty() ? "" : ", with holdall.tree");
}

// Arrays of objects and members that are no arrays have their place in the tree alone.
Result<Model> read_mixed(ModelBuilder builder, const Archive& archive, const std::string& file, const Limits& limits) {
  if (!archive.tree.empty()) {
    builder.warnings.push_back(text("{} is not used: the archive holds more than plain arrays", kTreeKey));
  }
  builder.tree = builder.arena->dict();
  for (const Member& member : archive.members) {
    NodeId node = kNoNode;
    if (!member.array) {
      node = builder.arena->bytes(member.blob);
    } else if (member.array->header.has_objects) {
      HOLDALL_ASSIGN(const Objects objects, objects_of(builder, *member.array, file, limits));
      if (objects.end != member.blob.size()) return surplus(*member.array, objects.end);
      node = objects.root;
    } else {
      HOLDALL_ASSIGN(Tensor tensor, tensor_of(*member.array));
      node = builder.arena->tensor({.index = builder.add(std::move(tensor), file)});
    }
    builder.arena->set_item(builder.tree, member.name, node);
  }
  return std::move(builder).named_by_tree();
}

Result<std::vector<StoredTensor>> stored_tensors(const Archive& archive, const std::string& file) {
  std::vector<StoredTensor> stored;
  stored.reserve(archive.members.size());
  const SharedText where(file);
  for (const Member& member : archive.members) {
    if (!is_plain(member)) continue;
    HOLDALL_ASSIGN(Tensor tensor, tensor_of(*member.array));
    stored.push_back({member.name, std::move(tensor), 0, where});
  }
  return stored;
}

Result<Model> read_npz(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const Archive archive, open_archive(bundle, context.limits));
  const std::string& file = bundle.names().front();
  ModelBuilder builder;
  builder.origin = {"numpy", describe(archive), bundle.path(), {file}, bundle.main()->size()};
  builder.metadata = builder.arena->dict();
  if (!std::all_of(archive.members.begin(), archive.members.end(), is_plain)) {
    return read_mixed(std::move(builder), archive, file, context.limits);
  }
  HOLDALL_ASSIGN(std::vector<StoredTensor> stored, stored_tensors(archive, file));
  return restore_tree(std::move(builder), std::move(stored), archive.tree, context.limits);
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
  HOLDALL_ASSIGN(const Archive archive, open_archive(bundle, context.limits));
  auto model = read_npz(bundle, context);
  if (!model) {
    faults.add(model.error());
    return {};
  }
  if (std::all_of(archive.members.begin(), archive.members.end(), is_plain)) {
    HOLDALL_ASSIGN(const std::vector<StoredTensor> stored, stored_tensors(archive, bundle.names().front()));
    verify_tree(stored, archive.tree, context, faults);
  }
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
  findings.push_back({Verdict::kUnreadable, "trailing-bytes", text("{}@{}", array.file.name(), program.end),
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
  HOLDALL_ASSIGN(const Archive archive, open_archive(bundle, context.limits));
  for (const Member& member : archive.members) {
    if (member.array && member.array->header.has_objects) {
      judge_objects(*member.array, context, findings);
    } else if (!member.array) {
      // np.load gives its bytes; whoever loads those further is told what they are.
      HOLDALL_TRY(judge_part(member.blob.source(), context, findings));
    }
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

Result<Archive> open_archive(const Bundle& bundle, const Limits& limits) {
  Archive archive;
  HOLDALL_ASSIGN(archive.zip, ZipArchive::open(bundle, limits));
  std::set<std::string> names;
  for (const ZipMember& zipped : archive.zip->members()) {
    if (zipped.name.ends_with('/')) continue;
    HOLDALL_ASSIGN(Blob blob, archive.zip->blob(zipped));
    if (zipped.name == kTreeKey) {
      HOLDALL_ASSIGN(const Bytes json, blob.read(limits.header_bytes));
      archive.tree = json.text();
      continue;
    }
    const bool is_named_array = zipped.name.ends_with(kSuffix);
    Member member{is_named_array ? zipped.name.substr(0, zipped.name.size() - kSuffix.size()) : zipped.name, blob, {}};
    std::vector<std::byte> head(static_cast<std::size_t>(std::min<std::uint64_t>(blob.size(), 6)));
    if (is_named_array) {
      HOLDALL_TRY(blob.read_at(0, head));
    }
    if (is_named_array && looks_like_npy(head)) {
      HOLDALL_ASSIGN(NpyHeader header, read_npy_header(blob, 0, limits));
      member.array = Array{std::move(header), blob, 0};
      const std::uint64_t end = member.array->header.header_bytes + member.array->header.data_bytes;
      if (!member.array->header.has_objects && end != blob.size()) return surplus(*member.array, end);
    }
    if (!names.insert(member.name).second) {
      return corrupt(text("two members are shown as '{}'", member.name)).at(zipped.header_offset).in(bundle.main()->name());
    }
    archive.members.push_back(std::move(member));
  }
  return archive;
}

}  // namespace numpy

extern const Format k_numpy_format;
const Format k_numpy_format = {
    "numpy",    "NumPy's .npy and .npz files", numpy::kExtensions, false, numpy::match, numpy::read, numpy::verify, numpy::acts,
    numpy::plan};

}  // namespace holdall

#include "holdall/formats/safetensors/safetensors.h"

#include <algorithm>
#include <utility>

#include "holdall/base/endian.h"
#include "holdall/base/printable.h"
#include "holdall/base/text.h"
#include "holdall/formats/git_lfs.h"
#include "holdall/formats/held_programs.h"

namespace holdall {
namespace safetensors {

Result<Loaded> load(const SourceRef& source, const std::string& file, const Limits& limits) {
  HOLDALL_ASSIGN(const std::string pointer, lfs_pointer(*source));
  if (!pointer.empty()) return not_found(text("this is {}", pointer)).in(source->name());
  HOLDALL_ASSIGN(Header header, read_header(source, SharedText(file), limits));
  Loaded loaded;
  loaded.bytes = source->size();
  loaded.tensors = std::move(header.tensors);
  for (auto& [key, value] : header.metadata) {
    if (key == kTreeKey || (loaded.tree.empty() && looks_like_tree(value))) {
      loaded.tree = std::move(value);
      loaded.tree_key = std::move(key);
    } else {
      loaded.metadata.emplace_back(std::move(key), std::move(value));
    }
  }
  return loaded;
}

NodeId metadata_of(const Loaded& loaded, Arena& arena) {
  const NodeId metadata = arena.dict();
  for (const auto& [key, value] : loaded.metadata) arena.set_item(metadata, key, arena.string(value));
  return metadata;
}

namespace {

Match match(Peek& peek) {
  if (peek.is_folder()) return Match::kNo;
  const auto head = peek.head();
  if (looks_like_index(head)) return Match::kCertain;
  if (head.size() < 10 || head[8] != std::byte{'{'}) return Match::kNo;
  // A header starts with a key, is empty, or (never seen, but allowed) has white space in it.
  const std::string_view next = as_text(head.subspan(9, 1));
  if (std::string_view("\"} \n\t\r").find(next) == std::string_view::npos) return Match::kNo;
  const auto length = load_le<std::uint64_t>(head.data());
  if (length >= 2 && length <= kMostHeader) return Match::kCertain;
  const bool is_text = std::all_of(head.begin(), head.begin() + 8, [](std::byte b) {
    return (b >= std::byte{' '} && b < std::byte{0x7f}) || b == std::byte{'\n'} || b == std::byte{'\r'} || b == std::byte{'\t'};
  });
  return is_text ? Match::kMaybe : Match::kLikely;  // {"data":{"…
}

// What is wrong with the key that holdall.tree stands under; empty when nothing is.
std::string odd_key(const Loaded& loaded) {
  if (loaded.tree.empty() || loaded.tree_key == kTreeKey) return {};
  return text("'{}' in '__metadata__' holds what only '{}' does", loaded.tree_key, kTreeKey);
}

// The file to open of a folder of shards, which this format writes; a file is itself.
Result<Bundle> file_of(const Bundle& bundle) {
  if (bundle.kind() == Bundle::Kind::kFile) return bundle;
  for (const char* name : {"model.safetensors.index.json", "model.safetensors"})
    if (bundle.has(name)) return bundle.part(name);
  return unsupported("the folder holds no model.safetensors").in(bundle.path());
}

Result<Model> read(const Bundle& given, const Context& context) {
  HOLDALL_ASSIGN(const Bundle bundle, file_of(given));
  Peek peek(bundle, context.limits);
  if (looks_like_index(peek.head())) return read_index(bundle, context);
  const std::string& file = bundle.names().front();
  HOLDALL_ASSIGN(Loaded loaded, load(bundle.main(), file, context.limits));
  ModelBuilder builder;
  builder.metadata = metadata_of(loaded, *builder.arena);
  if (const std::string odd = odd_key(loaded); !odd.empty()) builder.warnings.push_back(odd);
  builder.origin = {"safetensors", loaded.tree.empty() ? "" : "with holdall.tree", bundle.path(), {file}, loaded.bytes};
  return restore_tree(std::move(builder), std::move(loaded.tensors), loaded.tree, context.limits);
}

Status verify(const Bundle& given, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const Bundle bundle, file_of(given));
  Peek peek(bundle, context.limits);
  if (looks_like_index(peek.head())) return verify_index(bundle, context, faults);
  HOLDALL_ASSIGN(const Loaded loaded, load(bundle.main(), bundle.names().front(), context.limits));
  if (const std::string odd = odd_key(loaded); !odd.empty()) faults.list.push_back({bundle.path(), std::nullopt, odd});
  verify_tree(loaded.tensors, loaded.tree, context, faults);
  return {};
}

// Nothing in a safetensors file is ever run, but objects that a tensor of bytes holds; what cannot be read to the last byte is
// an error.
Status acts(const Bundle& given, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const Bundle bundle, file_of(given));
  Peek peek(bundle, context.limits);
  if (looks_like_index(peek.head())) {
    auto model = read_index(bundle, context);
    return model ? Status() : Status(std::move(model).error());
  }
  auto loaded = load(bundle.main(), bundle.names().front(), context.limits);
  if (!loaded) return std::move(loaded).error();
  for (const StoredTensor& stored : loaded->tensors) {
    if (stored.tensor.dtype() != DType::kUInt8) continue;
    HOLDALL_ASSIGN(const Blob bytes, stored.tensor.data());
    judge_held(bytes, text("{}#{}", bundle.path(), printable(stored.name)), context, findings);
  }
  return {};
}

constexpr std::string_view kExtensions[] = {".safetensors"};

}  // namespace
}  // namespace safetensors

extern const Format k_safetensors_format;
const Format k_safetensors_format = {"safetensors",
                                     "safetensors files and shards with their index",
                                     safetensors::kExtensions,
                                     false,
                                     safetensors::match,
                                     safetensors::read,
                                     safetensors::verify,
                                     safetensors::acts,
                                     safetensors::plan};

}  // namespace holdall

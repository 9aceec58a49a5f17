// Flax's MessagePack files: nested dicts of arrays. See README.md.
#include "holdall/formats/flax/flax.h"

#include <utility>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/formats/git_lfs.h"
#include "holdall/formats/held_programs.h"
#include "holdall/formats/tree_metadata.h"

namespace holdall {
namespace flax {
namespace {

using Kind = MsgpackItem::Kind;

// So many items are looked at for the first array.
constexpr std::size_t kGuessItems = 100'000;

// An array's head within an extension: a list of three whose first is a list.
bool is_array_head(const MsgpackReader& reader, const MsgpackItem& item) {
  if (item.extension != kArray && item.extension != kScalar) return false;
  auto inner = reader.within(item);
  if (!inner || inner->at_end()) return false;
  const auto whole = inner->next();
  if (!whole || !whole->is(Kind::kArray) || whole->size != 3 || inner->at_end()) return false;
  const auto shape = inner->next();
  return shape && shape->is(Kind::kArray);
}

Match match(Peek& peek) {
  // One byte is an empty dict, and as much the beginning of a pickle.
  if (peek.is_folder() || peek.size() < 2) return Match::kNo;
  if (looks_like_index(peek.head())) return Match::kCertain;
  MsgpackReader reader{Blob(peek.bundle().main())};
  std::vector<std::uint64_t> left;  // items still to come in the open containers
  for (std::size_t i = 0; i < kGuessItems; ++i) {
    if (reader.at_end()) return Match::kNo;
    const auto item = reader.next();
    if (!item || left.size() > peek.limits().depth) return Match::kNo;
    const bool is_container = item->is(Kind::kArray) || item->is(Kind::kMap);
    if (i == 0 && !is_container && !item->is(Kind::kExtension)) return Match::kNo;
    if (item->is(Kind::kExtension) && is_array_head(reader, *item)) return Match::kCertain;
    if (!left.empty()) --left.back();
    if (is_container) left.push_back(item->is(Kind::kMap) ? 2 * item->size : item->size);
    while (!left.empty() && left.back() == 0) left.pop_back();
    if (left.empty()) return reader.at_end() ? Match::kLikely : Match::kNo;
  }
  return Match::kMaybe;
}

std::string file_name(const Bundle& bundle) {
  if (!bundle.names().empty()) return bundle.names().front();
  return bundle.path().substr(bundle.path().rfind('/') + 1);
}

// What a file holds: its tree, named, and the text of holdall.tree where that was taken out of it.
struct Contents {
  Model model;
  std::vector<StoredTensor> stored;  // without holdall.tree
  std::string tree;
};

Result<std::string> tree_text(const Model& model, Value kept, const Limits& limits) {
  if (kept.is(ValueKind::kString)) return std::string(kept.as_string());
  if (!kept.is(ValueKind::kTensor)) return std::string();
  HOLDALL_ASSIGN(const Tensor tensor, model.tensor(kept));
  if (tensor.dtype() != DType::kUInt8 || tensor.bytes() > limits.header_bytes) return std::string();
  HOLDALL_ASSIGN(const Bytes bytes, tensor.read_bytes());
  return std::string(bytes.text());
}

Result<Contents> contents(const Bundle& bundle, const Context& context) {
  const SourceRef& source = bundle.main();
  HOLDALL_ASSIGN(const std::string pointer, lfs_pointer(*source));
  if (!pointer.empty()) return not_found(text("this is {}", pointer)).in(source->name());
  ModelBuilder builder;
  const std::string file = file_name(bundle);
  builder.origin = {"flax", "msgpack", bundle.path(), {file}, source->size(), "flax"};
  Peek peek(bundle, context.limits);
  if (looks_like_index(peek.head())) {
    HOLDALL_ASSIGN(builder.tree, read_index(bundle, context, builder));
  } else {
    HOLDALL_ASSIGN(builder.tree, Tree(builder, context.limits).read(source, file));
  }
  Contents found;
  HOLDALL_ASSIGN(found.model, std::move(builder).named_by_tree());
  const Value kept = found.model.tree().find(kTreeKey);
  HOLDALL_ASSIGN(found.tree, tree_text(found.model, kept, context.limits));
  if (!looks_like_tree(found.tree)) found.tree.clear();
  if (found.tree.empty()) return found;
  for (const NamedTensor& entry : found.model.tensors())
    if (!kept.is(ValueKind::kTensor) || entry.index != kept.as_tensor().index) found.stored.push_back(entry);
  return found;
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(Contents found, contents(bundle, context));
  if (found.tree.empty()) return std::move(found.model);
  ModelBuilder builder;
  builder.origin = found.model.origin();
  builder.origin.detail = "msgpack, with holdall.tree";
  builder.origin.framework.clear();  // what the text says
  builder.warnings = found.model.warnings();
  builder.left_out = found.model.left_out();
  return restore_tree(std::move(builder), std::move(found.stored), found.tree, context.limits);
}

// Reading checks all of the structure; arrays have no checksums but in holdall.tree.
Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const Contents found, contents(bundle, context));
  if (!found.tree.empty()) {
    verify_tree(found.stored, found.tree, context, faults);
  } else if (found.model.tree().find(kTreeKey)) {
    faults.list.push_back({bundle.path(), std::nullopt, text("'{}' holds what it cannot", kTreeKey)});
  }
  return {};
}

// msgpack_restore() makes arrays by numpy.frombuffer(), numbers and texts, and calls nothing that the file names. msgpack-numpy
// unpickles what it has of arrays of objects: {b"nd": true, b"kind": b"O", b"data": …}.
Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  const auto found = contents(bundle, context);
  if (!found) return found.error();
  judge_held(found->model.arena(), bundle.path(), context, findings);
  return {};
}

constexpr std::string_view kExtensions[] = {".msgpack"};

}  // namespace
}  // namespace flax

extern const Format k_flax_format;
constinit const Format k_flax_format = {
    .id = "flax",
    .title = "Flax's msgpack: nested dicts of arrays, chunked ones, shards with their index",
    .extensions = flax::kExtensions,
    .folder = false,
    .match = flax::match,
    .read = flax::read,
    .verify = flax::verify,
    .acts = flax::acts,
    .plan = flax::plan,
};

}  // namespace holdall

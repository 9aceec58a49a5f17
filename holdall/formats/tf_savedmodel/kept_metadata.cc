#include <algorithm>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/document.h"
#include "holdall/formats/tf_savedmodel/tf_savedmodel.h"

namespace holdall::tf_savedmodel {
namespace {

// What the reader tells of graph and checkpoint.
constexpr std::string_view kOwn[] = {"object_graph", "variables", "meta_graphs", "fingerprint"};

bool is_own(Value key) {
  return key.is(ValueKind::kString) && std::find(std::begin(kOwn), std::end(kOwn), key.as_string()) != std::end(kOwn);
}

}  // namespace

Result<std::string> metadata_text(const Model& model) {
  const std::shared_ptr<Arena> arena = model.arena().clone();
  const Value metadata = model.metadata();
  const NodeId kept = arena->dict();
  for (std::size_t i = 0; metadata.is(ValueKind::kDict) && i < metadata.size(); ++i) {
    if (!is_own(metadata.key(i))) arena->set_item(kept, metadata.key(i).id(), metadata.mapped(i).id());
  }
  if (arena->at(kept).size() == 0) return std::string();
  JsonWriter json;
  json.begin_object().key("version").integer(1).key("metadata");
  const auto name_of = [&](std::uint32_t index) -> std::string_view {
    for (const NamedTensor& entry : model.tensors())
      if (entry.index == index) return entry.name;
    return {};
  };
  HOLDALL_TRY(write_document(json, arena->at(kept), name_of));
  json.end_object();
  return std::move(json).take();
}

Status add_metadata(const Blob& file, Arena& arena, NodeId metadata, const Limits& limits) {
  if (file.size() > limits.header_bytes)
    return over_limit(text("it has {} bytes, {} are allowed", file.size(), limits.header_bytes));
  HOLDALL_ASSIGN(const Bytes bytes, file.read());
  JsonOptions options;
  options.depth = kDocumentLevels * limits.depth + 8;
  options.surrogates = JsonOptions::Surrogates::kBytes;
  options.value_bytes = limits.value_bytes;
  HOLDALL_ASSIGN(const NodeId root, parse_json(arena, bytes.text(), options));
  if (arena.at(root).find_int("version") != 1) return unsupported("its version is not 1");
  const Value document = arena.at(root).find("metadata");
  if (!document) return corrupt("it holds no metadata");
  const auto no_tensor = [](std::string_view name) -> Result<std::uint32_t> {
    return corrupt(text("it holds a tensor '{}'", name));
  };
  HOLDALL_ASSIGN(const NodeId made, read_document(arena, document, no_tensor, limits.depth));
  const Value kept = arena.at(made);
  if (!kept.is(ValueKind::kDict)) return corrupt("its metadata is no dict");
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!is_own(kept.key(i))) arena.set_item(metadata, kept.key(i).id(), kept.mapped(i).id());
  }
  return {};
}

}  // namespace holdall::tf_savedmodel

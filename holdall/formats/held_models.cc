#include "holdall/formats/held_models.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/core/children.h"

namespace holdall {
namespace {

// The classes that do so, and under which keys of their state.
struct Holder {
  std::string_view module, name, key, format;
};
constexpr std::array<Holder, 3> kHolders = {{{"xgboost.core", "Booster", "handle", "xgboost"},
                                             {"lightgbm.basic", "Booster", "_handle", "lightgbm"},
                                             {"lightgbm.basic", "Booster", "handle", "lightgbm"}}};
constexpr std::size_t kMostWarnings = 100;

const Holder* holder_of(Value object) {
  if (!object.is(ValueKind::kObject)) return nullptr;
  const ObjectParts& parts = object.as_object();
  const Value callee = object.of(parts.callee);
  if (!callee.is(ValueKind::kGlobal) || !parts.new_object || parts.state == kNoNode) return nullptr;
  for (const Holder& holder : kHolders) {
    const bool is_this = callee.is_global(holder.module, holder.name) && object.of(parts.state).find(holder.key);
    if (is_this) return &holder;
  }
  return nullptr;
}

// The bytes behind a bytearray, bytes or a text.
std::optional<Blob> bytes_of(Value value, const std::string& name) {
  if (value.is(ValueKind::kObject)) {
    const Value args = value.of(value.as_object().args);
    const bool is_bytes = value.of(value.as_object().callee).is(ValueKind::kGlobal) &&
                          value.of(value.as_object().callee).global_name() == "bytearray";
    if (!is_bytes || !args.is(ValueKind::kTuple) || args.size() == 0) return std::nullopt;
    value = args.item(0);
  }
  if (value.is(ValueKind::kString)) return Blob::memory(Bytes::copy(value.as_string()), name);
  if (!value.is(ValueKind::kBytes)) return std::nullopt;
  return value.bytes_resident() ? Blob::memory(Bytes::copy(value.as_bytes()), name) : value.as_blob();
}

// A tree of plain values, lists, dicts and tensors, which is what these formats read, in another arena.
class Copy {
 public:
  Copy(ModelBuilder& builder, const Model& from, const std::string& file) : builder_(builder), from_(from), file_(file) {}

  NodeId run() {
    const NodeId root = shallow(from_.tree());
    std::vector<std::pair<NodeId, NodeId>> left = {{from_.tree().id(), root}};
    Arena& arena = *builder_.arena;
    while (!left.empty()) {
      const auto [source, target] = left.back();
      left.pop_back();
      const Value value = from_.arena().at(source);
      const bool is_dict = value.is(ValueKind::kDict);
      if (!is_dict && !value.is(ValueKind::kList)) continue;
      for (std::size_t i = 0; i < value.size(); ++i) {
        const Value child = is_dict ? value.mapped(i) : value.item(i);
        const NodeId made = shallow(child);
        if (is_dict) {
          arena.set_item(target, shallow(value.key(i)), made);
        } else {
          arena.append(target, made);
        }
        left.emplace_back(child.id(), made);
      }
    }
    return root;
  }

 private:
  NodeId shallow(Value value) {
    Arena& arena = *builder_.arena;
    switch (value.kind()) {
      case ValueKind::kBool:
        return arena.boolean(value.as_bool());
      case ValueKind::kInt:
        return arena.integer(value.as_int());
      case ValueKind::kBigInt:
        return arena.big_integer(value.as_big_int());
      case ValueKind::kFloat:
        return arena.real(value.as_float(), value.float_spelling());
      case ValueKind::kString:
        return arena.string(value.as_string());
      case ValueKind::kList:
        return arena.list();
      case ValueKind::kDict:
        return arena.dict();
      case ValueKind::kTensor:
        return arena.tensor({.index = builder_.add(tensor_at(value.as_tensor().index), file_)});
      default:
        return arena.null();
    }
  }

  // The formats add tensors in the order of their trees.
  Tensor tensor_at(std::uint32_t index) const {
    const auto& entries = from_.tensors();
    if (index < entries.size() && entries[index].index == index) return entries[index].tensor;
    const auto found =
        std::find_if(entries.begin(), entries.end(), [&](const NamedTensor& each) { return each.index == index; });
    return found == entries.end() ? Tensor() : found->tensor;
  }

  ModelBuilder& builder_;
  const Model& from_;
  const SharedText file_;
};

Result<Model> opened(const Blob& bytes, std::string_view format, const Context& context) {
  HOLDALL_ASSIGN(SourceRef source, slice_source(bytes.source(), bytes.offset(), bytes.size(), bytes.name()));
  HOLDALL_ASSIGN(Model model, context.open(Bundle::of(std::move(source))));
  if (model.origin().format != format) return unsupported(text("its bytes are {}", model.origin().format));
  return model;
}

}  // namespace

void open_held_models(ModelBuilder& builder, NodeId first, const Context& context, const std::string& file) {
  Arena& arena = *builder.arena;
  const auto end = static_cast<NodeId>(arena.size());
  for (NodeId id = first; id < end; ++id) {
    const Holder* const holder = holder_of(arena.at(id));
    if (holder == nullptr || arena.at(id).as_object().kwargs != kNoNode) continue;
    const Value held = arena.at(arena.at(id).as_object().state).find(holder->key);
    const auto bytes = bytes_of(held, text("{}!{}.{}", file, holder->module, holder->name));
    if (!bytes) continue;
    const auto model = opened(*bytes, holder->format, context);
    if (model) {
      const NodeId tree = Copy(builder, *model, file).run();
      arena.object_parts(id).kwargs = tree;
    } else if (builder.warnings.size() < kMostWarnings) {
      builder.warnings.push_back(
          text("the model that a {}.{} holds is not read: {}", holder->module, holder->name, model.error().to_string()));
    }
  }
}

std::shared_ptr<const Arena> without_held_models(const Arena& arena) {
  std::shared_ptr<Arena> cleared;
  for (NodeId id = 0; id < arena.size(); ++id) {
    if (holder_of(arena.at(id)) == nullptr || arena.at(id).as_object().kwargs == kNoNode) continue;
    if (cleared == nullptr) cleared = arena.clone();
    cleared->object_parts(id).kwargs = kNoNode;
  }
  return cleared;
}

}  // namespace holdall

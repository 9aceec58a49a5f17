#include "holdall/formats/pytorch/encoding.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/core/children.h"
#include "holdall/formats/pytorch/spelling.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/interpretation.h"
#include "holdall/objects/numpy_objects.h"

namespace holdall::pytorch {

namespace {

// Arrays of NumPy stand in the pickle itself. Up to this much of them is held in memory while it is written, as protocol 2
// needs.
constexpr std::uint64_t kMostArrayBytes = 64u << 20;
constexpr std::uint64_t kApartFrom = 16u << 10;

// Whether the model came from torch, whose loader had to be allowed NumPy's functions there too if there are any.
bool is_of_torch(const Model& model) {
  return model.origin().framework == "pt" || model.metadata().find_string("format") == "pt";
}

// The tensor nodes that a tree reaches, and what their attributes say, by TensorNode::index.
struct Reached {
  std::vector<bool> tensors;
  std::unordered_map<std::uint32_t, TensorTraits> traits;  // of those that have any
  std::unordered_set<std::uint32_t> arrays;                // those that no node calls anything but an array of NumPy
};

TensorTraits traits_of(const Arena& arena, const TensorNode& node) {
  TensorTraits traits;
  const Value attributes = arena.at(node.attributes);
  const Value dtype = attributes.find("dtype");
  if (dtype.is(ValueKind::kGlobal) && dtype.global_module() == "torch") traits.row = torch_dtype(dtype.global_name());
  traits.quantized = static_cast<bool>(attributes.find("quantizer"));
  traits.lone_pair = integers(attributes.find("shape")) == std::vector<std::int64_t>();
  return traits;
}

Reached reach(Value root) {
  Reached reached;
  const Arena& arena = root.arena();
  std::vector<bool> seen(arena.size(), false);
  std::vector<NodeId> stack = {root.id()};
  seen[root.id()] = true;
  while (!stack.empty()) {
    const Value value = arena.at(stack.back());
    stack.pop_back();
    if (value.is(ValueKind::kTensor)) {
      const TensorNode& node = value.as_tensor();
      if (node.index >= reached.tensors.size()) reached.tensors.resize(std::size_t{node.index} + 1, false);
      const bool is_new = !reached.tensors[node.index];
      if (!is_numpy_array(value)) {
        reached.arrays.erase(node.index);
      } else if (is_new) {
        reached.arrays.insert(node.index);
      }
      if (is_new && node.attributes != kNoNode) reached.traits.emplace(node.index, traits_of(arena, node));
      reached.tensors[node.index] = true;
    }
    for_each_child(value, [&](Value child) {
      if (seen[child.id()]) return;
      seen[child.id()] = true;
      stack.push_back(child.id());
    });
  }
  return reached;
}

// Copies a tree into an arena of its own, tensors as what spells them. Containers are made empty when first met and
// filled later, so that sharing and cycles stay what they are and nothing recurses.
class Encoder {
 public:
  Encoder(const Model& model, const Placement& placement)
      : model_(model),
        placement_(placement),
        spelling_(placement),
        copies_(model.arena().size(), kNoNode),
        keeps_numpy_(is_of_torch(model)) {
    ordered_dict_ = arena_.global("collections", "OrderedDict");
    nothing_ = arena_.tuple();
  }

  Arena& arena() noexcept { return arena_; }
  // Of the arena's tensor nodes, by their indices.
  const Spelling& spelling() const noexcept { return spelling_; }
  std::vector<Loss>& losses() noexcept { return losses_; }
  // Objects that became None for want of a storage.
  std::uint64_t without_storage() const noexcept { return without_storage_; }
  // 2, as torch.save has it and its safe loader wants it; 4 for what 2 cannot say: a name with a dot (a nested class), bytes
  // that are not held in memory.
  int protocol() const noexcept { return has_dotted_global_ || array_bytes_ > kMostArrayBytes ? 4 : 2; }

  // The arrays of NumPy that the tree holds, made before the rest. Errors: those of making them.
  Status add_arrays(const std::map<std::uint32_t, const NamedTensor*>& arrays) {
    for (const auto& [index, entry] : arrays) {
      auto made = numpy_object(arena_, entry->tensor, Limits().value_bytes);
      if (!made) return std::move(made).error().with(text("tensor '{}'", entry->name));
      arrays_.emplace(index, *made);
      array_bytes_ += entry->tensor.bytes();
    }
    return {};
  }

  // kNoNode for a tensor that is not written.
  Result<NodeId> encode(Value root) {
    const NodeId copy = copy_of(root);
    HOLDALL_TRY(fill());
    return copy;
  }

  NodeId tensor(const TensorNode& node) {
    if (const auto array = arrays_.find(node.index); array != arrays_.end()) return array->second;
    const std::uint64_t key = std::uint64_t{node.index} << 32 | node.attributes;
    const std::size_t kind = (node.parameter ? 2u : 0u) + (node.requires_grad ? 1u : 0u);
    const auto [place, is_new] = tensors_.try_emplace(key);
    if (is_new) place->second.fill(kNoNode);
    if (place->second[kind] != kNoNode) return place->second[kind];
    const NodeId made = make_tensor(node);
    tensors_[key][kind] = made;
    return made;
  }

 private:
  // A node's copy, empty at first where it has children.
  NodeId copy_of(Value value) {
    if (!value) return kNoNode;
    NodeId& copy = copies_[value.id()];
    if (copy != kNoNode) return copy;
    switch (value.kind()) {
      case ValueKind::kNull:
        return copy = arena_.null();
      case ValueKind::kBool:
        return copy = arena_.boolean(value.as_bool());
      case ValueKind::kInt:
        return copy = arena_.integer(value.as_int());
      case ValueKind::kBigInt:
        return copy = arena_.big_integer(value.as_big_int());
      case ValueKind::kFloat:
        return copy = arena_.real(value.as_float());
      case ValueKind::kComplex:
        return copy = arena_.complex(value.as_complex());
      case ValueKind::kString:
        return copy = arena_.string(value.as_string());
      case ValueKind::kBytes:
        return copy = value.bytes_resident() ? arena_.bytes(value.as_bytes()) : arena_.bytes(value.as_blob());
      case ValueKind::kGlobal:
        has_dotted_global_ = has_dotted_global_ || value.global_name().find('.') != std::string_view::npos;
        return copy = arena_.global(value.global_module(), value.global_name());
      case ValueKind::kTensor:
        return copy = tensor(value.as_tensor());
      case ValueKind::kList:
        copy = arena_.list();
        break;
      case ValueKind::kTuple:
        copy = arena_.tuple();
        break;
      case ValueKind::kSet:
        copy = arena_.set();
        break;
      case ValueKind::kFrozenSet:
        copy = arena_.frozen_set();
        break;
      case ValueKind::kDict:
        copy = arena_.dict();
        break;
      case ValueKind::kObject: {
        if (needs_storage(value)) {
          ++without_storage_;
          return copy = arena_.null();
        }
        // numpy.float32(0.5) is a number where it did not come from torch: its weights-only loader refuses NumPy's.
        const auto args = arguments(value);
        const bool is_scalar = builder_of(value) == Builder::kNumpyScalarClass && args.size() == 1;
        if (is_scalar && !keeps_numpy_) return copy = copy_of(args[0]);
        copy = arena_.object({});
        break;
      }
    }
    pending_.push_back(value.id());
    return copy;
  }

  Status fill() {
    while (!pending_.empty()) {
      const Value value = model_.arena().at(pending_.back());
      pending_.pop_back();
      const NodeId copy = copies_[value.id()];
      if (value.is(ValueKind::kObject)) {
        HOLDALL_TRY(fill_object(copy, value));
      } else if (value.is(ValueKind::kDict)) {
        for (std::size_t i = 0; i < value.size(); ++i) {
          const NodeId mapped = copy_of(value.mapped(i));
          if (mapped != kNoNode) arena_.set_item(copy, or_null(copy_of(value.key(i))), mapped);
        }
      } else {
        for (std::size_t i = 0; i < value.size(); ++i) arena_.append(copy, or_null(copy_of(value.item(i))));
      }
    }
    return {};
  }

  // Whether an object is, or is made from, a persistent id: what it stood for was in another part of the file it came from.
  static bool needs_storage(Value object) {
    constexpr int kDeepest = 4;  // a Parameter of a tensor of a storage
    for (int depth = 0; depth < kDeepest && object.is(ValueKind::kObject); ++depth) {
      Value callee = object.of(object.as_object().callee);
      if (callee.is_global("", "persistent_id")) return true;
      if (callee.is(ValueKind::kObject)) {
        object = callee;
        continue;
      }
      const auto args = object.of(object.as_object().args);
      if (!args.is(ValueKind::kTuple) || args.size() == 0) return false;
      object = args.item(0);
    }
    return false;
  }

  NodeId or_null(NodeId node) const { return node == kNoNode ? arena_.null() : node; }

  Status fill_object(NodeId copy, Value object) {
    const ObjectParts& parts = object.as_object();
    const auto args = arguments(object);
    const Builder builder = builder_of(object);
    if (builder == Builder::kStorageClass && args.size() == 1 && args[0].is(ValueKind::kTensor)) {
      return fill_storage(copy, object.of(parts.callee), args[0].as_tensor());
    }
    ObjectParts made;
    made.new_object = parts.new_object;
    if ((builder == Builder::kFromType || builder == Builder::kFromTypeV2) && args.size() == 3) {
      made.args = from_type_arguments(args);
      made.callee = copy_of(object.of(parts.callee));
      arena_.object_parts(copy) = std::move(made);
      return {};
    }
    made.callee = copy_of(object.of(parts.callee));
    made.args = parts.args == kNoNode ? arena_.tuple() : copy_of(object.of(parts.args));
    made.kwargs = copy_of(object.of(parts.kwargs));
    made.state = copy_of(object.of(parts.state));
    for (const NodeId item : parts.items) made.items.push_back(or_null(copy_of(object.of(item))));
    for (std::size_t i = 0; i + 1 < parts.pairs.size(); i += 2) {
      const NodeId mapped = copy_of(object.of(parts.pairs[i + 1]));
      if (mapped == kNoNode) continue;
      made.pairs.push_back(or_null(copy_of(object.of(parts.pairs[i]))));
      made.pairs.push_back(mapped);
    }
    arena_.object_parts(copy) = std::move(made);
    return {};
  }

  // (value, class, state) back to (function, class, arguments of the function, state).
  NodeId from_type_arguments(const std::vector<Value>& args) {
    NodeId function = kNoNode;
    NodeId inner = kNoNode;
    if (args[0].is(ValueKind::kTensor)) {
      const NodeId value = tensor(args[0].as_tensor());
      if (value == kNoNode) return arena_.tuple();
      std::tie(function, inner) = halves(value);
    } else if (args[0].is(ValueKind::kObject)) {
      function = copy_of(args[0].of(args[0].as_object().callee));
      inner = copy_of(args[0].of(args[0].as_object().args));
    }
    const NodeId type = copy_of(args[1]);
    const NodeId state = copy_of(args[2]);
    return arena_.tuple({or_null(function), or_null(type), or_null(inner), or_null(state)});
  }

  // A storage alone is its persistent id.
  Status fill_storage(NodeId copy, Value storage_class, const TensorNode& node) {
    const SavedTensor* saved = placement_.find(node.index);
    if (saved == nullptr) {  // left out, or in the key of a dict, where nothing has a name
      losses_.push_back({"tree", "a storage that is not among the tensors becomes None"});
      arena_.replace(copy, arena_.null());
      return {};
    }
    const bool untyped = is_untyped_storage(storage_class.global_name()) || saved->row->storage.empty();
    arena_.replace(copy, spelled({untyped ? Spelled::What::kUntyped : Spelled::What::kOwnClass, false, saved}));
    return {};
  }

  NodeId spelled(const Spelled& what) { return arena_.tensor({.index = spelling_.add(what)}); }

  // What a tensor's call calls, and with what.
  std::pair<NodeId, NodeId> halves(NodeId made) {
    const Value value = arena_.at(made);
    if (value.is(ValueKind::kObject)) return {value.as_object().callee, value.as_object().args};
    const Spelled of = spelling_.at(value.as_tensor().index);
    if (of.what == Spelled::What::kParameter) {
      const NodeId tensor = spelled({Spelled::What::kTensor, false, of.saved});
      return {function("_rebuild_parameter"), arena_.tuple({tensor, arena_.boolean(of.requires_grad), no_hooks()})};
    }
    return {spelled({Spelled::What::kFunction, of.requires_grad, of.saved}),
            spelled({Spelled::What::kArguments, of.requires_grad, of.saved})};
  }

  NodeId function(std::string_view name) {
    const auto [place, is_new] = functions_.try_emplace(std::string(name), kNoNode);
    if (is_new) place->second = arena_.global("torch._utils", name);
    return place->second;
  }

  NodeId call(std::string_view name, std::vector<NodeId> args) {
    ObjectParts parts;
    parts.callee = function(name);
    parts.args = arena_.tuple(std::move(args));
    return arena_.object(std::move(parts));
  }

  // Every tensor has a dict of hooks of its own.
  NodeId no_hooks() {
    ObjectParts parts;
    parts.callee = ordered_dict_;
    parts.args = nothing_;
    return arena_.object(std::move(parts));
  }

  NodeId numbers(const std::vector<std::int64_t>& values) {
    std::vector<NodeId> items;
    for (const std::int64_t value : values) items.push_back(arena_.integer(value));
    return arena_.tuple(std::move(items));
  }

  NodeId quantizer(Value params) {
    const auto scheme = params.find_string("scheme");
    if (!scheme) return kNoNode;
    const NodeId global = arena_.global("torch", *scheme);
    if (!scheme->starts_with("per_channel")) {
      return arena_.tuple({global, or_null(copy_of(params.find("scale"))), or_null(copy_of(params.find("zero_point")))});
    }
    return arena_.tuple({global, or_null(copy_of(params.find("scales"))), or_null(copy_of(params.find("zero_points"))),
                         or_null(copy_of(params.find("axis")))});
  }

  NodeId quantized(const SavedTensor& saved, bool requires_grad, Value params) {
    std::vector<std::int64_t> sizes = saved.sizes;
    std::vector<std::int64_t> strides = saved.strides;
    // Rows of packed elements: torch's sizes count the elements.
    if (const auto counted = integers(params.find("shape")); counted && saved.row->packed != 0) {
      sizes.assign(counted->begin(), counted->end());
      strides.assign(sizes.size(), 1);
      for (std::size_t d = sizes.size(); d-- > 1;) strides[d - 1] = strides[d] * std::max<std::int64_t>(sizes[d], 1);
    }
    const NodeId made = quantizer(params);
    if (made == kNoNode) return kNoNode;
    return call("_rebuild_qtensor",
                {spelled({Spelled::What::kStorage, false, &saved}), arena_.integer(static_cast<std::int64_t>(saved.offset)),
                 numbers(sizes), numbers(strides), made, arena_.boolean(requires_grad), no_hooks()});
  }

  NodeId make_tensor(const TensorNode& node) {
    const SavedTensor* saved = placement_.find(node.index);
    if (saved == nullptr) return kNoNode;
    const Value attributes = node.attributes == kNoNode ? Value() : model_.arena().at(node.attributes);
    const Value params = attributes.find("quantizer");
    const Value state = attributes.find("state");
    if (node.parameter && !params && !state) return spelled({Spelled::What::kParameter, node.requires_grad, saved});
    const bool requires_grad = node.requires_grad && !node.parameter;
    const NodeId base =
        params ? quantized(*saved, requires_grad, params) : spelled({Spelled::What::kTensor, requires_grad, saved});
    if (base == kNoNode) return kNoNode;
    if (node.parameter) {
      std::vector<NodeId> args = {base, arena_.boolean(node.requires_grad), no_hooks()};
      if (!state) return call("_rebuild_parameter", std::move(args));
      args.push_back(copy_of(state));
      return call("_rebuild_parameter_with_state", std::move(args));
    }
    if (!state) return base;
    const auto [inner, args] = halves(base);
    ObjectParts parts;
    parts.callee = arena_.global("torch._tensor", "_rebuild_from_type_v2");
    parts.args = arena_.tuple({inner, arena_.global("torch", "Tensor"), args, copy_of(state)});
    return arena_.object(std::move(parts));
  }

  const Model& model_;
  const Placement& placement_;
  Spelling spelling_;
  Arena arena_;
  std::vector<NodeId> copies_;   // by node of the model
  std::vector<NodeId> pending_;  // nodes of the model whose copies are empty yet
  // By index and attributes, then by whether it is a Parameter and requires grad.
  NumberMap<std::array<NodeId, 4>> tensors_;
  std::map<std::string, NodeId, std::less<>> functions_;
  std::unordered_map<std::uint32_t, NodeId> arrays_;  // of NumPy, by TensorNode::index
  std::uint64_t array_bytes_ = 0;
  NodeId ordered_dict_, nothing_;
  std::vector<Loss> losses_;
  bool has_dotted_global_ = false;
  bool keeps_numpy_;
  std::uint64_t without_storage_ = 0;
};

Result<Encoded> finish(Encoder& encoder, NodeId root, const Placement& placement) {
  Encoded encoded;
  PickleWriteOptions how;
  how.protocol = encoder.protocol();
  how.lost = [&](std::string where, std::string what) { encoder.losses().push_back({std::move(where), std::move(what)}); };
  how.spell = [&](PickleEmitter& code, Value tensor) {
    encoder.spelling().spell(code, tensor.as_tensor().index);
    return Status();
  };
  how.apart_from = kApartFrom;
  HOLDALL_ASSIGN(encoded.pickle, write_pickle_pieces(encoder.arena().at(root), how));
  encoded.storages = placement.storages();
  encoded.losses = placement.losses();
  for (Loss& loss : encoder.losses()) encoded.losses.push_back(std::move(loss));
  if (const std::uint64_t count = encoder.without_storage(); count != 0) {
    encoded.losses.push_back(
        {"tree", text("{} object{} made from persistent ids, whose storages the file does not hold, become{} None", count,
                      count == 1 ? "" : "s", count == 1 ? "s" : "")});
  }
  return encoded;
}

}  // namespace

Result<Encoded> encode_tree(const Model& model) {
  const Reached reached = reach(model.tree());
  std::vector<std::uint32_t> entries;
  std::vector<std::uint32_t> unnamed;
  std::map<std::uint32_t, const NamedTensor*> arrays;
  for (std::uint32_t i = 0; i < model.tensors().size(); ++i) {
    const NamedTensor& entry = model.tensors()[i];
    if (reached.arrays.contains(entry.index) && has_numpy_dtype(entry.tensor)) {
      arrays.emplace(entry.index, &entry);
      continue;
    }
    entries.push_back(i);
    if (entry.index >= reached.tensors.size() || !reached.tensors[entry.index]) unnamed.push_back(i);
  }
  HOLDALL_ASSIGN(const Placement placement, Placement::make(model, entries, reached.traits));
  Encoder encoder(model, placement);
  HOLDALL_TRY(encoder.add_arrays(arrays));
  HOLDALL_ASSIGN(NodeId root, encoder.encode(model.tree()));
  if (root == kNoNode) root = encoder.arena().null();
  const bool is_dict = encoder.arena().at(root).is(ValueKind::kDict);
  for (const std::uint32_t i : unnamed) {
    const NamedTensor& entry = model.tensors()[i];
    const NodeId tensor = encoder.tensor({.index = entry.index});
    if (tensor == kNoNode) continue;
    if (is_dict) {
      encoder.arena().set_item(root, entry.name, tensor);
    } else {
      encoder.losses().push_back({entry.name, "the tree, which is no dict, has no place for it"});
    }
  }
  return finish(encoder, root, placement);
}

Result<Encoded> encode_entries(const Model& model, const std::vector<std::uint32_t>& entries) {
  HOLDALL_ASSIGN(const Placement placement, Placement::make(model, entries, {}));
  Encoder encoder(model, placement);
  const NodeId root = encoder.arena().dict();
  std::vector<std::uint32_t> kept;
  for (const std::uint32_t i : entries) {
    const NamedTensor& entry = model.tensors()[i];
    const NodeId tensor = encoder.tensor({.index = entry.index});
    if (tensor == kNoNode) continue;
    encoder.arena().set_item(root, entry.name, tensor);
    kept.push_back(i);
  }
  HOLDALL_ASSIGN(Encoded encoded, finish(encoder, root, placement));
  encoded.entries = std::move(kept);
  return encoded;
}

}  // namespace holdall::pytorch

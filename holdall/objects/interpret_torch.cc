// torch's rebuild functions (torch/_utils.py, torch/_tensor.py of torch 2.13, and those of its past).
#include <algorithm>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/objects/interpretation.h"
#include "holdall/objects/torch_types.h"

namespace holdall {

namespace {

struct Geometry {
  Shape shape;
  Tensor::View view;
};

Error malformed(Value object, std::string_view what) {
  const Value callee = object.of(object.as_object().callee);
  return corrupt(text("{}.{}: {}", callee.global_module(), callee.global_name(), what));
}

// size, stride and offset as torch's rebuild functions take them; torch has no negative ones.
Result<Geometry> geometry(Value object, Value offset, Value size, Value stride) {
  const auto sizes = integers(size);
  const auto strides = integers(stride);
  if (!sizes || !strides || !offset.is(ValueKind::kInt)) return malformed(object, "offset, size and stride are not integers");
  if (sizes->size() != strides->size()) {
    return malformed(object, text("{} strides for {} dimensions", strides->size(), sizes->size()));
  }
  const auto negative = [](std::int64_t value) { return value < 0; };
  if (offset.as_int() < 0 || std::any_of(sizes->begin(), sizes->end(), negative) ||
      std::any_of(strides->begin(), strides->end(), negative)) {
    return malformed(object, "a negative offset, size or stride");
  }
  Geometry result;
  result.shape.assign(sizes->begin(), sizes->end());
  result.view.strides = *strides;
  result.view.offset = static_cast<std::uint64_t>(offset.as_int());
  return result;
}

// float4_e2m1fn_x2 counts pairs: here the last dimension counts elements. A strided one is gathered as bytes.
Result<Tensor> pairs_tensor(const TypedStorage& storage, Geometry at) {
  HOLDALL_ASSIGN(const Tensor bytes, Tensor::view(DType::kUInt8, at.shape, storage.storage, at.view));
  Shape shape = bytes.shape();
  if (shape.empty()) {
    shape.push_back(2);
  } else {
    shape.back() *= 2;
  }
  if (bytes.is_dense()) {
    return Tensor::view(DType::kFloat4E2M1, std::move(shape), storage.storage, {.strides = {}, .offset = 2 * at.view.offset});
  }
  HOLDALL_ASSIGN(Blob blob, bytes.data());
  return Tensor::dense(DType::kFloat4E2M1, std::move(shape), std::move(blob));
}

// quint4x2 counts elements, but each row fills whole bytes: the bytes are the tensor here.
Result<Tensor> packed_rows_tensor(const TorchDType& row, const TypedStorage& storage, Geometry at) {
  if (at.view.offset != 0) return unsupported(text("a view of {} that does not start its storage", row.name));
  if (!at.shape.empty()) at.shape.back() = at.shape.back() / row.packed + (at.shape.back() % row.packed != 0 ? 1 : 0);
  return Tensor::view(DType::kUInt8, std::move(at.shape), storage.storage, {});
}

Result<Tensor> tensor_of(const TorchDType& row, const TypedStorage& storage, Geometry at) {
  if (row.dtype == DType::kFloat4E2M1) return pairs_tensor(storage, std::move(at));
  if (row.packed != 0) return packed_rows_tensor(row, storage, std::move(at));
  return Tensor::view(row.dtype, std::move(at.shape), storage.storage, std::move(at.view));
}

// {"conj": True} and {"neg": True}: bits of tensors whose values are resolved only when read. TorchScript's pickler tags the
// dict with its type.
void read_metadata(Value metadata, Tensor::View& view) {
  if (metadata.is(ValueKind::kObject)) {
    const Value callee = metadata.of(metadata.as_object().callee);
    const auto tagged = arguments(metadata);
    if (!tagged.empty() && callee.is_global("torch.jit._pickle", "restore_type_tag")) metadata = tagged[0];
  }
  const auto is_set = [&](std::string_view key) {
    const Value found = metadata.find(key);
    return found.is(ValueKind::kBool) && found.as_bool();
  };
  view.conjugate = is_set("conj");
  view.negative = is_set("neg");
}

bool has_entries(Value value) {
  if (value.is(ValueKind::kObject)) return !value.as_object().pairs.empty() || !value.as_object().items.empty();
  return value.is(ValueKind::kDict) && value.size() > 0;
}

// What stands behind a storage argument: its class by the persistent id's own words.
const TorchDType* class_dtype(Value id) {
  if (!id.is(ValueKind::kTuple) || id.size() < 2 || !id.item(1).is(ValueKind::kGlobal)) return nullptr;
  return torch_storage_dtype(id.item(1).global_name());
}

// A storage on the device "meta" has a size and no bytes.
bool is_meta(Value id) {
  return id.is(ValueKind::kTuple) && id.size() > 3 && id.item(3).is(ValueKind::kString) && id.item(3).as_string() == "meta";
}

// How one of the rebuild functions of dense tensors lays out its arguments; -1: absent.
struct Arguments {
  std::size_t least;
  int requires_grad;
  int hooks;
  int metadata;
  int dtype;
  int quantizer;
};

Arguments layout_of(Builder builder) {
  switch (builder) {
    case Builder::kTensorV2:
      return {6, 4, 5, 6, -1, -1};
    case Builder::kTensorV3:
      return {7, 4, 5, 7, 6, -1};
    case Builder::kQuantizedTensor:
      return {6, 5, 6, -1, -1, 4};
    default:
      return {4, -1, -1, -1, -1, -1};
  }
}

// ("per_tensor_affine", scale, zero point) or ("per_channel_affine", scales, zero points, axis), as torch's tuple gives it.
Result<NodeId> quantizer(const Interpretation& context, Value object, Value params, const Shape* unpacked) {
  Arena& arena = context.arena;
  if (!params.is(ValueKind::kTuple) || params.size() < 3 || !params.item(0).is(ValueKind::kGlobal)) {
    return malformed(object, "quantizer parameters are not a tuple of a scheme and its numbers");
  }
  const std::string scheme(params.item(0).global_name());
  const bool per_channel = params.size() == 4;
  if (per_channel != scheme.starts_with("per_channel"))
    return malformed(object, "quantizer parameters do not fit their scheme");
  const NodeId dict = arena.dict();
  arena.set_item(dict, "scheme", arena.string(scheme));
  arena.set_item(dict, per_channel ? "scales" : "scale", params.item(1).id());
  arena.set_item(dict, per_channel ? "zero_points" : "zero_point", params.item(2).id());
  if (per_channel) arena.set_item(dict, "axis", params.item(3).id());
  if (unpacked != nullptr) {
    std::vector<NodeId> sizes;
    for (const std::uint64_t size : *unpacked) sizes.push_back(arena.integer(static_cast<std::int64_t>(size)));
    arena.set_item(dict, "shape", arena.list(std::move(sizes)));
  }
  return dict;
}

const TorchDType* dtype_argument(Value value) {
  return value.is(ValueKind::kGlobal) && value.global_module() == "torch" ? torch_dtype(value.global_name()) : nullptr;
}

// What a call of torch.storage._load_from_bytes gives, where that is a storage.
std::optional<TypedStorage> loaded_storage(const Interpretation& context, Value call) {
  if (!context.options.load || builder_of(call) != Builder::kLoadFromBytes) return std::nullopt;
  const auto args = arguments(call);
  if (args.size() != 1) return std::nullopt;
  const auto [mine, is_new] = context.made.by_call.try_emplace(call.id());
  if (!is_new) return mine->second;
  const auto [opened, is_first] = context.made.loaded.try_emplace(args[0].id());
  if (is_first) {
    if (const auto file = bytes_of(args[0])) opened->second = context.options.load(*file);
  }
  mine->second = opened->second;
  if (mine->second) mine->second->storage = std::make_shared<Storage>(*mine->second->storage);
  return mine->second;
}

// The storage that a rebuild function is given: by its persistent id, or in a file of its own. Empty: from elsewhere.
Result<std::optional<TypedStorage>> storage_argument(const Interpretation& context, Value argument, const TorchDType* row) {
  const Value id = persistent_id(argument);
  if (!id) return loaded_storage(context, argument);
  if (!context.options.storage) return std::optional<TypedStorage>();
  HOLDALL_ASSIGN(TypedStorage storage, context.options.storage(id, row == nullptr ? std::nullopt : std::optional(row->dtype)));
  return std::optional(std::move(storage));
}

Status dense_tensor(const Interpretation& context, NodeId node, Builder builder) {
  const Value object = context.arena.at(node);
  const auto args = arguments(object);
  const Arguments layout = layout_of(builder);
  const bool has_storage =
      !args.empty() && (persistent_id(args[0]) ? bool(context.options.storage) : loaded_storage(context, args[0]).has_value());
  if (!has_storage || is_meta(persistent_id(args[0]))) return {};  // from elsewhere, or nowhere: an inert object
  if (args.size() < layout.least) return malformed(object, text("{} arguments, {} are needed", args.size(), layout.least));

  const TorchDType* row = class_dtype(persistent_id(args[0]));
  if (layout.dtype >= 0) {
    row = dtype_argument(args[static_cast<std::size_t>(layout.dtype)]);
    if (row == nullptr) return malformed(object, "the dtype is not one of torch's");
  }
  HOLDALL_ASSIGN(const std::optional<TypedStorage> given, storage_argument(context, args[0], row));
  const TypedStorage& storage = *given;
  if (row == nullptr) row = torch_dtype_for(storage.dtype);
  HOLDALL_ASSIGN(Geometry at, geometry(object, args[1], args[2], args[3]));
  at.view.offset += storage.offset;
  const auto argument = [&](int index) {
    return index >= 0 && static_cast<std::size_t>(index) < args.size() ? args[static_cast<std::size_t>(index)] : Value();
  };
  read_metadata(argument(layout.metadata), at.view);

  TensorNode tensor;
  const Value requires_grad = argument(layout.requires_grad);
  tensor.requires_grad = requires_grad.is(ValueKind::kBool) && requires_grad.as_bool();
  const Shape sizes = at.shape;
  auto made = tensor_of(*row, storage, std::move(at));
  if (!made) return std::move(made).error().with(text("storage '{}'", storage.key));
  HOLDALL_TRY(check_expansion(*made, storage.key, context.options.limits));
  tensor.index = context.options.add(std::move(*made));
  if (row->dtype == DType::kFloat4E2M1 && sizes.empty()) set_attribute(context.arena, tensor, "shape", context.arena.tuple());
  if (!row->exact) set_attribute(context.arena, tensor, "dtype", context.arena.global("torch", row->name));
  if (layout.quantizer >= 0) {
    HOLDALL_ASSIGN(const NodeId how,
                   quantizer(context, object, argument(layout.quantizer), row->packed != 0 ? &sizes : nullptr));
    set_attribute(context.arena, tensor, "quantizer", how);
  }
  if (has_entries(argument(layout.hooks))) set_attribute(context.arena, tensor, "hooks", argument(layout.hooks).id());
  context.arena.replace(node, context.arena.tensor(tensor));
  return {};
}

// A Parameter: the tensor that its data is, said to be one.
void parameter(const Interpretation& context, NodeId node, Builder builder) {
  const auto args = arguments(context.arena.at(node));
  if (args.empty() || !args[0].is(ValueKind::kTensor)) return;
  TensorNode tensor = args[0].as_tensor();
  tensor.parameter = true;
  tensor.requires_grad = args.size() < 2 || !args[1].is(ValueKind::kBool) || args[1].as_bool();
  if (args.size() > 2 && has_entries(args[2])) set_attribute(context.arena, tensor, "hooks", args[2].id());
  if (builder == Builder::kParameterWithState && args.size() > 3 && !args[3].is_null()) {
    set_attribute(context.arena, tensor, "state", args[3].id());
  }
  context.arena.replace(node, context.arena.tensor(tensor));
}

// Parameter(data) with the state (requires_grad, volatile, hooks), torch 0.1 to 0.3; Parameter(data, requires_grad).
void parameter_class(const Interpretation& context, NodeId node) {
  const Value object = context.arena.at(node);
  const auto args = arguments(object);
  const Value callee = object.of(object.as_object().callee);
  if (args.empty() || !args[0].is(ValueKind::kTensor)) return;
  TensorNode tensor = args[0].as_tensor();
  tensor.parameter = callee.global_name() == "Parameter";
  tensor.requires_grad = tensor.parameter;
  const Value state = object.of(object.as_object().state);
  Value requires_grad = args.size() > 1 ? args[1] : Value();
  if (state.is(ValueKind::kTuple) && state.size() >= 2) requires_grad = state.item(0);
  if (requires_grad.is(ValueKind::kBool)) tensor.requires_grad = requires_grad.as_bool();
  context.arena.replace(node, context.arena.tensor(tensor));
}

// torch.FloatTensor() with the state (storage, offset, size, stride), before there were rebuild functions.
Status tensor_class(const Interpretation& context, NodeId node) {
  const Value object = context.arena.at(node);
  const Value state = object.of(object.as_object().state);
  if (!state.is(ValueKind::kTuple) || state.size() != 4 || !persistent_id(state.item(0))) return {};
  ObjectParts parts;
  parts.callee = context.arena.global("torch._utils", "_rebuild_tensor");
  parts.args = state.id();
  context.arena.replace(node, context.arena.object(std::move(parts)));
  return dense_tensor(context, node, Builder::kTensor);
}

// _rebuild_from_type_v2(function, class, arguments, state): function(*arguments) given a class and attributes. A plain tensor
// or Parameter keeps its attributes; of any other class it is an object of (tensor, class, state).
Status from_type(const Interpretation& context, NodeId node) {
  Arena& arena = context.arena;
  const auto args = arguments(arena.at(node));
  if (args.size() != 4 || !args[0].is(ValueKind::kGlobal) || !args[2].is(ValueKind::kTuple)) return {};
  const NodeId type = args[1].id();
  const NodeId state = args[3].id();
  ObjectParts inner;
  inner.callee = args[0].id();
  inner.args = args[2].id();
  const NodeId value = arena.object(std::move(inner));
  const Builder function = builder_of(arena.at(value));
  if (function < Builder::kTensor || function > Builder::kDeviceTensor || function == Builder::kFromType ||
      function == Builder::kFromTypeV2) {
    return {};
  }
  HOLDALL_TRY(interpret_object(context, value));
  const Value class_name = arena.at(type);
  const bool is_plain = class_name.is_global("torch", "Tensor") || class_name.is_global("torch._tensor", "Tensor") ||
                        class_name.is_global("torch.nn.parameter", "Parameter");
  if (arena.at(value).is(ValueKind::kTensor) && is_plain) {
    TensorNode tensor = arena.at(value).as_tensor();
    if (has_entries(arena.at(state)) || arena.at(state).is(ValueKind::kTuple)) set_attribute(arena, tensor, "state", state);
    arena.replace(node, arena.tensor(tensor));
    return {};
  }
  const NodeId tuple = arena.tuple({value, type, state});
  arena.object_parts(node).args = tuple;
  return {};
}

}  // namespace

Status interpret_torch(const Interpretation& context, NodeId object, Builder builder) {
  switch (builder) {
    case Builder::kTensor:
    case Builder::kTensorV2:
    case Builder::kTensorV3:
    case Builder::kQuantizedTensor:
      return dense_tensor(context, object, builder);
    case Builder::kParameter:
    case Builder::kParameterWithState:
      parameter(context, object, builder);
      return {};
    case Builder::kParameterClass:
      parameter_class(context, object);
      return {};
    case Builder::kTensorClass:
      return tensor_class(context, object);
    case Builder::kFromType:
    case Builder::kFromTypeV2:
      return from_type(context, object);
    default:
      return {};
  }
}

Status interpret_storage(const Interpretation& context, NodeId object) {
  Arena& arena = context.arena;
  const Value id = persistent_id(arena.at(object));
  if (!id.is(ValueKind::kTuple) || id.size() < 2 || !id.item(1).is(ValueKind::kGlobal) || is_meta(id)) return {};
  const NodeId storage_class = id.item(1).id();
  if (builder_of(id.item(1).global_module(), id.item(1).global_name()) != Builder::kStorageClass) return {};
  HOLDALL_ASSIGN(const TypedStorage storage, context.options.storage(id, std::nullopt));
  HOLDALL_ASSIGN(Tensor tensor,
                 Tensor::view(storage.dtype, {storage.elements}, storage.storage, {.strides = {}, .offset = storage.offset}));
  ObjectParts parts;
  parts.callee = storage_class;
  parts.args = arena.tuple({arena.tensor({.index = context.options.add(std::move(tensor))})});
  arena.replace(object, arena.object(std::move(parts)));
  return {};
}

}  // namespace holdall

// The archives of torch 1.0 to 1.3 (caffe2/proto/torch.proto as JSON; torch/csrc/jit/serialization/import_legacy.cpp).
//
//   model.json       {"protoVersion","producerName","mainModule":ModuleDef,"tensors":[TensorDef, …]}; int64 are texts or
//   numbers
//     TensorDef      {"dims","strides","offset","dataType":"FLOAT","data":{"key":"tensors/0"},"requiresGrad","isQuantized",
//                     "scale","zeroPoint"}
//     ModuleDef      {"name","submodules":[ModuleDef],"parameters":[{"name","tensorId","isBuffer"}],
//                     "attributes":[{"name","type","id"}],"getStateAttributeId"}
//   attributes.pkl   a list or a tuple of the values that ids name; a tensor is build_tensor_from_id(place in "tensors")
#include <charconv>
#include <map>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/torch_storages.h"
#include "holdall/formats/torchscript/script_archive.h"
#include "holdall/formats/torchscript/script_values.h"
#include "holdall/objects/torch_types.h"

namespace holdall::torchscript {

namespace {

struct CaffeType {
  std::string_view name;
  std::int64_t number;
  DType dtype;
  DType quantized;
};
constexpr CaffeType kTypes[] = {
    {"FLOAT", 1, DType::kFloat32, DType::kFloat32},   {"INT32", 2, DType::kInt32, DType::kQInt32},
    {"BYTE", 3, DType::kUInt8, DType::kQUInt8},       {"BOOL", 5, DType::kBool, DType::kBool},
    {"UINT8", 6, DType::kUInt8, DType::kQUInt8},      {"INT8", 7, DType::kInt8, DType::kQInt8},
    {"UINT16", 8, DType::kUInt16, DType::kUInt16},    {"INT16", 9, DType::kInt16, DType::kInt16},
    {"INT64", 10, DType::kInt64, DType::kInt64},      {"FLOAT16", 12, DType::kFloat16, DType::kFloat16},
    {"DOUBLE", 13, DType::kFloat64, DType::kFloat64},
};

// protobuf's JSON spells int64 as a text.
std::optional<std::int64_t> number(Value value) {
  if (value.is(ValueKind::kInt)) return value.as_int();
  if (!value.is(ValueKind::kString)) return std::nullopt;
  const std::string_view digits = value.as_string();
  std::int64_t parsed = 0;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), parsed);
  if (end.ec != std::errc() || end.ptr != digits.data() + digits.size()) return std::nullopt;
  return parsed;
}

bool is_true(Value value) { return value.is(ValueKind::kBool) && value.as_bool(); }

Result<std::vector<std::int64_t>> sizes(Value list) {
  std::vector<std::int64_t> result;
  if (!list) return result;
  if (!list.is(ValueKind::kList)) return corrupt("sizes that are no list");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto size = number(list.item(i));
    if (!size || *size < 0) return corrupt("a size or stride that is no number, or a negative one");
    result.push_back(*size);
  }
  return result;
}

class Legacy {
 public:
  Legacy(const TorchArchive& archive, const Context& context, SharedText file)
      : archive_(archive), context_(context), file_(std::move(file)) {}

  Status read(ModelBuilder& builder) {
    HOLDALL_ASSIGN(const Blob blob, archive_.record(kModelJson));
    HOLDALL_ASSIGN(const Bytes bytes, blob.read(context_.limits.header_bytes));
    Arena parsed;
    const JsonOptions options{.depth = context_.limits.depth, .value_bytes = context_.limits.value_bytes};
    auto root = parse_json(parsed, bytes.text(), options);
    if (!root) return std::move(root).error().in(blob.name());
    Status read = read_parts(parsed.at(*root), builder);
    if (!read && read.error().path().empty()) return std::move(read).error().in(blob.name());
    return read;
  }

 private:
  Status read_parts(Value root, ModelBuilder& builder) {
    const Value tensors = root.find("tensors");
    for (std::size_t i = 0; tensors.is(ValueKind::kList) && i < tensors.size(); ++i) {
      Status added = add_tensor(tensors.item(i), builder);
      if (!added) return std::move(added).error().with(text("tensor {}", i));
    }
    is_used_.resize(nodes_.size());
    if (archive_.has("attributes.pkl")) HOLDALL_TRY(read_attributes(builder));
    const Value module = root.find("mainModule");
    if (!module.is(ValueKind::kDict)) return corrupt("there is no main module");
    HOLDALL_ASSIGN(builder.tree, module_dict(module, *builder.arena, 0));
    add_constants(*builder.arena, builder.tree);
    return {};
  }

  // Tensors that no module has are those of the code, which calls them by their place: CONSTANTS.c3.
  void add_constants(Arena& arena, NodeId root) {
    NodeId constants = kNoNode;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (is_used_[i]) continue;
      if (constants == kNoNode) constants = arena.dict();
      arena.set_item(constants, text("{}", i), nodes_[i]);
    }
    if (constants == kNoNode) return;
    const bool is_taken = bool(arena.at(root).find(kConstants));
    arena.set_item(root, is_taken ? "constants.pkl" : kConstants, constants);
  }

  NodeId use(std::size_t tensor) {
    is_used_[tensor] = true;
    return nodes_[tensor];
  }

  Result<StorageRef> storage(std::string_view key) {
    StorageRef& storage = storages_[std::string(key)];
    if (storage == nullptr) {
      if (archive_.byte_order() == ByteOrder::kBig) return unsupported("a big-endian archive of torch before 1.4");
      auto blob = archive_.record(key);
      if (!blob) return std::move(blob).error().as(Code::kCorrupt);
      storage = pool_.add(*std::move(blob));
    }
    return storage;
  }

  Status add_tensor(Value def, ModelBuilder& builder) {
    const Value type = def.find("dataType");
    const CaffeType* row = nullptr;
    for (const CaffeType& known : kTypes) {
      const bool is_it = type.is(ValueKind::kString) ? type.as_string() == known.name
                                                     : type.is(ValueKind::kInt) && type.as_int() == known.number;
      if (is_it) row = &known;
    }
    if (row == nullptr) return unsupported("a data type that is not known");
    const auto key = def.find("data").find_string("key");
    if (!key) return corrupt("no record is named");
    HOLDALL_ASSIGN(StorageRef bytes, storage(*key));
    HOLDALL_ASSIGN(const auto dims, sizes(def.find("dims")));
    HOLDALL_ASSIGN(auto strides, sizes(def.find("strides")));
    const Value offset = def.find("offset");
    const auto begin = offset ? number(offset) : std::optional<std::int64_t>(0);
    if (!begin || *begin < 0 || strides.size() != dims.size()) return corrupt("offset or strides do not fit its dimensions");
    const bool is_quantized = is_true(def.find("isQuantized"));
    auto tensor = Tensor::view(is_quantized ? row->quantized : row->dtype, Shape(dims.begin(), dims.end()), std::move(bytes),
                               {.strides = std::move(strides), .offset = static_cast<std::uint64_t>(*begin)});
    if (!tensor) return std::move(tensor).error();
    HOLDALL_TRY(check_expansion(*tensor, *key, context_.limits));
    TensorNode node{.index = builder.add(*std::move(tensor), file_)};
    if (is_quantized) node.attributes = quantizer(def, *builder.arena);
    nodes_.push_back(builder.arena->tensor(node));
    return {};
  }

  static NodeId quantizer(Value def, Arena& arena) {
    const NodeId numbers = arena.dict();
    arena.set_item(numbers, "scheme", arena.string("per_tensor_affine"));
    arena.set_item(numbers, "scale", arena.real(def.find_number("scale").value_or(0)));
    arena.set_item(numbers, "zero_point", arena.integer(number(def.find("zeroPoint")).value_or(0)));
    const NodeId attributes = arena.dict();
    arena.set_item(attributes, "quantizer", numbers);
    return attributes;
  }

  Status read_attributes(ModelBuilder& builder) {
    HOLDALL_ASSIGN(const SourceRef pickle, archive_.program("attributes.pkl"));
    const auto first = static_cast<NodeId>(builder.arena->size());
    const PickleProgram program = run_pickle(*builder.arena, pickle, 0, {.limits = context_.limits});
    if (program.error) return Error(*program.error).in(pickle->name());
    settle_values(*builder.arena, first, [this](std::int64_t id) {
      return id >= 0 && static_cast<std::uint64_t>(id) < nodes_.size() ? use(static_cast<std::size_t>(id)) : kNoNode;
    });
    attributes_ = program.root;
    return {};
  }

  Result<NodeId> module_dict(Value def, Arena& arena, std::uint32_t depth) {
    if (depth > context_.limits.depth) return over_limit(text("more than {} levels of modules", context_.limits.depth));
    const NodeId dict = arena.dict();
    HOLDALL_TRY(add_parameters(def.find("parameters"), arena, dict));
    const Value attributes = def.find("attributes");
    for (std::size_t i = 0; attributes.is(ValueKind::kList) && i < attributes.size(); ++i) {
      const auto name = attributes.item(i).find_string("name");
      const auto id = number(attributes.item(i).find("id"));
      if (!name || arena.at(dict).find(*name)) continue;
      const Value values = attributes_ == kNoNode ? Value() : arena.at(attributes_);
      const bool is_there = (values.is(ValueKind::kTuple) || values.is(ValueKind::kList)) && id && *id >= 0 &&
                            static_cast<std::uint64_t>(*id) < values.size();
      arena.set_item(dict, *name, is_there ? values.item(static_cast<std::size_t>(*id)).id() : arena.null());
    }
    const Value modules = def.find("submodules");
    for (std::size_t i = 0; modules.is(ValueKind::kList) && i < modules.size(); ++i) {
      const auto name = modules.item(i).find_string("name");
      if (!name) return corrupt("a module without a name");
      HOLDALL_ASSIGN(const NodeId module, module_dict(modules.item(i), arena, depth + 1));
      arena.set_item(dict, *name, module);
    }
    return dict;
  }

  Status add_parameters(Value parameters, Arena& arena, NodeId dict) {
    for (std::size_t i = 0; parameters.is(ValueKind::kList) && i < parameters.size(); ++i) {
      const Value parameter = parameters.item(i);
      const auto name = parameter.find_string("name");
      const Value said = parameter.find("tensorId");
      const auto id = said ? number(said) : std::optional<std::int64_t>(0);
      if (!name || !id || *id < 0 || static_cast<std::uint64_t>(*id) >= nodes_.size()) {
        return corrupt(text("a parameter without a name, or whose tensor is none of the {}", nodes_.size()));
      }
      arena.set_item(dict, *name, use(static_cast<std::size_t>(*id)));
    }
    return {};
  }

  const TorchArchive& archive_;
  const Context& context_;
  SharedText file_;
  StoragePool pool_;
  std::map<std::string, StorageRef> storages_;
  std::vector<NodeId> nodes_;  // by place in "tensors"
  std::vector<bool> is_used_;  // likewise
  NodeId attributes_ = kNoNode;
};

}  // namespace

Result<Model> read_model_json(const TorchArchive& archive, const Bundle& bundle, const Context& context) {
  ModelBuilder builder;
  HOLDALL_TRY(Legacy(archive, context, SharedText(file_name(bundle))).read(builder));
  HOLDALL_ASSIGN(builder.metadata, read_metadata(archive, context, *builder.arena));
  describe(archive, bundle, "TorchScript of torch before 1.4", builder);
  return std::move(builder).named_by_tree();
}

}  // namespace holdall::torchscript

#include "holdall/formats/flax/flax_layout.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

#include "holdall/base/utf8.h"
#include "holdall/core/children.h"
#include "holdall/core/naming.h"
#include "holdall/formats/tree_metadata.h"

namespace holdall::flax {
namespace {

constexpr std::string_view kNumpy = "numpy";

bool is_key(Value key) {
  if (key.is(ValueKind::kString)) return is_utf8(key.as_string()) && key.as_string() != kChunkedMark;
  return key.is(ValueKind::kInt) || key.is(ValueKind::kFloat) || key.is(ValueKind::kBool) || key.is_null();
}

// Of an integer beyond int64.
bool is_uint64(std::string_view decimal) {
  constexpr std::string_view kMost = "18446744073709551615";
  return decimal.front() != '-' && (decimal.size() < kMost.size() || (decimal.size() == kMost.size() && decimal <= kMost));
}

// Whether MessagePack, as Flax uses it, has a value of this kind; containers are looked into by the caller.
bool is_sayable(Value value) {
  switch (value.kind()) {
    case ValueKind::kNull:
    case ValueKind::kBool:
    case ValueKind::kInt:
    case ValueKind::kFloat:
    case ValueKind::kComplex:
    case ValueKind::kList:
      return true;
    case ValueKind::kBigInt:
      return is_uint64(value.as_big_int());
    case ValueKind::kString:
      return is_utf8(value.as_string());
    case ValueKind::kBytes:
      return value.bytes_size() <= UINT32_MAX;
    case ValueKind::kDict: {
      for (std::size_t i = 0; i < value.size(); ++i)
        if (!is_key(value.key(i))) return false;
      return true;
    }
    case ValueKind::kTensor: {
      const TensorNode& node = value.as_tensor();
      return !node.parameter && !node.requires_grad && node.attributes == kNoNode;
    }
    case ValueKind::kObject:
      return scalar_dtype(value) || unheld_array(value);
    default:
      return false;
  }
}

// safetensors' files say whose tensors they are; here the format says it.
bool says_more_than_format(const Model& model) {
  const Value metadata = model.metadata();
  if (!metadata.is(ValueKind::kDict) || metadata.size() == 0) return false;
  return metadata.size() > 1 || !metadata.find_string("format");
}

// What a restored file would say as this tree, to the last value: every tensor once, nothing shared, no cycles.
bool is_native(const Model& model, std::size_t storable, const WriteOptions& options) {
  if (storable != model.tensors().size() || says_more_than_format(model)) return false;
  if (model.config() && !model.config().is_null() && !options.config_beside) return false;
  for (std::size_t i = 0; i < model.tensors().size(); ++i) {
    if (model.shares_with(i) != nullptr) return false;
    const std::string& logical = model.tensors()[i].tensor.logical();
    if (!logical.empty() && !logical.starts_with("datetime64") && !logical.starts_with("timedelta64")) return false;
  }
  std::unordered_set<NodeId> seen;
  std::vector<NodeId> left = {model.tree().id()};
  while (!left.empty()) {
    const Value value = model.arena().at(left.back());
    left.pop_back();
    if (!is_sayable(value)) return false;
    if (value.is(ValueKind::kObject) || !is_container(value.kind())) continue;
    if (!seen.insert(value.id()).second) return false;
    for_each_child(value, [&](Value child) { left.push_back(child.id()); });
  }
  return true;
}

std::string joined(const std::vector<std::string>& path) {
  if (path.empty()) return "tensor";
  std::string name = path.front();
  for (std::size_t i = 1; i < path.size(); ++i) name += "." + path[i];
  return name;
}

// Dicts in dicts by the tensors' paths, each with the place of its entry.
class Nest {
 public:
  // False: something else stands there already.
  bool add(const std::vector<std::string>& path, std::uint32_t entry) {
    NodeId dict = root_;
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
      const Value known = arena_->at(dict).find(path[i]);
      if (known && !known.is(ValueKind::kDict)) return false;
      const NodeId next = known ? known.id() : arena_->dict();
      if (!known) arena_->set_item(dict, path[i], next);
      dict = next;
    }
    const std::string& last = path.empty() ? kAlone : path.back();
    if (arena_->at(dict).find(last)) return false;
    arena_->set_item(dict, last, arena_->tensor({.index = entry}));
    return true;
  }

  // Whether a reader will call every tensor by its name; their order then goes to `entries`.
  bool keeps_names(const Model& model, std::vector<std::uint32_t>& entries) const {
    bool kept = true;
    entries.clear();
    walk_tensors(*arena_, root_, [&](const TensorPlace& place, std::vector<std::string> path) {
      kept = kept && joined(path) == model.tensors()[place.index].name;
      entries.push_back(place.index);
    });
    return kept;
  }

  const std::shared_ptr<Arena>& arena() const { return arena_; }
  Value root() const { return arena_->at(root_); }

 private:
  static inline const std::string kAlone = "tensor";
  std::shared_ptr<Arena> arena_ = std::make_shared<Arena>();
  NodeId root_ = arena_->dict();
};

bool is_utf8_path(const std::vector<std::string>& path) {
  return std::all_of(path.begin(), path.end(), [](const std::string& part) { return is_utf8(part); });
}

// By the paths of the model's tree. Empty: the names would be others.
std::optional<Layout> nested(const Model& model, const std::vector<std::uint32_t>& storable) {
  if (!model.is_named_by_tree()) return std::nullopt;
  std::vector<bool> wanted(model.tensors().size());
  for (const std::uint32_t entry : storable) wanted[entry] = true;
  Nest nest;
  bool fits = true;
  std::uint32_t entry = 0;
  walk_tensors(model.arena(), model.tree().id(), [&](const TensorPlace&, std::vector<std::string> path) {
    if (fits && entry < wanted.size() && wanted[entry]) fits = is_utf8_path(path) && nest.add(path, entry);
    ++entry;
  });
  Layout layout{nest.arena(), nest.root(), false, {}};
  fits = fits && nest.keeps_names(model, layout.entries) && layout.entries.size() == storable.size();
  return fits ? std::optional(std::move(layout)) : std::nullopt;
}

// By names cut at their dots, as transformers nests what safetensors.flax wrote.
std::optional<Layout> cut_at_dots(const Model& model, const std::vector<std::uint32_t>& storable) {
  Nest nest;
  for (const std::uint32_t entry : storable) {
    std::vector<std::string> path;
    for (std::string_view name = model.tensors()[entry].name;;) {
      const std::size_t dot = name.find('.');
      path.emplace_back(name.substr(0, dot));
      if (dot == std::string_view::npos) break;
      name.remove_prefix(dot + 1);
    }
    if (!nest.add(path, entry)) return std::nullopt;
  }
  Layout layout{nest.arena(), nest.root(), true, {}};
  return nest.keeps_names(model, layout.entries) ? std::optional(std::move(layout)) : std::nullopt;
}

Layout flat(const Model& model, const std::vector<std::uint32_t>& storable) {
  const auto arena = std::make_shared<Arena>();
  const NodeId root = arena->dict();
  for (const std::uint32_t entry : storable) {
    arena->set_item(root, model.tensors()[entry].name, arena->tensor({.index = entry}));
  }
  return {arena, arena->at(root), false, storable};
}

// numpy.NAME(…) of so many arguments and nothing else.
bool is_numpy_call(Value object, std::size_t count) noexcept {
  if (!object.is(ValueKind::kObject)) return false;
  const ObjectParts& parts = object.as_object();
  const Value callee = object.of(parts.callee);
  const Value args = object.of(parts.args);
  return callee.is(ValueKind::kGlobal) && callee.global_module() == kNumpy && args.is(ValueKind::kTuple) &&
         args.size() == count && parts.kwargs == kNoNode && parts.state == kNoNode && parts.items.empty() &&
         parts.pairs.empty() && !parts.new_object;
}

bool is_flaxs_own(const Model& model) {
  const bool says_so = model.origin().framework == "flax" || model.metadata().find_string("format") == "flax";
  return says_so && model.origin().format != "flax" && !model.is_named_by_tree();
}

}  // namespace

std::optional<DType> scalar_dtype(Value object) noexcept {
  if (!is_numpy_call(object, 1)) return std::nullopt;
  const Value callee = object.of(object.as_object().callee);
  const Value args = object.of(object.as_object().args);
  const auto dtype = callee.global_name() == "bool_" ? DType::kBool : dtype_named(callee.global_name());
  if (!dtype || info(*dtype).block_elements != 1 || *dtype == DType::kBFloat16) return std::nullopt;
  const ValueKind kind = args.item(0).kind();
  const DTypeKind wanted = info(*dtype).kind;
  if (*dtype == DType::kBool) return kind == ValueKind::kBool ? dtype : std::nullopt;
  if (wanted == DTypeKind::kFloat) return kind == ValueKind::kFloat ? dtype : std::nullopt;
  if (wanted == DTypeKind::kComplex) return kind == ValueKind::kComplex ? dtype : std::nullopt;
  const bool is_integer = wanted == DTypeKind::kSigned || wanted == DTypeKind::kUnsigned;
  const bool is_value = kind == ValueKind::kInt ||
                        (kind == ValueKind::kBigInt && *dtype == DType::kUInt64 && is_uint64(args.item(0).as_big_int()));
  return is_integer && is_value ? dtype : std::nullopt;
}

std::optional<UnheldArray> unheld_array(Value object) {
  if (!is_numpy_call(object, 3) || object.of(object.as_object().callee).global_name() != "ndarray") return std::nullopt;
  const Value args = object.of(object.as_object().args);
  const Value shape = args.item(0);
  if (!shape.is(ValueKind::kTuple) || !args.item(1).is(ValueKind::kString) || !args.item(2).is(ValueKind::kBytes))
    return std::nullopt;
  UnheldArray array{{}, args.item(1).as_string(), args.item(2)};
  if (array.dtype.size() > kMostDTypeName || !is_utf8(array.dtype) || array.elements.bytes_size() > kChunkBytes)
    return std::nullopt;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (!shape.item(i).is(ValueKind::kInt) || shape.item(i).as_int() < 0) return std::nullopt;
    array.shape.push_back(static_cast<std::uint64_t>(shape.item(i).as_int()));
  }
  // What is held here would come back as a tensor.
  const auto elements = element_count(array.shape);
  const bool is_time = array.dtype.starts_with("datetime64") || array.dtype.starts_with("timedelta64");
  const auto dtype = dtype_of(array.dtype);
  const bool is_held = is_time || !elements || (dtype && *elements % info(*dtype).block_elements == 0);
  return is_held ? std::nullopt : std::optional(std::move(array));
}

Layout lay_out(const Model& model, const std::vector<std::uint32_t>& storable, const WriteOptions& options) {
  if (is_native(model, storable.size(), options)) {
    if (is_flaxs_own(model)) {
      if (auto layout = cut_at_dots(model, storable)) return *std::move(layout);
    }
    Layout layout{nullptr, model.tree(), true, {}};
    return layout;
  }
  if (auto layout = nested(model, storable)) return *std::move(layout);
  return flat(model, storable);
}

}  // namespace holdall::flax

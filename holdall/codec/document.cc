#include "holdall/codec/document.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <limits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "holdall/base/base64.h"
#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"

namespace holdall {
namespace {

// A container being filled from the JSON that says what is in it. The node exists before its children do, so that they may
// refer to it.
struct Filling {
  enum class Kind : std::uint8_t { kItems, kPairs, kDict, kTensor, kObject };
  Kind kind = Kind::kItems;
  NodeId node = kNoNode;
  Value json;  // an array (kItems, kPairs), else an object
  std::size_t done = 0;
  std::size_t inner_done = 0;  // of an object's items or pairs
};

bool is_special(Value json) {
  return json.is(ValueKind::kDict) && json.size() != 0 && json.key(0).as_string().starts_with('$');
}

Error malformed(std::string_view what) { return corrupt(text("in a value document, {}", what)); }

class Reader {
 public:
  Reader(Arena& arena, const std::function<Result<std::uint32_t>(std::string_view)>& tensor_index, std::uint32_t depth)
      : arena_(arena), tensor_index_(tensor_index), depth_(depth) {}

  Result<NodeId> run(Value json) {
    HOLDALL_ASSIGN(const NodeId root, make(json));
    while (!open_.empty()) HOLDALL_TRY(step());
    return root;
  }

 private:
  using Kind = Filling::Kind;

  // The node of a value; a container's children are still to come. `as_args`: a plain array is a tuple.
  Result<NodeId> make(Value json, bool as_args = false) {
    if (is_special(json)) return make_special(json);
    if (json.is(ValueKind::kList)) return push(Kind::kItems, as_args ? arena_.tuple() : arena_.list(), json);
    if (json.is(ValueKind::kDict)) return push(Kind::kDict, arena_.dict(), json);
    return json.id();
  }

  Result<NodeId> push(Kind kind, NodeId node, Value json) {
    if (open_.size() >= depth_) return over_limit(text("values are nested deeper than the {} levels allowed", depth_));
    open_.push_back({kind, node, json});
    return node;
  }

  Result<NodeId> make_special(Value json) {
    const std::string_view what = json.key(0).as_string();
    const Value content = json.mapped(0);
    if (what == "$tensor") return make_tensor(json, content);
    if (what == "$object") return make_object(json, content);
    if (what == "$ref") return make_ref(json, content);
    if (what == "$float") return make_float(json, content);
    if (what == "$global") {
      HOLDALL_TRY(require_keys(json, {"$global", "module", "id"}));
      return registered(json, make_global(json, content));
    }
    HOLDALL_TRY(require_keys(json, {what, "id"}));
    if (what == "$text" || what == "$int") return registered(json, make_plain(what, content));
    if (what == "$bytes") return registered(json, make_bytes(content));
    if (what == "$complex") return make_complex(content);
    if (what == "$bytes_omitted") return unsupported("a value document whose bytes were left out cannot be read back");
    return make_container(what, json, content);
  }

  Result<NodeId> registered(Value json, Result<NodeId> node) {
    if (node) HOLDALL_TRY(register_id(json, *node));
    return node;
  }

  static Result<NodeId> make_plain(std::string_view what, Value content) {
    const bool fits =
        what == "$text" ? content.is(ValueKind::kString) : content.is(ValueKind::kInt) || content.is(ValueKind::kBigInt);
    if (!fits) return malformed(text("'{}' is a {}", what, name(content.kind())));
    return content.id();
  }

  Result<NodeId> make_container(std::string_view what, Value json, Value content) {
    NodeId node = kNoNode;
    if (what == "$list") node = arena_.list();
    if (what == "$tuple") node = arena_.tuple();
    if (what == "$set") node = arena_.set();
    if (what == "$frozenset") node = arena_.frozen_set();
    if (what == "$dict") node = arena_.dict();
    if (node == kNoNode) return malformed(text("the key '{}' is not known", what));
    if (!content.is(ValueKind::kList)) return malformed(text("'{}' is a {}, not an array", what, name(content.kind())));
    HOLDALL_TRY(register_id(json, node));
    return push(what == "$dict" ? Kind::kPairs : Kind::kItems, node, content);
  }

  static Status require_keys(Value json, std::initializer_list<std::string_view> allowed) {
    for (std::size_t i = 0; i < json.size(); ++i) {
      const std::string_view key = json.key(i).as_string();
      if (std::find(allowed.begin(), allowed.end(), key) == allowed.end()) {
        return malformed(text("the key '{}' is not known beside '{}'", key, json.key(0).as_string()));
      }
    }
    return {};
  }

  Status register_id(Value json, NodeId node) {
    const Value id = json.find("id");
    if (!id) return {};
    if (!id.is(ValueKind::kInt)) return malformed("an 'id' is no integer");
    if (!nodes_.emplace(static_cast<std::uint64_t>(id.as_int()), node).second)
      return malformed(text("id {} stands twice", id.as_int()));
    return {};
  }

  Result<NodeId> make_ref(Value json, Value content) {
    HOLDALL_TRY(require_keys(json, {"$ref"}));
    const auto place = content.is(ValueKind::kInt) ? nodes_.find(static_cast<std::uint64_t>(content.as_int())) : nodes_.end();
    if (place == nodes_.end()) return malformed("a '$ref' has no id that stands before it");
    return place->second;
  }

  Result<double> number(Value json) {
    if (json.is(ValueKind::kFloat)) return json.as_float();
    if (is_special(json) && json.key(0).as_string() == "$float") {
      HOLDALL_ASSIGN(const NodeId node, make_float(json, json.mapped(0)));
      return arena_.at(node).as_float();
    }
    return malformed(text("a {} stands for a float", name(json.kind())));
  }

  Result<NodeId> make_float(Value json, Value content) {
    HOLDALL_TRY(require_keys(json, {"$float", "bits"}));
    const std::string_view spelling = content.is(ValueKind::kString) ? content.as_string() : std::string_view();
    if (spelling == "inf") return arena_.real(std::numeric_limits<double>::infinity());
    if (spelling == "-inf") return arena_.real(-std::numeric_limits<double>::infinity());
    if (spelling != "nan") return malformed("a '$float' is none of nan, inf and -inf");
    if (!json.find("bits")) return arena_.real(std::numeric_limits<double>::quiet_NaN());
    const auto hex = json.find_string("bits").value_or("");
    std::uint64_t bits = 0;
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), bits, 16);
    const double value = std::bit_cast<double>(bits);
    if (error != std::errc() || end != hex.data() + hex.size() || hex.size() != 16 || value == value) {
      return malformed("the 'bits' of a '$float' are no NaN");
    }
    return arena_.real(value);
  }

  Result<NodeId> make_complex(Value content) {
    if (!content.is(ValueKind::kList) || content.size() != 2) return malformed("a '$complex' is not two numbers");
    HOLDALL_ASSIGN(const double real, number(content.item(0)));
    HOLDALL_ASSIGN(const double imaginary, number(content.item(1)));
    return arena_.complex({real, imaginary});
  }

  Result<NodeId> make_bytes(Value content) {
    const auto data = content.is(ValueKind::kString) ? from_base64(content.as_string()) : std::nullopt;
    if (!data) return malformed("a '$bytes' is no base64");
    return arena_.bytes(*data);
  }

  Result<NodeId> make_global(Value json, Value content) {
    if (!content.is(ValueKind::kString)) return malformed("a global is no text");
    const std::string full(content.as_string());
    std::size_t dot = full.rfind('.');
    if (const Value module = json.find("module")) {
      dot = module.is(ValueKind::kString) && full.starts_with(module.as_string()) ? module.as_string().size() : full.size();
      if (dot == full.size() || full[dot] != '.') return malformed(text("global '{}' is not of its module", full));
    }
    if (dot == std::string::npos) return malformed(text("global '{}' has no module", full));
    return arena_.global(full.substr(0, dot), full.substr(dot + 1));
  }

  Result<NodeId> make_tensor(Value json, Value content) {
    HOLDALL_TRY(require_keys(json, {"$tensor", "id", "parameter", "requires_grad", "attributes"}));
    if (!content.is(ValueKind::kString)) return malformed("the name of a '$tensor' is no text");
    TensorNode tensor;
    HOLDALL_ASSIGN(tensor.index, tensor_index_(content.as_string()));
    HOLDALL_ASSIGN(tensor.parameter, flag(json, "parameter"));
    HOLDALL_ASSIGN(tensor.requires_grad, flag(json, "requires_grad"));
    const NodeId node = arena_.tensor(tensor);
    HOLDALL_TRY(register_id(json, node));
    if (!json.find("attributes")) return node;
    return push(Kind::kTensor, node, json);
  }

  static Result<bool> flag(Value json, std::string_view key) {
    const Value value = json.find(key);
    if (value && !value.is(ValueKind::kBool)) return malformed(text("'{}' is no boolean", key));
    return value && value.as_bool();
  }

  Result<NodeId> make_object(Value json, Value callee) {
    HOLDALL_TRY(require_keys(json, {"$object", "module", "id", "new", "args", "kwargs", "state", "items", "pairs"}));
    const bool known = callee.is_null() || callee.is(ValueKind::kString) || (callee.is(ValueKind::kList) && callee.size() == 1);
    if (!known) return malformed("an '$object' is neither a name nor an array of one value");
    for (const std::string_view key : {"items", "pairs"}) {
      const Value list = json.find(key);
      if (list && !list.is(ValueKind::kList)) return malformed(text("'{}' of an '$object' is no array", key));
    }
    ObjectParts parts;
    HOLDALL_ASSIGN(parts.new_object, flag(json, "new"));
    if (callee.is(ValueKind::kString)) {
      HOLDALL_ASSIGN(parts.callee, make_global(json, callee));
    }
    const NodeId node = arena_.object(std::move(parts));
    HOLDALL_TRY(register_id(json, node));
    return push(Kind::kObject, node, json);
  }

  // Makes the next child of the innermost open container, or closes it.
  Status step() {
    Filling& inner = open_.back();
    switch (inner.kind) {
      case Kind::kItems: {
        if (inner.done == inner.json.size()) break;
        const NodeId node = inner.node;
        HOLDALL_ASSIGN(const NodeId child, make(inner.json.item(inner.done++)));
        arena_.append(node, child);
        return {};
      }
      case Kind::kDict: {
        if (inner.done == inner.json.size()) break;
        const std::size_t i = inner.done++;
        const NodeId node = inner.node;
        const NodeId key = inner.json.key(i).id();
        if (inner.json.key(i).as_string().starts_with('$')) return malformed("a key that starts with '$' stands behind others");
        HOLDALL_ASSIGN(const NodeId child, make(inner.json.mapped(i)));
        arena_.set_item(node, key, child);
        return {};
      }
      case Kind::kPairs:
        if (inner.done == 2 * inner.json.size()) break;
        return step_pair(inner);
      case Kind::kTensor:
        return step_tensor(inner);
      case Kind::kObject:
        return step_object(inner);
    }
    open_.pop_back();
    return {};
  }

  static Result<Value> half(Value pairs, std::size_t i) {
    const Value pair = pairs.item(i / 2);
    if (!pair.is(ValueKind::kList) || pair.size() != 2) return malformed("a pair is not an array of two");
    return pair.item(i % 2);
  }

  // A key waits in keys_ until its value has been made: it may hold containers of its own.
  Status step_pair(Filling& inner) {
    const NodeId node = inner.node;
    const std::size_t i = inner.done++;
    HOLDALL_ASSIGN(const Value value, half(inner.json, i));
    HOLDALL_ASSIGN(const NodeId child, make(value));
    if (i % 2 == 0) {
      keys_[node] = child;
      return {};
    }
    arena_.set_item(node, keys_[node], child);
    if (arena_.at(node).size() != i / 2 + 1) return malformed("a '$dict' has one key twice");
    return {};
  }

  Status step_tensor(Filling& inner) {
    if (inner.done++ != 0) {
      open_.pop_back();
      return {};
    }
    const NodeId node = inner.node;
    HOLDALL_ASSIGN(const NodeId attributes, make(inner.json.find("attributes")));
    arena_.tensor_node(node).attributes = attributes;
    return {};
  }

  Status step_object(Filling& inner) {
    const NodeId node = inner.node;
    const Value json = inner.json;
    if (inner.done == 4) return step_object_list(inner, json.find("items"), 1);
    if (inner.done == 5) return step_object_list(inner, json.find("pairs"), 2);
    if (inner.done == 6) {
      open_.pop_back();
      return {};
    }
    static constexpr std::string_view kParts[] = {"$object", "args", "kwargs", "state"};
    static constexpr NodeId ObjectParts::* kPlaces[] = {&ObjectParts::callee, &ObjectParts::args, &ObjectParts::kwargs,
                                                        &ObjectParts::state};
    const std::size_t part = inner.done++;
    Value content = json.find(kParts[part]);
    if (!content) return {};
    if (part == 0) {
      if (!content.is(ValueKind::kList)) return {};
      content = content.item(0);
    }
    HOLDALL_ASSIGN(const NodeId child, make(content, part == 1));
    arena_.object_parts(node).*kPlaces[part] = child;
    return {};
  }

  // The next of an object's items (`width` 1) or pairs (2).
  Status step_object_list(Filling& inner, Value list, std::size_t width) {
    if (!list || inner.inner_done == width * list.size()) {
      inner.inner_done = 0;
      ++inner.done;
      return {};
    }
    const NodeId node = inner.node;
    const std::size_t i = inner.inner_done++;
    Value content;
    if (width == 1) {
      content = list.item(i);
    } else {
      HOLDALL_ASSIGN(content, half(list, i));
    }
    HOLDALL_ASSIGN(const NodeId child, make(content));
    ObjectParts& parts = arena_.object_parts(node);
    (width == 1 ? parts.items : parts.pairs).push_back(child);
    return {};
  }

  Arena& arena_;
  const std::function<Result<std::uint32_t>(std::string_view)>& tensor_index_;
  std::uint32_t depth_;
  NumberMap<NodeId> nodes_;                  // by id
  std::unordered_map<NodeId, NodeId> keys_;  // by dict: the key whose value comes next
  std::vector<Filling> open_;
};

}  // namespace

Result<NodeId> read_document(Arena& arena, Value json,
                             const std::function<Result<std::uint32_t>(std::string_view)>& tensor_index, std::uint32_t depth) {
  return Reader(arena, tensor_index, depth).run(json);
}

}  // namespace holdall

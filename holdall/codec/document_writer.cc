#include <bit>
#include <cmath>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "holdall/base/base64.h"
#include "holdall/base/text.h"
#include "holdall/codec/document.h"
#include "holdall/core/children.h"

namespace holdall {
namespace {

constexpr std::uint64_t kPythonNan = 0x7FF8000000000000;

// Texts, bytes, names and integers up to this size are written wherever they stand: little more than a reference to them.
constexpr std::uint64_t kShort = 128;

// Whether a value without children would make a document of many times the file's size, were it written wherever a few bytes of
// the file refer to it.
bool is_long(Value value, const DocumentOptions& options) {
  switch (value.kind()) {
    case ValueKind::kString:
    case ValueKind::kBigInt:
      return value.as_string().size() > kShort;
    case ValueKind::kBytes:
      return value.bytes_size() > kShort && (options.most_bytes == 0 || value.bytes_size() <= options.most_bytes);
    case ValueKind::kGlobal:
      return value.global_module().size() + value.global_name().size() > kShort;
    default:
      return false;
  }
}

// Whether identity of such a node is kept.
bool has_identity(Value value, const DocumentOptions& options) {
  const ValueKind kind = value.kind();
  if (kind == ValueKind::kTuple || kind == ValueKind::kFrozenSet) return value.size() != 0;
  return is_container(kind) || is_long(value, options);
}

// A set of nodes of an arena: a bit for each once they are many, so that small documents of a large arena stay cheap.
class NodeSet {
 public:
  explicit NodeSet(std::size_t arena) : arena_(arena) {}

  // Whether the node was not in it yet.
  bool insert(NodeId node) {
    if (bits_.empty() && few_.size() < kFew) return few_.insert(node).second;
    if (bits_.empty()) {
      bits_.resize(arena_);
      for (const NodeId each : few_) bits_[each] = true;
    }
    const bool is_new = !bits_[node];
    bits_[node] = true;
    return is_new;
  }

 private:
  static constexpr std::size_t kFew = 256;
  std::size_t arena_;
  std::unordered_set<NodeId> few_;
  std::vector<bool> bits_;
};

enum class Form : std::uint8_t { kItems, kDict, kPairs, kTensor, kObject };
enum class Stage : std::uint8_t { kCallee, kArgs, kKwargs, kState, kItems, kPairs, kDone };

struct Open {
  Value value;
  Form form = Form::kItems;
  bool wrapped = false;  // inside {"$…":…}
  Stage stage = Stage::kCallee;
  std::size_t done = 0;  // children written of the list at hand
};

class Writer {
 public:
  Writer(JsonWriter& json, const std::function<std::string_view(std::uint32_t)>& tensor_name, const DocumentOptions& options)
      : json_(json), tensor_name_(tensor_name), options_(options) {}

  Status run(Value root) {
    find_shared(root);
    HOLDALL_TRY(put(root));
    while (!open_.empty()) HOLDALL_TRY(step());
    return {};
  }

 private:
  void find_shared(Value root) {
    NodeSet met(root.arena().size());
    std::vector<NodeId> waiting;  // containers whose children are still to be looked at
    const auto meet = [&](Value value) {
      if (!has_identity(value, options_)) return;
      if (!met.insert(value.id())) {
        ids_.emplace(value.id(), kNotMet);
      } else if (is_container(value.kind())) {
        waiting.push_back(value.id());
      }
    };
    meet(root);
    while (!waiting.empty()) {
      const Value value = root.of(waiting.back());
      waiting.pop_back();
      for_each_child(value, meet);
    }
  }

  bool is_shared(Value value) const { return ids_.contains(value.id()); }

  bool is_plain_dict(Value dict) const {
    for (std::size_t i = 0; i < dict.size(); ++i) {
      const Value key = dict.key(i);
      if (!key.is(ValueKind::kString) || key.as_string().starts_with('$') || is_shared(key)) return false;
    }
    return true;
  }

  // "id" of a node met for the first time.
  void write_id(Value value) {
    const auto place = ids_.find(value.id());
    if (place == ids_.end()) return;
    json_.key("id").integer(place->second);
  }

  // Writes a value, or what of it stands before its first child. `as_args`: a tuple is a plain array there, a list is not.
  Status put(Value value, bool as_args = false) {
    if (const auto place = ids_.find(value.id()); place != ids_.end()) {
      if (place->second != kNotMet) {
        json_.begin_object().key("$ref").integer(place->second).end_object();
        return {};
      }
      place->second = next_id_++;
    }
    switch (value.kind()) {
      case ValueKind::kList:
        return put_items(value, "$list", as_args || is_shared(value));
      case ValueKind::kTuple:
        return put_items(value, "$tuple", !as_args || is_shared(value));
      case ValueKind::kSet:
        return put_items(value, "$set", true);
      case ValueKind::kFrozenSet:
        return put_items(value, "$frozenset", true);
      case ValueKind::kDict:
        return put_dict(value);
      case ValueKind::kTensor:
        return put_tensor(value);
      case ValueKind::kObject:
        json_.begin_object().key("$object");
        return push(value, Form::kObject, true);
      default:
        return put_scalar(value);
    }
  }

  Status push(Value value, Form form, bool wrapped) {
    open_.push_back({value, form, wrapped});
    return {};
  }

  Status put_items(Value value, std::string_view kind, bool wrapped) {
    if (wrapped) json_.begin_object().key(kind);
    json_.begin_array();
    return push(value, Form::kItems, wrapped);
  }

  Status put_dict(Value value) {
    if (!is_shared(value) && is_plain_dict(value)) {
      json_.begin_object();
      return push(value, Form::kDict, false);
    }
    json_.begin_object().key("$dict").begin_array();
    return push(value, Form::kPairs, true);
  }

  Status put_tensor(Value value) {
    const TensorNode& node = value.as_tensor();
    json_.begin_object().key("$tensor").string(tensor_name_(node.index));
    if (node.parameter) json_.key("parameter").boolean(true);
    if (node.requires_grad) json_.key("requires_grad").boolean(true);
    write_id(value);
    return push(value, Form::kTensor, false);
  }

  Status put_scalar(Value value) {
    switch (value.kind()) {
      case ValueKind::kNull:
        json_.null();
        return {};
      case ValueKind::kBool:
        json_.boolean(value.as_bool());
        return {};
      case ValueKind::kInt:
        json_.integer(value.as_int());
        return {};
      case ValueKind::kBigInt:
        if (is_shared(value)) json_.begin_object().key("$int");
        json_.raw(value.as_big_int());
        return end_scalar(value);
      case ValueKind::kString:
        if (is_shared(value)) json_.begin_object().key("$text");
        json_.string(value.as_string());
        return end_scalar(value);
      case ValueKind::kFloat:
        put_float(value);
        return {};
      case ValueKind::kComplex:
        json_.begin_object().key("$complex").begin_array();
        put_number(value.as_complex().real());
        put_number(value.as_complex().imag());
        json_.end_array().end_object();
        return {};
      case ValueKind::kBytes:
        return put_bytes(value);
      case ValueKind::kGlobal:
        json_.begin_object().key("$global");
        put_global(value);
        write_id(value);
        json_.end_object();
        return {};
      default:
        return internal(text("a {} is no scalar", name(value.kind())));
    }
  }

  // A scalar that is shared stands in an object of its own, for its id.
  Status end_scalar(Value value) {
    if (!is_shared(value)) return {};
    write_id(value);
    json_.end_object();
    return {};
  }

  void put_float(Value value) {
    if (std::isnan(value.as_float())) {
      put_number(value.as_float());
    } else {
      write_float(json_, value);
    }
  }

  void put_number(double number) {
    const auto bits = std::bit_cast<std::uint64_t>(number);
    if (!std::isnan(number) || bits == kPythonNan) {
      json_.number(number);
    } else {
      json_.begin_object().key("$float").string("nan").key("bits").string(text("{:016x}", bits)).end_object();
    }
  }

  Status put_bytes(Value value) {
    json_.begin_object();
    if (options_.most_bytes != 0 && value.bytes_size() > options_.most_bytes) {
      json_.key("$bytes_omitted").unsigned_integer(value.bytes_size());
    } else if (value.bytes_resident()) {
      json_.key("$bytes").string(to_base64(value.as_bytes()));
    } else {
      HOLDALL_ASSIGN(const Bytes bytes, value.as_blob().read());
      json_.key("$bytes").string(to_base64(bytes.text()));
    }
    write_id(value);
    json_.end_object();
    return {};
  }

  // "module.name", and the module where the last dot does not part the two.
  void put_global(Value global) {
    json_.string(text("{}.{}", global.global_module(), global.global_name()));
    if (global.global_name().find('.') != std::string_view::npos) json_.key("module").string(global.global_module());
  }

  // Writes what comes next of the innermost open value: one child, or its end.
  Status step() {
    Open& inner = open_.back();
    switch (inner.form) {
      case Form::kItems:
        if (inner.done < inner.value.size()) return put(inner.value.item(inner.done++));
        return finish_items(inner);
      case Form::kDict:
        if (inner.done == inner.value.size()) return finish();
        json_.key(inner.value.key(inner.done).as_string());
        return put(inner.value.mapped(inner.done++));
      case Form::kPairs:
        if (inner.done < 2 * inner.value.size()) return put_half(inner.value.item(inner.done), inner.done);
        if (inner.done != 0) json_.end_array();
        return finish_items(inner);
      case Form::kTensor:
        return step_tensor(inner);
      case Form::kObject:
        return step_object(inner);
    }
    return {};
  }

  Status finish() {
    json_.end_object();
    open_.pop_back();
    return {};
  }

  Status finish_items(const Open& inner) {
    json_.end_array();
    if (inner.wrapped) {
      write_id(inner.value);
      json_.end_object();
    }
    open_.pop_back();
    return {};
  }

  // The key or the value of a pair, which is an array of two; the array of the last pair is left open.
  Status put_half(Value value, std::size_t& done) {
    if (done % 2 == 0) {
      if (done != 0) json_.end_array();
      json_.begin_array();
    }
    ++done;
    return put(value);
  }

  Status step_tensor(Open& inner) {
    const NodeId attributes = inner.value.as_tensor().attributes;
    if (attributes == kNoNode || inner.done != 0) return finish();
    inner.done = 1;
    json_.key("attributes");
    return put(inner.value.of(attributes));
  }

  Status step_object(Open& inner) {
    const ObjectParts& parts = inner.value.as_object();
    switch (inner.stage) {
      case Stage::kCallee:
        inner.stage = Stage::kArgs;
        return put_callee(inner.value.of(parts.callee));
      case Stage::kArgs:
        inner.stage = Stage::kKwargs;
        if (parts.callee != kNoNode && stands_apart(inner.value.of(parts.callee))) json_.end_array();
        write_id(inner.value);
        if (parts.new_object) json_.key("new").boolean(true);
        return put_part("args", inner.value.of(parts.args), true);
      case Stage::kKwargs:
        inner.stage = Stage::kState;
        return put_part("kwargs", inner.value.of(parts.kwargs));
      case Stage::kState:
        inner.stage = Stage::kItems;
        return put_part("state", inner.value.of(parts.state));
      case Stage::kItems:
        if (inner.done == 0 && !parts.items.empty()) json_.key("items").begin_array();
        if (inner.done < parts.items.size()) return put(inner.value.of(parts.items[inner.done++]));
        if (!parts.items.empty()) json_.end_array();
        inner.stage = Stage::kPairs;
        inner.done = 0;
        return {};
      case Stage::kPairs:
        if (inner.done == 0 && !parts.pairs.empty()) json_.key("pairs").begin_array();
        if (inner.done < parts.pairs.size()) return put_half(inner.value.of(parts.pairs[inner.done]), inner.done);
        if (!parts.pairs.empty()) json_.end_array().end_array();
        inner.stage = Stage::kDone;
        return {};
      case Stage::kDone:
        return finish();
    }
    return {};
  }

  // A callee that is no global, or a long one that others share, stands in an array of one.
  bool stands_apart(Value callee) const { return !callee.is(ValueKind::kGlobal) || is_shared(callee); }

  Status put_callee(Value callee) {
    if (!callee) {
      json_.null();
    } else if (!stands_apart(callee)) {
      put_global(callee);
    } else {
      json_.begin_array();
      return put(callee);
    }
    return {};
  }

  Status put_part(std::string_view key, Value part, bool as_args = false) {
    if (!part) return {};
    json_.key(key);
    return put(part, as_args);
  }

  static constexpr std::int64_t kNotMet = -1;
  JsonWriter& json_;
  const std::function<std::string_view(std::uint32_t)>& tensor_name_;
  const DocumentOptions& options_;
  std::unordered_map<NodeId, std::int64_t> ids_;  // of shared nodes; kNotMet until they are written
  std::int64_t next_id_ = 0;
  std::vector<Open> open_;
};

}  // namespace

Status write_document(JsonWriter& writer, Value root, const std::function<std::string_view(std::uint32_t)>& tensor_name,
                      const DocumentOptions& options) {
  return Writer(writer, tensor_name, options).run(root);
}

}  // namespace holdall

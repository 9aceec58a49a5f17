#include "holdall/ops/flatten.h"

#include <algorithm>
#include <string_view>

#include "holdall/base/digest.h"
#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/io/blob.h"
#include "holdall/objects/numpy_objects.h"

namespace holdall {
namespace {

constexpr std::size_t kLong = 4096;

std::string digest_text(std::string_view kind, std::string_view data) {
  Sha256 sha;
  sha.update(as_bytes(data));
  return text("{{\"{}\":{},\"sha256\":\"{}\"}}", kind, data.size(), to_hex(sha.finish()));
}

std::string scalar(Value value) {
  JsonWriter writer;
  switch (value.kind()) {
    case ValueKind::kNull:
      writer.null();
      break;
    case ValueKind::kBool:
      writer.boolean(value.as_bool());
      break;
    case ValueKind::kInt:
      writer.integer(value.as_int());
      break;
    case ValueKind::kBigInt:
      writer.raw(value.as_big_int());
      break;
    case ValueKind::kFloat:
      writer.number(value.as_float());
      break;
    case ValueKind::kComplex:
      writer.begin_object().key("$complex").begin_array().number(value.as_complex().real()).number(value.as_complex().imag());
      writer.end_array().end_object();
      break;
    case ValueKind::kString:
      if (value.as_string().size() > kLong) return digest_text("$text", value.as_string());
      writer.string(value.as_string());
      break;
    case ValueKind::kGlobal:
      writer.begin_object().key("$global").string(text("{}.{}", value.global_module(), value.global_name())).end_object();
      break;
    default:
      break;
  }
  return std::move(writer).take();
}

std::string bytes_leaf(Value value) {
  if (value.bytes_resident()) return digest_text("$bytes", value.as_bytes());
  Sha256 sha;
  const Blob blob = value.as_blob();
  const Status read = for_each_tile(blob, std::size_t{1} << 20, [&](std::uint64_t, std::span<const std::byte> piece) {
    sha.update(piece);
    return Status();
  });
  if (!read) return text("{{\"$bytes\":{},\"unreadable\":true}}", blob.size());
  return text("{{\"$bytes\":{},\"sha256\":\"{}\"}}", blob.size(), to_hex(sha.finish()));
}

// RFC 6901.
std::string escaped(std::string_view component) {
  std::string result = "/";
  for (const char c : component) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result += c;
    }
  }
  return result;
}

std::string key_text(Value key) {
  if (key.is(ValueKind::kString)) return std::string(key.as_string());
  if (key.is(ValueKind::kTuple)) {
    std::string joined = "(";
    for (std::size_t i = 0; i < key.size(); ++i)
      joined += (i == 0 ? "" : ",") + (key.item(i).is(ValueKind::kTuple) ? "()" : key_text(key.item(i)));
    return joined + ")";
  }
  const std::string plain = scalar(key);
  return plain.empty() ? std::string(name(key.kind())) : plain;
}

// Whose array a tensor is, torch's or NumPy's, is a matter of the container and no difference.
bool has_attributes(Value tensor) { return tensor.as_tensor().attributes != kNoNode && !is_numpy_array(tensor); }

bool is_container(Value value) {
  switch (value.kind()) {
    case ValueKind::kList:
    case ValueKind::kTuple:
    case ValueKind::kSet:
    case ValueKind::kFrozenSet:
    case ValueKind::kDict:
    case ValueKind::kObject:
      return true;
    case ValueKind::kTensor:
      return has_attributes(value);
    default:
      return false;
  }
}

bool is_mapping(const ObjectParts& parts) { return !parts.pairs.empty() && parts.items.empty(); }

class Flattening {
 public:
  Flattening(const Arena& arena, Detail detail) : arena_(arena), detail_(detail), open_(arena.size()), entered_(arena.size()) {
    repeats_left_ = 100'000 + 4 * static_cast<std::uint64_t>(arena.size());
  }

  std::vector<Leaf> run(Value root) && {
    stack_.push_back({root.id(), {}, false});
    while (!stack_.empty()) {
      Visit visit = std::move(stack_.back());
      stack_.pop_back();
      if (visit.leave) {
        open_[visit.node] = 0;
        continue;
      }
      const Value value = arena_.at(visit.node);
      if (!is_container(value)) {
        add_leaf(value, std::move(visit.path));
      } else if (open_[visit.node] != 0 || (entered_[visit.node] != 0 && repeats_left_ == 0)) {
        leaves_.push_back({std::move(visit.path), "{\"$ref\":true}"});
      } else {
        if (entered_[visit.node] != 0) --repeats_left_;
        enter(value, visit.path);
      }
    }
    return std::move(leaves_);
  }

 private:
  struct Visit {
    NodeId node;
    std::string path;
    bool leave;
  };

  void add_leaf(Value value, std::string path) {
    if (value.is(ValueKind::kTensor)) {
      const TensorNode& tensor = value.as_tensor();
      if (detail_ == Detail::kPlain || (!tensor.parameter && !tensor.requires_grad)) return;
      leaves_.push_back({path + "/$parameter", tensor.parameter ? "true" : "false"});
      leaves_.push_back({path + "/$requires_grad", tensor.requires_grad ? "true" : "false"});
    } else {
      leaves_.push_back({std::move(path), value.is(ValueKind::kBytes) ? bytes_leaf(value) : scalar(value)});
    }
  }

  void enter(Value value, const std::string& path) {
    open_[value.id()] = entered_[value.id()] = 1;
    stack_.push_back({value.id(), {}, true});
    const std::size_t before = stack_.size();
    switch (value.kind()) {
      case ValueKind::kDict:
        say_kind(path, value.kind());
        for (std::size_t i = 0; i < value.size(); ++i) push(value.mapped(i).id(), path + escaped(key_text(value.key(i))));
        break;
      case ValueKind::kObject:
        enter_object(value.as_object(), path);
        break;
      case ValueKind::kTensor:
        if (detail_ == Detail::kAll) {
          push(value.as_tensor().attributes, path + "/$attributes");
          leaves_.push_back({path + "/$parameter", value.as_tensor().parameter ? "true" : "false"});
          leaves_.push_back({path + "/$requires_grad", value.as_tensor().requires_grad ? "true" : "false"});
        }
        break;
      default:
        say_kind(path, value.kind());
        for (std::size_t i = 0; i < value.size(); ++i) push(value.item(i).id(), path + "/" + std::to_string(i));
    }
    std::reverse(stack_.begin() + static_cast<std::ptrdiff_t>(before), stack_.end());
  }

  void enter_object(const ObjectParts& parts, const std::string& path) {
    const bool plain = detail_ == Detail::kPlain && is_mapping(parts);
    if (!plain) {
      push(parts.callee, path + "/$object");
      if (parts.new_object) leaves_.push_back({path + "/$new", "true"});
      push(parts.args, path + "/$args");
      push(parts.kwargs, path + "/$kwargs");
      push(parts.state, path + "/$state");
    }
    for (std::size_t i = 0; i < parts.items.size(); ++i) push(parts.items[i], path + "/" + std::to_string(i));
    for (std::size_t i = 0; i + 1 < parts.pairs.size(); i += 2) {
      push(parts.pairs[i + 1], path + escaped(key_text(arena_.at(parts.pairs[i]))));
    }
  }

  void push(NodeId node, std::string path) {
    if (node != kNoNode) stack_.push_back({node, std::move(path), false});
  }

  void say_kind(const std::string& path, ValueKind kind) {
    if (detail_ == Detail::kAll) leaves_.push_back({path, std::string(name(kind))});
  }

  const Arena& arena_;
  Detail detail_;
  std::uint64_t repeats_left_ = 0;
  std::vector<Visit> stack_;
  std::vector<std::uint8_t> open_, entered_;
  std::vector<Leaf> leaves_;
};

}  // namespace

std::vector<Leaf> flatten(Value root, Detail detail) {
  if (!root) return {};
  return Flattening(root.arena(), detail).run(root);
}

bool is_names_only(const Model& model) {
  const Value tree = model.tree();
  if (!tree.is(ValueKind::kDict)) return false;
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const Value tensor = tree.mapped(i);
    if (!tree.key(i).is(ValueKind::kString) || !tensor.is(ValueKind::kTensor)) return false;
    const TensorNode& node = tensor.as_tensor();
    if (node.parameter || node.requires_grad || has_attributes(tensor)) return false;
    if (model.find(tree.key(i).as_string()) == nullptr) return false;
  }
  return true;
}

}  // namespace holdall

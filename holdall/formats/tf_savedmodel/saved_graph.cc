#include "holdall/formats/tf_savedmodel/saved_graph.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/tensorflow_types.h"

namespace holdall::tf_savedmodel {
namespace {

class GraphReader {
 public:
  explicit GraphReader(const Limits& limits) : limits_(limits) {}

  Result<std::vector<MetaGraph>> run(const Blob& file) {
    std::vector<MetaGraph> graphs;
    HOLDALL_ASSIGN(const Root root, root_of(file));
    ProtoReader message(file);
    if (root == Root::kMetaGraph) {
      HOLDALL_ASSIGN(MetaGraph graph, meta_graph(message));
      graphs.push_back(std::move(graph));
      return graphs;
    }
    if (root == Root::kGraph) {
      MetaGraph graph;
      graph.scopes.emplace_back();
      HOLDALL_TRY(graph_def(message, graph));
      graphs.push_back(std::move(graph));
      return graphs;
    }
    HOLDALL_TRY(each(message, [&](const ProtoField& field) -> Status {
      if (!field.is_bytes(2)) return {};
      HOLDALL_ASSIGN(ProtoReader part, message.message(field));
      HOLDALL_ASSIGN(MetaGraph graph, meta_graph(part));
      graphs.push_back(std::move(graph));
      return {};
    }));
    return graphs;
  }

 private:
  static Status each(ProtoReader& message, const std::function<Status(const ProtoField&)>& use) {
    while (true) {
      HOLDALL_ASSIGN(const auto field, message.next());
      if (!field) return {};
      HOLDALL_TRY(use(*field));
    }
  }

  // Every part of a message, as a message.
  static Status each_part(ProtoReader& message, const std::function<Status(std::uint32_t, ProtoReader&)>& use) {
    return each(message, [&](const ProtoField& field) -> Status {
      if (field.wire != ProtoWire::kBytes) return {};
      HOLDALL_ASSIGN(ProtoReader part, message.message(field));
      return use(field.number, part);
    });
  }

  // What a graph takes in memory; two bytes of the file make a node.
  Status charge(std::uint64_t bytes) {
    if (bytes > limits_.value_bytes - taken_)
      return over_limit(text("the graph takes more than {} bytes", limits_.value_bytes));
    taken_ += bytes;
    return {};
  }

  template <typename T>
  Result<T*> add(std::vector<T>& list) {
    HOLDALL_TRY(charge(sizeof(T)));
    return &list.emplace_back();
  }

  Status take(std::string& into, const ProtoReader& whole, std::uint64_t most = ~std::uint64_t{0}) {
    const std::uint64_t size = std::min(most, whole.whole().size());
    HOLDALL_TRY(charge(size));
    HOLDALL_ASSIGN(into, whole.text({0, ProtoWire::kBytes, size, 0, 0}, size));
    return {};
  }

  // A text in field `number` of a message.
  Status take_from(ProtoReader& message, std::uint32_t number, std::string& into) {
    return each_part(message,
                     [&](std::uint32_t field, ProtoReader& part) { return field == number ? take(into, part) : Status(); });
  }

  // Adds a text to a list.
  Status take_one(std::vector<std::string>& into, const ProtoReader& whole) {
    HOLDALL_ASSIGN(std::string* const made, add(into));
    return take(*made, whole);
  }

  Result<MetaGraph> meta_graph(ProtoReader& message) {
    MetaGraph graph;
    graph.scopes.emplace_back();
    HOLDALL_TRY(charge(sizeof(MetaGraph) + sizeof(Scope)));
    std::vector<Asset> collected;
    HOLDALL_TRY(each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return meta_info(part, graph);
      if (number == 2) return graph_def(part, graph);
      if (number == 3) return saver(part, graph);
      if (number == 4) return collection(part, graph, collected);
      if (number == 5) return signature(part, graph);
      if (number == 6) return asset(part, graph.assets);
      return number == 7 ? object_graph(part, graph) : Status();
    }));
    if (graph.assets.empty()) graph.assets = std::move(collected);
    return graph;
  }

  Status meta_info(ProtoReader& message, MetaGraph& graph) {
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 4) return take_one(graph.tags, part);
      return number == 5 ? take(graph.version, part) : Status();
    });
  }

  Status saver(ProtoReader& message, MetaGraph& graph) {
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return take(graph.variables, part);
      return number == 3 ? take(graph.restore, part) : Status();
    });
  }

  // Where TensorFlow 1 listed assets; its loaders take these where the meta graph has no list of its own. And what it runs when
  // it has loaded a graph.
  Status collection(ProtoReader& message, MetaGraph& graph, std::vector<Asset>& assets) {
    std::string key;
    ProtoReader ahead = message;
    HOLDALL_TRY(take_from(ahead, 1, key));
    const bool is_of_assets = key == "saved_model_assets";
    if (!is_of_assets && key != "saved_model_main_op" && key != "legacy_init_op") return {};
    return each_part(message, [&](std::uint32_t of_entry, ProtoReader& value) -> Status {
      if (of_entry != 2) return {};
      return each_part(value, [&](std::uint32_t kind, ProtoReader& list) -> Status {
        if (kind != (is_of_assets ? 5u : 1u)) return {};
        return each_part(list, [&](std::uint32_t of_list, ProtoReader& item) -> Status {
          if (of_list != 1) return {};
          if (!is_of_assets) return take_one(graph.initial, item);
          return each_part(
              item, [&](std::uint32_t of_any, ProtoReader& packed) { return of_any == 2 ? asset(packed, assets) : Status(); });
        });
      });
    });
  }

  Status asset(ProtoReader& message, std::vector<Asset>& assets) {
    HOLDALL_ASSIGN(Asset* const asset, add(assets));
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return take_from(part, 1, asset->tensor);
      return number == 2 ? take(asset->file, part) : Status();
    });
  }

  Status object_graph(ProtoReader& message, MetaGraph& graph) {
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return object(part, graph);
      if (number != 2) return {};
      HOLDALL_ASSIGN(Captures* const captures, add(graph.captures));
      return each_part(part, [&](std::uint32_t kind, ProtoReader& value) -> Status {
        if (kind == 1) return take(captures->function, value);
        return kind == 2 ? each(value, [&](const ProtoField& field) { return captured(value, field, *captures); }) : Status();
      });
    });
  }

  Status object(ProtoReader& message, MetaGraph& graph) {
    HOLDALL_ASSIGN(std::string* const constant, add(graph.object_constants));
    KerasNode made;
    HOLDALL_TRY(each_part(message, [&](std::uint32_t kind, ProtoReader& value) -> Status {
      if (kind == 9) return take_from(value, 1, *constant);
      return kind == 4 ? user_object(value, made) : Status();
    }));
    if (made.metadata.size() == 0) return {};
    made.path = text("object {}", graph.object_constants.size() - 1);
    HOLDALL_ASSIGN(KerasNode* const node, add(graph.keras));
    *node = std::move(made);
    return {};
  }

  Status user_object(ProtoReader& message, KerasNode& node) {
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return take(node.identifier, part);
      if (number == 3) node.metadata = part.whole();
      return {};
    });
  }

  // bound_inputs, packed or not.
  Status captured(const ProtoReader& message, const ProtoField& field, Captures& captures) {
    if (field.is_varint(2)) {
      HOLDALL_ASSIGN(std::uint64_t* const object, add(captures.objects));
      *object = field.value;
    }
    if (!field.is_bytes(2)) return {};
    HOLDALL_ASSIGN(ProtoReader packed, message.message(field));
    while (!packed.at_end()) {
      HOLDALL_ASSIGN(std::uint64_t* const object, add(captures.objects));
      HOLDALL_ASSIGN(*object, packed.packed_varint());
    }
    return {};
  }

  Status graph_def(ProtoReader& message, MetaGraph& graph) {
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return node(part, graph.scopes.front());
      if (number != 2) return {};
      return each_part(part, [&](std::uint32_t kind, ProtoReader& of_library) -> Status {
        if (kind != 1) return {};
        HOLDALL_ASSIGN(Scope* const scope, add(graph.scopes));
        return function(of_library, *scope);
      });
    });
  }

  Status function(ProtoReader& message, Scope& scope) {
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 3) return node(part, scope);
      if (number == 4) {
        HOLDALL_ASSIGN(std::string* const value, add(scope.returns));
        return take_from(part, 2, *value);
      }
      if (number != 1) return {};
      return each_part(part, [&](std::uint32_t kind, ProtoReader& of_signature) -> Status {
        if (kind == 1) return take(scope.name, of_signature);
        return kind == 2 ? argument(of_signature, scope) : Status();
      });
    });
  }

  Status argument(ProtoReader& message, Scope& scope) {
    HOLDALL_ASSIGN(std::string* const name, add(scope.arguments));
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 5 || number == 6) scope.has_list_arguments = true;  // number_attr, type_list_attr
      return number == 1 ? take(*name, part) : Status();
    });
  }

  Status node(ProtoReader& message, Scope& scope) {
    if (++nodes_ > limits_.members) return over_limit(text("more than {} nodes", limits_.members));
    HOLDALL_TRY(charge(sizeof(Node)));
    Node node;
    HOLDALL_TRY(each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return take(node.name, part);
      if (number == 2) return take(node.op, part);
      if (number == 3) return take_one(node.inputs, part);
      return number == 5 ? attribute(part, node) : Status();
    }));
    if (node.op != "Const" && node.op != "HostConst") node.constant.reset();
    scope.nodes.push_back(std::move(node));
    return {};
  }

  // The key may stand behind its value.
  Status attribute(ProtoReader& message, Node& node) {
    std::string key;
    ProtoReader ahead = message;
    HOLDALL_TRY(take_from(ahead, 1, key));
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number != 2) return {};
      return each_part(part, [&](std::uint32_t kind, ProtoReader& value) -> Status {
        if (kind == 8 && key == "value") {
          // What readers of protobuf would merge is nothing that TensorFlow writes.
          if (node.constant) return value.fault(text("a second value of the constant '{}'", node.name));
          node.constant = value.whole();
        }
        if (kind == 9) {
          HOLDALL_ASSIGN(std::string* const open, add(node.open));
          *open = key;
          return {};
        }
        if (kind == 2) {
          HOLDALL_ASSIGN(auto* const text, add(node.texts));
          text->first = key;
          return take(text->second, value, kLongestText);
        }
        return functions(kind, value, node, 0);
      });
    });
  }

  // Of a field of an AttrValue: functions, and those that their own attributes name.
  Status functions(std::uint32_t kind, ProtoReader& value, Node& node, std::uint32_t depth) {
    if (depth > kMostNested) return over_limit(text("functions nest deeper than {} levels", kMostNested));
    if (kind == 10) return function_named(value, node, depth);
    if (kind != 1) return {};
    return each_part(value, [&](std::uint32_t of_list, ProtoReader& item) -> Status {
      return of_list == 9 ? function_named(item, node, depth) : Status();
    });
  }

  Status function_named(ProtoReader& value, Node& node, std::uint32_t depth) {
    std::string name;
    HOLDALL_TRY(each_part(value, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return take(name, part);
      if (number != 2) return {};
      return each_part(part, [&](std::uint32_t of_entry, ProtoReader& attribute) -> Status {
        if (of_entry != 2) return {};
        return each_part(attribute,
                         [&](std::uint32_t kind, ProtoReader& inner) { return functions(kind, inner, node, depth + 1); });
      });
    }));
    HOLDALL_ASSIGN(std::string* const made, add(node.functions));
    *made = std::move(name);
    return {};
  }

  Status signature(ProtoReader& message, MetaGraph& graph) {
    HOLDALL_ASSIGN(Signature* const made, add(graph.signatures));
    Signature& signature = *made;
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return take(signature.name, part);
      if (number != 2) return {};
      return each_part(part, [&](std::uint32_t kind, ProtoReader& value) -> Status {
        if (kind == 3) return take(signature.method, value);
        if (kind == 4) {
          HOLDALL_ASSIGN(std::string* const key, add(signature.defaults));
          return take_from(value, 1, *key);
        }
        if (kind != 1 && kind != 2) return {};
        HOLDALL_ASSIGN(TensorInfo* const info, add(kind == 1 ? signature.inputs : signature.outputs));
        return tensor_info(value, *info);
      });
    });
  }

  Status tensor_info(ProtoReader& message, TensorInfo& info) {
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return take(info.key, part);
      if (number != 2) return {};
      return each(part, [&](const ProtoField& field) -> Status {
        if (field.is_varint(2)) info.dtype = field.value;
        if (!field.is_bytes(1) && !field.is_bytes(3)) return {};
        HOLDALL_ASSIGN(ProtoReader value, part.message(field));
        if (field.number == 1) return take(info.name, value);
        HOLDALL_ASSIGN(TensorFlowShape shape, read_tensorflow_shape(std::move(value)));
        info.shape = std::move(shape.text);
        return charge(info.shape.size());
      });
    });
  }

  const Limits& limits_;
  std::uint64_t nodes_ = 0, taken_ = 0;
  // Functions whose attributes name functions: each level takes a dozen frames of the stack.
  static constexpr std::uint32_t kMostNested = 32;
};

constexpr std::uint64_t kMostOp = 256;

bool is_op(std::string_view name) {
  const auto is_letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [&](char c) { return is_letter(c) || c == '_' || c == '>' || c == '.' || c == '-'; });
}

// Of protobuf's text: what stands behind blanks and comments.
std::string_view behind_comments(std::string_view text) noexcept {
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
    if (!text.starts_with('#')) return text;
    text.remove_prefix(std::min(text.find('\n'), text.size()));
  }
}

// Whether the value of a field of protobuf's text has one of an operator: op: "Const".
bool has_op(std::string_view text) noexcept {
  for (std::size_t at = text.find("op"); at != text.npos; at = text.find("op", at + 1)) {
    if (is_op(text.substr(at - 1, 1))) continue;
    std::string_view rest = behind_comments(text.substr(at + 2));
    if (!rest.starts_with(':')) continue;
    rest = behind_comments(rest.substr(1));
    if (rest.starts_with('"') || rest.starts_with('\'')) return true;
  }
  return false;
}

}  // namespace

// Field 1 of a GraphDef is a node, whose field 2 is the name of an operator; that of a MetaGraphDef has a list of messages
// there.
Result<Root> root_of(const Blob& file) {
  ProtoReader message(file);
  HOLDALL_ASSIGN(const auto begin, message.next());
  if (!begin || !begin->is_bytes(1)) return Root::kSavedModel;
  HOLDALL_ASSIGN(ProtoReader part, message.message(*begin));
  while (true) {
    HOLDALL_ASSIGN(const auto field, part.next());
    if (!field) return Root::kMetaGraph;
    if (!field->is_bytes(2)) continue;
    if (field->value > kMostOp) return Root::kMetaGraph;
    HOLDALL_ASSIGN(const std::string op, part.text(*field, kMostOp));
    return is_op(op) ? Root::kGraph : Root::kMetaGraph;
  }
}

std::string saved_model_head(Root root, std::uint64_t size) {
  const auto key_of = [](std::uint32_t field, std::uint64_t length) {
    std::string key(1, static_cast<char>(field << 3 | 2));
    append_varint(key, length);
    return key;
  };
  if (root == Root::kSavedModel) return {};
  std::string inner;
  if (root == Root::kGraph) inner = ProtoWriter().message(1, ProtoWriter().bytes(4, "serve")).take() + key_of(2, size);
  return ProtoWriter().varint(1, 1).take() + key_of(2, inner.size() + size) + inner;
}

bool is_text_of_graph(std::span<const std::byte> head) noexcept {
  constexpr std::array kOfModel = std::to_array<std::string_view>({"meta_graphs", "meta_info_def", "graph_def"});
  constexpr std::array kOfGraph = std::to_array<std::string_view>({"node", "library", "versions"});
  const std::string_view text = behind_comments({reinterpret_cast<const char*>(head.data()), head.size()});
  const std::string_view field = text.substr(0, text.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"));
  std::string_view value = behind_comments(text.substr(field.size()));
  const bool has_colon = value.starts_with(':');
  if (has_colon) value = behind_comments(value.substr(1));
  if (field == "saved_model_schema_version") return has_colon;
  if (!value.starts_with('{') && !value.starts_with('<') && !value.starts_with('[')) return false;
  const bool is_model = std::find(kOfModel.begin(), kOfModel.end(), field) != kOfModel.end();
  return is_model || (std::find(kOfGraph.begin(), kOfGraph.end(), field) != kOfGraph.end() && has_op(value.substr(0, 4096)));
}

bool begins_with_node(std::span<const std::byte> head) noexcept {
  if (head.empty() || head.front() != std::byte{0x0a}) return false;
  head = head.subspan(1);
  if (!take_varint(head) || head.empty() || head.front() != std::byte{0x0a}) return false;
  head = head.subspan(1);
  const auto name = take_varint(head);
  if (!name || *name == 0 || *name >= head.size()) return false;
  head = head.subspan(static_cast<std::size_t>(*name));
  if (head.front() != std::byte{0x12}) return false;
  head = head.subspan(1);
  const auto op = take_varint(head);
  return op && *op <= std::min<std::uint64_t>(kMostOp, head.size()) &&
         is_op({reinterpret_cast<const char*>(head.data()), static_cast<std::size_t>(*op)});
}

Result<std::vector<MetaGraph>> read_saved_graph(Blob file, const Limits& limits) { return GraphReader(limits).run(file); }

}  // namespace holdall::tf_savedmodel

#include "holdall/formats/tf_savedmodel/saved_graph.h"

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
    ProtoReader first(file);
    HOLDALL_ASSIGN(const auto begin, first.next());
    ProtoReader message(file);
    if (begin && begin->is_bytes(1)) {  // a MetaGraphDef by itself
      HOLDALL_ASSIGN(MetaGraph graph, meta_graph(message));
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

  Status take(std::string& into, const ProtoReader& whole) {
    const std::uint64_t size = whole.whole().size();
    if (size > limits_.value_bytes - text_bytes_) return over_limit(text("texts take more than {} bytes", limits_.value_bytes));
    text_bytes_ += size;
    HOLDALL_ASSIGN(into, whole.text({0, ProtoWire::kBytes, size, 0, 0}, size));
    return {};
  }

  // A text in field `number` of a message.
  Status take_from(ProtoReader& message, std::uint32_t number, std::string& into) {
    return each_part(message,
                     [&](std::uint32_t field, ProtoReader& part) { return field == number ? take(into, part) : Status(); });
  }

  Result<MetaGraph> meta_graph(ProtoReader& message) {
    MetaGraph graph;
    graph.scopes.emplace_back();
    HOLDALL_TRY(each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return meta_info(part, graph);
      if (number == 2) return graph_def(part, graph);
      if (number == 5) return signature(part, graph);
      if (number != 6) return {};
      return take_from(part, 2, graph.assets.emplace_back());
    }));
    return graph;
  }

  Status meta_info(ProtoReader& message, MetaGraph& graph) {
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 4) return take(graph.tags.emplace_back(), part);
      return number == 5 ? take(graph.version, part) : Status();
    });
  }

  Status graph_def(ProtoReader& message, MetaGraph& graph) {
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return node(part, graph.scopes.front());
      if (number != 2) return {};
      return each_part(part, [&](std::uint32_t kind, ProtoReader& of_library) -> Status {
        return kind == 1 ? function(of_library, graph.scopes.emplace_back()) : Status();
      });
    });
  }

  Status function(ProtoReader& message, Scope& scope) {
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 3) return node(part, scope);
      if (number != 1) return {};
      return each_part(part, [&](std::uint32_t kind, ProtoReader& of_signature) -> Status {
        if (kind == 1) return take(scope.name, of_signature);
        return kind == 2 ? take_from(of_signature, 1, scope.arguments.emplace_back()) : Status();
      });
    });
  }

  Status node(ProtoReader& message, Scope& scope) {
    if (++nodes_ > limits_.members) return over_limit(text("more than {} nodes", limits_.members));
    Node node;
    HOLDALL_TRY(each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return take(node.name, part);
      if (number == 2) return take(node.op, part);
      if (number == 3) return take(node.inputs.emplace_back(), part);
      return number == 5 ? attribute(part, node) : Status();
    }));
    if (node.op != "Const") node.constant.reset();
    scope.nodes.push_back(std::move(node));
    return {};
  }

  Status attribute(ProtoReader& message, Node& node) {
    std::string key;
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return take(key, part);
      if (number != 2) return {};
      return each_part(part, [&](std::uint32_t kind, ProtoReader& value) -> Status {
        if (kind == 8 && key == "value") node.constant = value.whole();
        if (kind == 2 && value.whole().size() <= kMostText) return take(node.texts.emplace_back(key, "").second, value);
        return kind == 10 ? take_from(value, 1, node.functions.emplace_back(key, "").second) : Status();
      });
    });
  }

  Status signature(ProtoReader& message, MetaGraph& graph) {
    Signature& signature = graph.signatures.emplace_back();
    return each_part(message, [&](std::uint32_t number, ProtoReader& part) -> Status {
      if (number == 1) return take(signature.name, part);
      if (number != 2) return {};
      return each_part(part, [&](std::uint32_t kind, ProtoReader& value) -> Status {
        if (kind == 3) return take(signature.method, value);
        if (kind != 1 && kind != 2) return {};
        return tensor_info(value, (kind == 1 ? signature.inputs : signature.outputs).emplace_back());
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
        return {};
      });
    });
  }

  static constexpr std::uint64_t kMostText = 1u << 16;  // longer attributes are data
  const Limits& limits_;
  std::uint64_t nodes_ = 0, text_bytes_ = 0;
};

}  // namespace

Result<std::vector<MetaGraph>> read_saved_graph(Blob file, const Limits& limits) { return GraphReader(limits).run(file); }

}  // namespace holdall::tf_savedmodel

// The constants of graphs, and what Keras wrote beside them.
#include <map>
#include <set>

#include "holdall/base/text.h"
#include "holdall/formats/tensorflow_tensor.h"
#include "holdall/formats/tf_savedmodel/tf_savedmodel.h"

namespace holdall::tf_savedmodel {
namespace {

constexpr std::uint64_t kMostStructural = 8;

bool is_weight(const Tensor& tensor) {
  if (tensor.dtype() == DType::kString) return false;
  const DTypeKind kind = info(tensor.dtype()).kind;
  const bool counts = kind == DTypeKind::kSigned || kind == DTypeKind::kUnsigned || kind == DTypeKind::kBool;
  return !counts || tensor.elements() > kMostStructural;
}

}  // namespace

Result<std::vector<Constant>> constants_of(const std::vector<MetaGraph>& graphs, const Limits& limits) {
  std::vector<Constant> constants;
  std::set<std::string> taken;
  std::map<std::string, unsigned> met;  // how often a name was
  for (const MetaGraph& graph : graphs) {
    for (const Scope& scope : graph.scopes) {
      for (const Node& node : scope.nodes) {
        if (!node.constant) continue;
        auto tensor = read_tensorflow_tensor(ProtoReader(*node.constant), std::nullopt, limits);
        if (!tensor && tensor.error().code() == Code::kUnsupported) continue;
        if (!tensor) return std::move(tensor).error().with(text("constant '{}'", node.name));
        if (!is_weight(*tensor)) continue;
        const std::string name = scope.name.empty() ? node.name : scope.name + "/" + node.name;
        unsigned& times = met[name];
        std::string unique = name;
        while (!taken.insert(unique).second) unique = text("{}@{}", name, ++times + 1);
        HOLDALL_ASSIGN(const Blob data, tensor->data());
        const bool is_verbatim = data.source() == node.constant->source();
        constants.push_back({std::move(unique), std::move(*tensor), is_verbatim ? std::optional(data) : std::nullopt});
      }
    }
  }
  return constants;
}

Result<std::vector<KerasNode>> read_keras_nodes(Blob file, const Limits& limits) {
  std::vector<KerasNode> nodes;
  ProtoReader message(std::move(file));
  while (true) {
    HOLDALL_ASSIGN(const auto field, message.next());
    if (!field) return nodes;
    if (!field->is_bytes(1)) continue;
    if (nodes.size() == limits.members) return over_limit(text("more than {} objects of Keras", limits.members));
    HOLDALL_ASSIGN(ProtoReader part, message.message(*field));
    KerasNode& node = nodes.emplace_back();
    while (true) {
      HOLDALL_ASSIGN(const auto value, part.next());
      if (!value) break;
      if (value->is_bytes(5)) {
        HOLDALL_ASSIGN(node.metadata, part.blob(*value));
        continue;
      }
      std::string* const into = value->is_bytes(2) ? &node.path : value->is_bytes(4) ? &node.identifier : nullptr;
      if (into == nullptr) continue;
      HOLDALL_ASSIGN(*into, part.text(*value, limits.header_bytes));
    }
  }
}

}  // namespace holdall::tf_savedmodel

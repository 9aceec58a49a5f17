#include "holdall/formats/tf_savedmodel/graph_acts.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/tensorflow_tensor.h"

namespace holdall::tf_savedmodel {
namespace {

enum class Effect : std::uint8_t { kReads, kWrites, kOwnPath, kForeign };

struct Op {
  std::string_view name;
  int path;
  std::string_view attribute;
  Effect effect;
};
constexpr Op kOps[] = {
#define HOLDALL_GRAPH_OP(name, path, attribute, effect) {name, path, attribute, Effect::effect},
#include "holdall/formats/tf_savedmodel/graph_ops.inc"
#undef HOLDALL_GRAPH_OP
};

const Op* op_named(std::string_view name) {
  const auto found = std::find_if(std::begin(kOps), std::end(kOps), [&](const Op& op) { return op.name == name; });
  return found == std::end(kOps) ? nullptr : found;
}

// "node:out:0", "node:0", "node" → "node"; control inputs carry no values.
std::string_view node_of(std::string_view input) { return input.substr(0, input.find(':')); }

// A place that a path flows into: an argument of a function.
struct Sink {
  std::size_t scope = 0, argument = 0;
  const Op* op = nullptr;
  friend auto operator<=>(const Sink&, const Sink&) = default;
};

// Where a value comes from.
struct Origins {
  std::set<std::size_t> arguments = {};     // of the function that it is in
  std::vector<std::string> constants = {};  // texts
  bool from_caller = false;                 // whoever runs the graph gives it
};

class Judge {
 public:
  Judge(const MetaGraph& graph, std::string_view where, const Limits& limits, Findings& findings)
      : graph_(graph), where_(where), limits_(limits), findings_(findings), nodes_(graph.scopes.size()) {
    for (std::size_t scope = 0; scope < graph.scopes.size(); ++scope) {
      by_name_.emplace(graph.scopes[scope].name, scope);
      for (std::size_t i = 0; i < graph.scopes[scope].nodes.size(); ++i)
        nodes_[scope].emplace(graph.scopes[scope].nodes[i].name, i);
    }
  }

  void run() {
    for (std::size_t scope = 0; scope < graph_.scopes.size(); ++scope) {
      for (const Node& node : graph_.scopes[scope].nodes) {
        const Op* const op = op_named(node.op);
        if (op != nullptr) judge(scope, node, *op);
        for (const auto& [key, name] : node.functions) {
          const auto called = by_name_.find(name);
          if (called != by_name_.end()) callers_[called->second].emplace_back(scope, &node);
        }
      }
    }
    // Sinks in functions become sinks of whoever calls them.
    while (!waiting_.empty()) {
      const Sink sink = waiting_.front();
      waiting_.pop_front();
      for (const auto& [scope, node] : callers_[sink.scope]) follow_call(scope, *node, sink);
    }
    if (steps_ <= kMostSteps) return;
    findings_.push_back(
        {Verdict::kCode, "tensorflow-operator", std::string(where_), "the graph has more paths than are followed"});
  }

 private:
  void judge(std::size_t scope, const Node& node, const Op& op) {
    if (op.effect == Effect::kForeign) {
      add(Verdict::kCode, scope, node, text("the operator {} runs code that is not in the graph", op.name));
      return;
    }
    for (const auto& [key, value] : node.texts) {
      if (op.attribute.empty() || key != op.attribute) continue;
      const bool is_stream = node.op == "PrintV2" && !value.starts_with("file:");
      if (!is_stream) add(Verdict::kMalicious, scope, node, text("the operator {} uses the file '{}'", op.name, value));
    }
    if (op.path >= 0) follow(scope, node, static_cast<std::size_t>(op.path), op);
    if (op.path < 0 && op.attribute.empty()) add(Verdict::kCode, scope, node, text("the operator {} reads files", op.name));
  }

  // A call's inputs are the function's arguments, behind the condition of an If.
  void follow_call(std::size_t scope, const Node& node, const Sink& sink) {
    const bool is_if = node.op == "If" || node.op == "StatelessIf" || node.op == "Case" || node.op == "StatelessCase";
    const bool is_call = is_if || node.op == "PartitionedCall" || node.op == "StatefulPartitionedCall" || node.op == "While" ||
                         node.op == "StatelessWhile";
    if (!is_call) {
      add(Verdict::kCode, scope, node,
          text("the operator {} is reached through {}, whose paths are not followed", sink.op->name, node.op));
      return;
    }
    follow(scope, node, sink.argument + (is_if ? 1 : 0), *sink.op);
  }

  void follow(std::size_t scope, const Node& node, std::size_t input, const Op& op) {
    if (input >= node.inputs.size()) return;
    const Origins origins = trace(scope, node.inputs[input]);
    for (const std::size_t argument : origins.arguments) {
      const Sink sink{scope, argument, &op};
      if (seen_.insert(sink).second) waiting_.push_back(sink);
    }
    const bool is_given = origins.from_caller || !origins.arguments.empty();
    const bool leads_out = std::any_of(origins.constants.begin(), origins.constants.end(), [](const std::string& path) {
      return path.starts_with('/') || path.find("..") != std::string::npos || path.find("://") != std::string::npos ||
             path.starts_with('~');
    });
    if (leads_out || (!is_given && !origins.constants.empty())) {
      const std::string what = op.effect == Effect::kReads ? "reads" : op.name.starts_with("Restore") ? "reads" : "writes";
      const auto worst = std::max_element(origins.constants.begin(), origins.constants.end(),
                                          [](const auto& a, const auto& b) { return a.size() < b.size(); });
      add(Verdict::kMalicious, scope, node,
          text("the operator {} {} a file that the graph chooses: '{}'", op.name, what, *worst));
    } else if (op.effect != Effect::kOwnPath && node.op == op.name) {
      add(Verdict::kCode, scope, node,
          text("the operator {} {} a file that is named when the graph runs", op.name,
               op.effect == Effect::kReads ? "reads" : "writes"));
    }
  }

  Origins trace(std::size_t scope, std::string_view input) const {
    Origins origins;
    const Scope& in = graph_.scopes[scope];
    std::set<std::string_view> met;
    std::vector<std::string_view> waiting = {node_of(input)};
    while (!waiting.empty()) {
      const std::string_view name = waiting.back();
      waiting.pop_back();
      if (name.starts_with('^') || !met.insert(name).second) continue;
      if (++steps_ > kMostSteps) return {.from_caller = true};
      const auto found = nodes_[scope].find(name);
      if (found == nodes_[scope].end()) {
        const auto argument = std::find(in.arguments.begin(), in.arguments.end(), name);
        if (argument != in.arguments.end()) origins.arguments.insert(static_cast<std::size_t>(argument - in.arguments.begin()));
        continue;
      }
      const Node& node = in.nodes[found->second];
      if (node.op.starts_with("Placeholder")) origins.from_caller = true;
      if (node.constant) take_texts(*node.constant, origins.constants);
      for (const std::string& each : node.inputs) waiting.push_back(node_of(each));
    }
    return origins;
  }

  void take_texts(const Blob& constant, std::vector<std::string>& texts) const {
    const auto tensor = read_tensorflow_tensor(ProtoReader(constant), std::nullopt, limits_);
    if (!tensor || tensor->dtype() != DType::kString || tensor->bytes() > (1u << 20)) return;
    const auto bytes = tensor->read_bytes();
    if (!bytes) return;
    for (auto rest = bytes->span(); rest.size() >= 8;) {
      const auto size = static_cast<std::size_t>(load_le<std::uint64_t>(rest.data()));
      if (size > rest.size() - 8) return;
      texts.emplace_back(as_text(rest.subspan(8, size)));
      rest = rest.subspan(8 + size);
    }
  }

  void add(Verdict severity, std::size_t scope, const Node& node, std::string what) {
    const std::string& function = graph_.scopes[scope].name;
    std::string place = text("{}: {}{}{}", where_, function, function.empty() ? "" : "/", node.name);
    findings_.push_back({severity, "tensorflow-operator", std::move(place), std::move(what)});
  }

  static constexpr std::uint64_t kMostSteps = 50'000'000;
  const MetaGraph& graph_;
  std::string_view where_;
  const Limits& limits_;
  Findings& findings_;
  std::vector<std::map<std::string_view, std::size_t>> nodes_;  // by scope and name
  std::map<std::string_view, std::size_t> by_name_;             // scopes
  std::map<std::size_t, std::vector<std::pair<std::size_t, const Node*>>> callers_;
  std::set<Sink> seen_;
  std::deque<Sink> waiting_;
  mutable std::uint64_t steps_ = 0;
};

}  // namespace

void judge_graph(const MetaGraph& graph, std::string_view where, const Limits& limits, Findings& findings) {
  Judge(graph, where, limits, findings).run();
}

}  // namespace holdall::tf_savedmodel

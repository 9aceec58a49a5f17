#include "holdall/formats/tf_savedmodel/graph_acts.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "holdall/base/among.h"
#include "holdall/base/text.h"
#include "holdall/formats/tensorflow_tensor.h"
#include "holdall/objects/told.h"

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
#include "holdall/formats/tensorflow_ops.inc"
#undef HOLDALL_GRAPH_OP
};

// An operator may have several lines, one an input.
const std::multimap<std::string_view, const Op*>& ops_by_name() {
  static const auto* const ops = [] {
    auto* made = new std::multimap<std::string_view, const Op*>;
    for (const Op& op : kOps) made->emplace(op.name, &op);
    return made;
  }();
  return *ops;
}

// Operators that choose among whole texts, join them, or make numbers for those that do: what leaves them is made of what
// enters.
constexpr std::array kCarriers = std::to_array<std::string_view>({"Const",
                                                                  "HostConst",
                                                                  "Identity",
                                                                  "IdentityN",
                                                                  "StringJoin",
                                                                  "Add",
                                                                  "AddV2",
                                                                  "ShardedFilename",
                                                                  "ShardedFilespec",
                                                                  "Select",
                                                                  "SelectV2",
                                                                  "Pack",
                                                                  "Concat",
                                                                  "ConcatV2",
                                                                  "StaticRegexFullMatch",
                                                                  "RegexFullMatch",
                                                                  "ExpandDims",
                                                                  "Reshape",
                                                                  "Squeeze",
                                                                  "Switch",
                                                                  "Merge",
                                                                  "Gather",
                                                                  "GatherV2",
                                                                  "Slice",
                                                                  "StridedSlice",
                                                                  "Shape",
                                                                  "Fill",
                                                                  "Equal",
                                                                  "NotEqual",
                                                                  "LogicalOr",
                                                                  "LogicalAnd",
                                                                  "LogicalNot",
                                                                  "Range",
                                                                  "Cast"});
// Attributes whose text becomes part of what an operator returns.
constexpr std::array kParts = std::to_array<std::string_view>({"template", "rewrite", "separator"});
// Operators that call a function; how many inputs stand before its arguments.
constexpr std::array kCalls = std::to_array<std::pair<std::string_view, std::size_t>>(
    {{"PartitionedCall", 0}, {"StatefulPartitionedCall", 0}, {"If", 1}, {"StatelessIf", 1}, {"Case", 1}, {"StatelessCase", 1}});

bool is_placeholder(const Node& node) { return node.op.starts_with("Placeholder"); }

// The last dtype counts, as for every reader of protobuf.
bool is_text(const Blob& constant) {
  ProtoReader message(constant);
  std::uint64_t dtype = 0;
  while (true) {
    const auto field = message.next();
    if (!field || !*field) return dtype == kTensorFlowString;
    if ((*field)->is_varint(1)) dtype = (*field)->value;
  }
}

// "node:out:0", "node:0", "node" → "node"; control inputs ("^node") carry no values.
std::string_view node_of(std::string_view input) { return input.substr(0, input.find(':')); }

// Of what a path begins with.
bool leads_out(std::string_view path) {
  return path.starts_with('/') || path.find("..") != std::string_view::npos || path.find("://") != std::string_view::npos ||
         path.starts_with('~');
}

// Inputs that what leaves an operator begins with.
std::span<const std::string> leading(const Node& node) {
  const std::span<const std::string> all(node.inputs);
  const std::size_t some = std::min<std::size_t>(1, all.size());
  if (node.op == "Select" || node.op == "SelectV2") return all.subspan(some);
  const bool joins = node.op == "StringJoin" || node.op == "Add" || node.op == "AddV2";
  const bool is_first = joins || node.op.starts_with("ShardedFile") || node.op == "Switch";
  return is_first ? all.first(some) : all;
}

// Whether an attribute's text names a file: an output may be a stream, a descriptor may stand for itself.
bool names_file(const Node& node, std::string_view text) {
  if (node.op == "PrintV2") return text.starts_with("file:");
  return !text.empty() && !text.starts_with("local://") && !text.starts_with("bytes://");
}

// What is asked of a path: all that it is made of, what it begins with, or what it begins with where the graph is given
// nothing.
enum class Part : std::uint8_t { kAll, kHead, kDefault };

// A place that a path flows into: an argument of a function.
struct Sink {
  std::size_t scope = 0, argument = 0;
  const Op* op = nullptr;
  Part part = Part::kHead;  // kAll: stands behind the beginning of the path
  friend auto operator<=>(const Sink&, const Sink&) = default;
};

// Where a value comes from.
struct Origins {
  std::set<std::size_t> arguments = {};          // of the function that it is in
  std::vector<std::string_view> constants = {};  // texts
  bool is_given = false;                         // by whoever runs the graph, in part at least
  bool is_unknown = false;                       // in part at least: worked out, or read from somewhere
};

class Judge {
 public:
  Judge(const MetaGraph& graph, std::string_view where, const Limits& limits, Told& told)
      : graph_(graph), where_(where), limits_(limits), told_(told), nodes_(graph.scopes.size()) {
    for (std::size_t scope = 0; scope < graph.scopes.size(); ++scope) {
      by_name_.emplace(graph.scopes[scope].name, scope);
      for (const Node& node : graph.scopes[scope].nodes) nodes_[scope].emplace(node.name, &node);
    }
    for (const Asset& asset : graph.assets) assets_.insert(node_of(asset.tensor));
    find_variables();
    find_unfed();
  }

  void run() {
    for (std::size_t scope = 0; scope < graph_.scopes.size(); ++scope) {
      for (const Node& node : graph_.scopes[scope].nodes) {
        const auto [begin, end] = ops_by_name().equal_range(node.op);
        for (auto op = begin; op != end; ++op) judge(scope, node, *op->second);
        for_each_called(node, [&](std::size_t called) { callers_[called].emplace_back(scope, &node); });
      }
    }
    for (const Captures& captures : graph_.captures) take_captures(captures);
    // Sinks in functions become sinks of whoever calls them.
    while (!waiting_.empty()) {
      const Sink sink = waiting_.front();
      waiting_.pop_front();
      for (const auto& [scope, node] : callers_[sink.scope]) follow_call(scope, *node, sink);
      is_object_ = true;
      for (const Node* constant : captured_[{sink.scope, sink.argument}])
        follow(0, *constant, constant->name, *sink.op, sink.part);
      is_object_ = false;
      if (callers_[sink.scope].empty() && !is_captured(sink)) tell_uncalled(sink);
    }
    if (steps_ <= kMostSteps) return;
    told_.add({Verdict::kCode, Rule::kTensorflowOperator, std::string(where_), "the graph has more paths than are followed"});
  }

 private:
  // Variables of the graph that nothing but what is seen here writes to: TensorFlow 2 keeps the paths of assets in such ones.
  // One that is handed to a function may hold what a checkpoint says, and one of a function may be any other by its name.
  void find_variables() {
    std::map<std::string_view, unsigned> times;  // by the name under which it is kept
    for (std::size_t scope = 0; scope < graph_.scopes.size(); ++scope) {
      for (const Node& node : graph_.scopes[scope].nodes) {
        if (node.op != "VarHandleOp") continue;
        if (scope != 0) return variables_.clear();
        if (++times[kept_name(node)] == 1) variables_.try_emplace(node.name);
      }
    }
    for (const Node& node : graph_.scopes.front().nodes) {
      if (node.op == "VarHandleOp" && times[kept_name(node)] > 1) variables_.erase(node.name);
      const bool looks = node.op == "ReadVariableOp" || node.op == "VarIsInitializedOp";
      const bool assigns = node.op == "AssignVariableOp" && node.inputs.size() > 1;
      for (std::size_t i = 0; i < node.inputs.size() && !looks; ++i) {
        const auto found = variables_.find(node_of(node.inputs[i]));
        if (found == variables_.end()) continue;
        if (assigns && i == 0) {
          found->second.push_back(node_of(node.inputs[1]));
        } else {
          variables_.erase(found);
        }
      }
    }
  }

  // What runs by itself, as the graph is loaded, or for the results of a signature.
  void find_unfed() {
    constexpr std::string_view kInitial = "__saved_model_init_op";
    std::set<std::string_view> inputs;
    std::vector<std::string_view> initial(graph_.initial.begin(), graph_.initial.end()), outputs;
    for (const Signature& signature : graph_.signatures) {
      const std::set<std::string_view> defaults(signature.defaults.begin(), signature.defaults.end());
      for (const TensorInfo& input : signature.inputs) {
        inputs.insert(node_of(input.name));
        if (defaults.contains(input.key)) defaulted_.insert(node_of(input.name));
      }
      for (const TensorInfo& output : signature.outputs)
        (signature.name == kInitial ? initial : outputs).push_back(output.name);
    }
    add_unfed(std::move(initial), {});
    add_unfed({graph_.restore}, {node_of(graph_.variables)});
    signed_ = add_unfed(std::move(outputs), inputs);
  }

  // The nodes that those of `waiting` are made of and wait for, where others give those of `fed`; gives them back, with these.
  std::set<std::string_view> add_unfed(std::vector<std::string_view> waiting, std::set<std::string_view> fed) {
    while (!waiting.empty()) {
      std::string_view name = node_of(waiting.back());
      waiting.pop_back();
      name.remove_prefix(name.starts_with('^') ? 1 : 0);
      const auto found = nodes_[0].find(name);
      if (found == nodes_[0].end() || !fed.insert(name).second) continue;
      unfed_.insert(name);
      waiting.insert(waiting.end(), found->second->inputs.begin(), found->second->inputs.end());
    }
    return fed;
  }

  static std::string_view kept_name(const Node& variable) {
    for (const auto& [key, value] : variable.texts)
      if (key == "shared_name" && !value.empty()) return value;
    return variable.name;
  }

  // What a node reads a variable for; null where that is not known.
  const std::vector<std::string_view>* assigned(std::size_t scope, const Node& node) const {
    if (scope != 0 || node.op != "ReadVariableOp" || node.inputs.empty()) return nullptr;
    const auto found = variables_.find(node_of(node.inputs[0]));
    return found == variables_.end() || found->second.empty() ? nullptr : &found->second;
  }

  // Functions that a node calls: by its attributes, or by being named like one.
  template <typename Use>
  void for_each_called(const Node& node, const Use& use) const {
    const auto call = [&](std::string_view name) {
      const auto called = name.empty() ? by_name_.end() : by_name_.find(name);
      if (called != by_name_.end()) use(called->second);
    };
    for (const std::string& name : node.functions) call(name);
    call(node.op);
  }

  // Whether Python adds this argument of a function itself.
  bool is_captured(const Sink& sink) const {
    const auto count = captures_.find(sink.scope);
    return count != captures_.end() && sink.argument + count->second >= graph_.scopes[sink.scope].arguments.size();
  }

  // A function that nothing here calls Python does: with a default that the graph of objects keeps, or, as it loads the model,
  // with what a checkpoint says.
  void tell_uncalled(const Sink& sink) {
    if (sink.op->effect != Effect::kOwnPath) return;
    add(Verdict::kCode, sink.scope, Node{}, "the operator {} {} a file that is named where its function is called",
        sink.op->name, reads(*sink.op) ? "reads" : "writes");
  }

  // What Python adds behind the arguments of a call.
  void take_captures(const Captures& captures) {
    const auto function = by_name_.find(captures.function);
    if (function == by_name_.end()) return;
    const std::size_t arguments = graph_.scopes[function->second].arguments.size();
    const std::size_t count = std::min(arguments, captures.objects.size());
    captures_[function->second] = count;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t object = captures.objects[captures.objects.size() - count + i];
      if (object >= graph_.object_constants.size()) continue;
      const auto constant = nodes_[0].find(graph_.object_constants[object]);
      if (constant != nodes_[0].end()) captured_[{function->second, arguments - count + i}].push_back(constant->second);
    }
  }

  void judge(std::size_t scope, const Node& node, const Op& op) {
    if (op.effect == Effect::kForeign) {
      add(Verdict::kCode, scope, node, "the operator {} runs code that is not in the graph", op.name);
      return;
    }
    for (const auto& [key, value] : node.texts) {
      if (op.attribute.empty() || key != op.attribute || !names_file(node, value)) continue;
      add(Verdict::kMalicious, scope, node, "the operator {} uses the file '{}'", op.name, shortened(value));
    }
    if (!op.attribute.empty() && is_among(node.open, op.attribute))
      add(Verdict::kCode, scope, node, "the operator {} uses a file that is named where its function is called", op.name);
    const auto path = static_cast<std::size_t>(op.path);
    if (op.path < 0) {
      if (op.attribute.empty()) add(Verdict::kCode, scope, node, "the operator {} reads files", op.name);
    } else if (path < node.inputs.size()) {
      follow(scope, node, node.inputs[path], op, Part::kHead);
    } else {
      add(Verdict::kCode, scope, node, "the operator {} lacks the input that names its file", op.name);
    }
  }

  void follow_call(std::size_t scope, const Node& node, const Sink& sink) {
    const bool is_by_name = node.op == graph_.scopes[sink.scope].name;
    const auto is_it = [&](const auto& call) { return call.first == node.op; };
    const auto call = std::find_if(kCalls.begin(), kCalls.end(), is_it);
    const bool is_loop = node.op == "While" || node.op == "StatelessWhile";
    if (is_loop || graph_.scopes[sink.scope].has_list_arguments) {
      // A loop's arguments are what its body returned, too; a list stands for several inputs.
      follow(scope, node, node.name, *sink.op, sink.part);
    } else if (is_by_name || call != kCalls.end()) {
      const std::size_t input = sink.argument + (is_by_name ? 0 : call->second);
      if (input < node.inputs.size()) follow(scope, node, node.inputs[input], *sink.op, sink.part);
    } else {
      add(Verdict::kCode, scope, node, "the operator {} is reached through {}, whose paths are not followed", sink.op->name,
          shortened(node.op));
    }
  }

  // `part`: kAll where something else stands before it in the path.
  void follow(std::size_t scope, const Node& node, std::string_view input, const Op& op, Part part) {
    const Origins all = trace(scope, node_of(input), op, Part::kAll);
    const Origins head = part == Part::kHead ? trace(scope, node_of(input), op, Part::kHead) : Origins();
    const Origins unfed = head.is_given ? trace(scope, node_of(input), op, Part::kDefault) : Origins();
    for (const std::size_t argument : all.arguments) {
      const Sink sink{scope, argument, &op, head.arguments.contains(argument) ? Part::kHead : Part::kAll};
      if (seen_.insert(sink).second) waiting_.push_back(sink);
    }
    const std::string_view what = reads(op) ? "reads" : "writes";
    const bool is_given = all.is_given || !all.arguments.empty();
    const bool is_chosen = part == Part::kHead && !is_given && !all.is_unknown && !all.constants.empty();
    const auto climbs = [](std::string_view text) { return text.find("..") != std::string_view::npos; };
    std::string_view worst;
    for (const std::string_view text : all.constants)
      if ((is_chosen && text.size() > worst.size()) || climbs(text)) worst = text;
    for (const Origins* const origins : {&unfed, &head}) {
      const auto out = std::find_if(origins->constants.begin(), origins->constants.end(), leads_out);
      if (out != origins->constants.end()) worst = *out;
    }
    if (is_chosen || !worst.empty()) {
      add(Verdict::kMalicious, scope, node, "the operator {} {} a file that the graph chooses: '{}'", op.name, what,
          shortened(worst));
    } else if (op.effect != Effect::kOwnPath && node.op == op.name) {
      add(Verdict::kCode, scope, node, "the operator {} {} a file that is named when the graph runs", op.name, what);
    } else if (op.effect == Effect::kOwnPath &&
               (all.is_unknown || !head.constants.empty() || (part == Part::kHead && !is_given))) {
      add(Verdict::kCode, scope, node, "the operator {} {} a file whose name the graph works out", op.name, what);
    }
  }

  static bool reads(const Op& op) {
    return op.effect == Effect::kReads || op.name.find("Restore") != std::string_view::npos ||
           op.name.starts_with("Initialize");
  }

  using Place = std::pair<std::size_t, std::string_view>;  // scope, node

  Origins trace(std::size_t scope, std::string_view from, const Op& op, Part part) {
    const bool takes_assets = reads(op) && op.name.find("Restore") == std::string_view::npos;
    Origins origins;
    std::set<Place> met;
    std::vector<Place> waiting = {{scope, from}};
    while (!waiting.empty()) {
      const Place place = waiting.back();
      waiting.pop_back();
      if (place.second.starts_with('^') || !met.insert(place).second) continue;
      if (++steps_ > kMostSteps) return {.is_unknown = true};
      const auto found = nodes_[place.first].find(place.second);
      if (found != nodes_[place.first].end()) {
        // Loaders give an asset where they prepare the graph; to its results it is what it says, and to Python's objects.
        const bool is_prepared = !is_object_ && !signed_.contains(place.second);
        if (takes_assets && place.first == 0 && is_prepared && assets_.contains(place.second)) {
          origins.is_given = true;  // a file of the folder
        } else {
          pass(place.first, *found->second, part, origins, waiting);
        }
        continue;
      }
      const auto& arguments = graph_.scopes[place.first].arguments;
      const auto argument = std::find(arguments.begin(), arguments.end(), place.second);
      if (argument == arguments.end()) {
        origins.is_unknown = true;
      } else if (place.first == scope) {
        origins.arguments.insert(static_cast<std::size_t>(argument - arguments.begin()));
      }  // else an input of the call that led here, which is followed too
    }
    return origins;
  }

  // From a node to what its value is made of, or begins with.
  void pass(std::size_t scope, const Node& node, Part part, Origins& origins, std::vector<Place>& waiting) {
    if (node.constant && is_text(*node.constant)) take_texts(node, origins);
    for (const auto& [key, value] : node.texts) {
      if (!is_among(kParts, key) || (part != Part::kAll && key == "separator")) continue;
      origins.constants.emplace_back(value);
      steps_ += value.size() / 64;
      if (value.size() == kLongestText || value.ends_with('.')) origins.is_unknown = true;
    }
    for (const std::string& key : node.open)
      if (is_among(kParts, key)) origins.is_unknown = true;
    if (const auto* const values = assigned(scope, node)) {
      for (const std::string_view value : *values) waiting.emplace_back(scope, value);
      return;
    }
    bool is_call = false;
    for_each_called(node, [&](std::size_t called) {
      is_call = true;
      for (const std::string& value : graph_.scopes[called].returns) waiting.emplace_back(called, node_of(value));
    });
    // A placeholder's default is for whoever gives it nothing: nobody gives a function's anything.
    const bool is_default = node.op == "PlaceholderWithDefault" && (part == Part::kDefault || unfed_.contains(node.name));
    if (is_placeholder(node) && scope == 0 && !is_default) {
      origins.is_given = true;
      if (defaulted_.contains(node.name)) origins.is_unknown = true;
      if (part != Part::kAll) return;
    } else if (!is_call && !is_placeholder(node) && !is_among(kCarriers, node.op)) {
      origins.is_unknown = true;
    }
    for (const std::string& input : part == Part::kAll ? std::span<const std::string>(node.inputs) : leading(node))
      waiting.emplace_back(scope, node_of(input));
  }

  // What cannot be read, or could make ".." with what it is joined to, is not known.
  void take_texts(const Node& node, Origins& origins) {
    const auto [known, is_new] = texts_.try_emplace(&node);
    if (is_new) known->second = read_texts(*node.constant);
    if (!known->second) {
      origins.is_unknown = true;
      return;
    }
    const std::vector<std::string>& texts = *known->second;
    origins.constants.insert(origins.constants.end(), texts.begin(), texts.end());
    if (std::any_of(texts.begin(), texts.end(), [](const std::string& text) { return text.ends_with('.'); }))
      origins.is_unknown = true;
    for (const std::string& text : texts) steps_ += 1 + text.size() / 64;
  }

  // The texts of a constant, each once where it is repeated.
  std::optional<std::vector<std::string>> read_texts(const Blob& constant) {
    const auto tensor = read_tensorflow_tensor(ProtoReader(constant), std::nullopt, limits_);
    if (!tensor || tensor->bytes() > (1u << 20)) return std::nullopt;
    const auto bytes = tensor->read_bytes();
    if (!bytes) return std::nullopt;
    steps_ += bytes->size() / 64;
    std::vector<std::string> texts;
    for (auto rest = bytes->span(); rest.size() >= 8;) {
      const auto size = static_cast<std::size_t>(load_le<std::uint64_t>(rest.data()));
      if (size > rest.size() - 8) break;
      const std::string_view one = as_text(rest.subspan(8, size));
      if (texts.empty() || texts.back() != one) texts.emplace_back(one);
      rest = rest.subspan(8 + size);
    }
    return texts;
  }

  static std::string_view shortened(std::string_view text) { return text.substr(0, kLongestPlace); }

  template <class... Args>
  void add(Verdict severity, std::size_t scope, const Node& node, fmt::format_string<Args...> what, Args&&... args) {
    if (told_.is_full(severity, Rule::kTensorflowOperator)) return;
    const std::string_view function = shortened(graph_.scopes[scope].name);
    std::string place = text("{}: {}{}{}", where_, function, function.empty() ? "" : "/", shortened(node.name));
    told_.add({severity, Rule::kTensorflowOperator, std::move(place), text(what, std::forward<Args>(args)...)});
  }

  static constexpr std::uint64_t kMostSteps = 20'000'000;
  const MetaGraph& graph_;
  std::string_view where_;
  const Limits& limits_;
  Told& told_;
  std::vector<std::map<std::string_view, const Node*>> nodes_;           // by scope and name
  std::map<std::string_view, std::size_t> by_name_;                      // scopes
  std::map<std::string_view, std::vector<std::string_view>> variables_;  // by node: what is assigned
  std::set<std::string_view> assets_;                                    // nodes of the graph itself
  std::set<std::string_view> defaulted_;  // nodes of the graph that a signature gives a value of the file
  std::set<std::string_view> signed_;     // nodes of it that signatures' results need
  std::set<std::string_view> unfed_;      // nodes of it that run with nothing but their inputs
  std::map<std::size_t, std::vector<std::pair<std::size_t, const Node*>>> callers_;
  std::map<std::pair<std::size_t, std::size_t>, std::vector<const Node*>> captured_;  // by function and argument
  std::map<std::size_t, std::size_t> captures_;                                       // how many, by function
  bool is_object_ = false;  // what is followed is a constant as the graph of objects has it
  std::map<const Node*, std::optional<std::vector<std::string>>> texts_;
  std::set<Sink> seen_;
  std::deque<Sink> waiting_;
  std::uint64_t steps_ = 0;
};

}  // namespace

void judge_graph(const MetaGraph& graph, std::string_view where, const Limits& limits, Told& told) {
  Judge(graph, where, limits, told).run();
}

}  // namespace holdall::tf_savedmodel

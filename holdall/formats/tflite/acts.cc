// What running a graph would do beside computing: operators that LiteRT does not have itself, TensorFlow's among them.
#include <algorithm>
#include <map>
#include <set>

#include "holdall/base/text.h"
#include "holdall/formats/tflite/flex_node.h"
#include "holdall/formats/tflite/tflite.h"

namespace holdall::tflite {
namespace {

// Registered by LiteRT's own resolver (tflite/core/kernels/register.cc).
constexpr std::string_view kRegistered[] = {"NumericVerify", "Mfcc", "AudioSpectrogram", "TFLite_Detection_PostProcess",
                                            "aeq.hadamard_rotation"};
// TensorFlow's operators by their names behind it.
constexpr std::string_view kFlex = "Flex";

enum class Effect : std::uint8_t { kReads, kWrites, kOwnPath, kForeign };
struct TensorFlowOp {
  std::string_view name;
  int path;
  std::string_view attribute;
  Effect effect;
};
constexpr TensorFlowOp kOps[] = {
#define HOLDALL_GRAPH_OP(name, path, attribute, effect) {name, path, attribute, Effect::effect},
#include "holdall/formats/tensorflow_ops.inc"
#undef HOLDALL_GRAPH_OP
};

class Judge {
 public:
  Judge(const Graph& graph, Findings& findings) : graph_(graph), findings_(findings) {}

  void run() {
    for (const SubgraphRecord& subgraph : graph_.subgraphs)
      for (const OperatorRecord& op : subgraph.operators)
        if (graph_.codes[op.code].is_custom()) look_at(subgraph, op);
  }

 private:
  void look_at(const SubgraphRecord& subgraph, const OperatorRecord& op) {
    const std::string& name = graph_.codes[op.code].custom;
    if (name.starts_with(kFlex)) return look_at_flex(subgraph, op, std::string_view(name).substr(kFlex.size()));
    if (std::find(std::begin(kRegistered), std::end(kRegistered), name) != std::end(kRegistered)) return;
    add(op, Verdict::kCode, text("the operator '{}' is not LiteRT's: it is run by a library that the caller has loaded", name),
        name);
  }

  // By the name that the graph says, and by the one that its options say, which is what runs.
  void look_at_flex(const SubgraphRecord& subgraph, const OperatorRecord& op, std::string_view name) {
    const Result<std::string> node = node_of(op);
    if (!node) return add(op, Verdict::kUnreadable, node.error().to_string());
    for (const TensorFlowOp& each : kOps)
      if (each.name == name || each.name == *node) judge(subgraph, op, each);
  }

  Result<std::string> node_of(const OperatorRecord& op) {
    const bool is_beyond = op.options_offset > 1;  // as LiteRT has it
    const std::uint64_t size = is_beyond ? op.options_size : op.custom_size;
    if (size == 0) return std::string();
    const std::uint64_t at = is_beyond ? op.options_offset : op.custom_options - graph_.file.offset();
    // Operators may share their options, which are looked at for each of them.
    if (size > left_) return over_limit("the options of its operators are more than the file").in(graph_.file.name());
    left_ -= size;
    HOLDALL_ASSIGN(const Blob options, graph_.file.slice(at, size));
    return operator_of_node(options, size);
  }

  void judge(const SubgraphRecord& subgraph, const OperatorRecord& op, const TensorFlowOp& known) {
    if (known.effect == Effect::kForeign) {
      add(op, Verdict::kCode, text("TensorFlow's {} runs code of the process or of another one", known.name));
      return;
    }
    const std::int32_t path = known.path < 0 || static_cast<std::size_t>(known.path) >= op.inputs.size()
                                  ? -1
                                  : op.inputs[static_cast<std::size_t>(known.path)];
    const bool is_own = path >= 0 && has_data(graph_, subgraph.tensors[static_cast<std::size_t>(path)]);
    const std::string_view what = known.effect == Effect::kReads    ? "reads a file"
                                  : known.effect == Effect::kWrites ? "writes a file"
                                                                    : "reads or writes a file";
    add(op, is_own ? Verdict::kMalicious : Verdict::kCode,
        text("TensorFlow's {} {}{}", known.name, what, is_own ? " of the model's choice" : ""));
  }

  // One finding for all operators of a code that are alike.
  void add(const OperatorRecord& op, Verdict severity, std::string what, std::string subject = {}) {
    if (!told_.emplace(op.code, severity).second) return;
    findings_.push_back(
        {severity, Rule::kTfliteOperator, text("{}@{}", graph_.file.name(), op.place), std::move(what), std::move(subject)});
  }

  const Graph& graph_;
  Findings& findings_;
  std::set<std::pair<std::uint32_t, Verdict>> told_;
  std::uint64_t left_ = graph_.file.size() + (1u << 24);
};

}  // namespace

void judge_operators(const Graph& graph, Findings& findings) { Judge(graph, findings).run(); }

}  // namespace holdall::tflite

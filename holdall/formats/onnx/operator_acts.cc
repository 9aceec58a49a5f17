#include <algorithm>
#include <set>

#include "holdall/base/text.h"
#include "holdall/formats/onnx/onnx.h"
#include "holdall/objects/told.h"

namespace holdall::onnx {
namespace {

struct Op {
  std::string_view domain, name;
  Verdict verdict;
  std::string_view what;
};
constexpr Op kOps[] = {
#define HOLDALL_ONNX_OP(domain, name, verdict, what) {domain, name, Verdict::verdict, what},
#include "holdall/formats/onnx/onnx_ops.inc"
#undef HOLDALL_ONNX_OP
#define HOLDALL_ONNX_OPERATOR(domain, name) {domain, name, Verdict::kInert, ""},
#include "holdall/formats/onnx/onnx_operators.inc"
#undef HOLDALL_ONNX_OPERATOR
};

// nullptr: not in the tables.
const Op* known(const OperatorName& name) {
  const std::string_view type = std::string_view(name.second).substr(0, name.second.find(':'));
  const auto found = std::find_if(std::begin(kOps), std::end(kOps), [&](const Op& each) {
    return each.domain == name.first && (each.name.empty() || each.name == type);
  });
  return found == std::end(kOps) ? nullptr : &*found;
}

}  // namespace

void judge_operators(const ModelFile& model, std::string_view where, Findings& findings) {
  const std::set<OperatorName> own(model.functions.begin(), model.functions.end());
  Told told(findings);
  for (const auto& [name, op] : model.operators) {
    const Op* const row = known(name);
    const bool is_inert = row != nullptr && row->verdict == Verdict::kInert;
    if (is_inert || own.contains(name)) continue;
    const Verdict severity = row != nullptr ? row->verdict : Verdict::kCode;
    const Rule rule = row != nullptr ? Rule::kOnnxOperator : Rule::kOnnxCustomOperator;
    if (told.is_full(severity, rule)) continue;
    const std::string at = text("{}: {}", where, op.first.substr(0, kLongestPlace));
    if (row != nullptr) {
      told.add({severity, rule, at, text("{} {}", name.second, row->what)});
    } else {
      told.add({severity, rule, at, text("{} comes from a library that must be loaded for it", operator_text(name)),
                text("{}.{}", name.first.empty() ? "ai.onnx" : name.first, name.second)});
    }
  }
  for (const ContextFile& file : model.context_files) {
    if (is_contained(file.path) || told.is_full(Verdict::kMalicious, Rule::kOnnxOperator)) continue;
    told.add({Verdict::kMalicious, Rule::kOnnxOperator, text("{}: {}", where, file.node.substr(0, kLongestPlace)),
              text("EPContext loads native code from outside the model's folder: '{}'", file.path)});
  }
}

}  // namespace holdall::onnx

#include "holdall/formats/pytorch/instantiator.h"

#include <string>

#include "holdall/base/among.h"
#include "holdall/base/printable.h"
#include "holdall/base/text.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/told.h"

namespace holdall::pytorch {
namespace {

constexpr std::string_view kKey = "_instantiator";
constexpr std::string_view kOwn[] = {"lightning.pytorch.cli.instantiate_module", "pytorch_lightning.cli.instantiate_module"};

void judge_entry(Value key, Value value, std::string_view where, Told& told) {
  if (!key.is(ValueKind::kString) || key.as_string() != kKey || value.is(ValueKind::kNull)) return;
  // What no plain text says is made while the pickle runs.
  const std::string name = value.is(ValueKind::kString) ? std::string(value.as_string()) : "?";
  const Verdict verdict = verdict_of_instantiator(name);
  if (verdict == Verdict::kInert || told.is_full(verdict, Rule::kHydraTarget)) return;
  told.add(
      {verdict, Rule::kHydraTarget, std::string(where), text("Lightning calls '{}' to make the model", printable(name)), name});
}

}  // namespace

Verdict verdict_of_instantiator(std::string_view name) {
  if (is_among(kOwn, name)) return Verdict::kInert;
  const std::size_t dot = name.rfind('.');
  const bool is_malicious =
      dot != name.npos && verdict_of_global(name.substr(0, dot), name.substr(dot + 1)) == Verdict::kMalicious;
  return is_malicious ? Verdict::kMalicious : Verdict::kCode;
}

void judge_instantiator(const Arena& arena, std::string_view where, Findings& findings) {
  Told told(findings);
  for (NodeId node = 0; node < arena.size(); ++node) {
    const Value value = arena.at(node);
    const bool is_pair = (value.is(ValueKind::kList) || value.is(ValueKind::kTuple)) && value.size() == 2;
    if (is_pair) {  // of what a dict is called with
      judge_entry(value.item(0), value.item(1), where, told);
    } else if (value.is(ValueKind::kDict)) {
      for (std::size_t i = 0; i < value.size(); ++i) judge_entry(value.key(i), value.mapped(i), where, told);
    } else if (value.is(ValueKind::kObject)) {
      const auto& pairs = value.as_object().pairs;
      for (std::size_t i = 0; i + 1 < pairs.size(); i += 2)
        judge_entry(arena.at(pairs[i]), arena.at(pairs[i + 1]), where, told);
    }
  }
}

}  // namespace holdall::pytorch

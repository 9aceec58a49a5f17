#include "holdall/trust/config_texts.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "holdall/formats/chat_template.h"
#include "holdall/formats/encoded.h"

namespace holdall {
namespace {

// "system_prompt", "doc_to_text", "initial_plan", "prefix", …
constexpr std::string_view kRendered[] = {"agent",  "doc_to_", "jinja", "plan",    "prefix",
                                          "prompt", "suffix",  "task",  "template"};

}  // namespace

bool may_be_template(std::string_view said) noexcept { return said.find("{{") != said.npos || said.find("{%") != said.npos; }

bool is_rendered(std::string_view name) noexcept {
  return std::any_of(std::begin(kRendered), std::end(kRendered),
                     [&](std::string_view word) { return name.find(word) != name.npos; });
}

void judge_encoded_text(std::string_view said, std::string_view place, const Limits& limits, Told& told) {
  Findings found;
  judge_maybe_encoded(said, place, {.limits = limits}, found);
  for (Finding& finding : found) told.add(std::move(finding));
}

void judge_rendered_text(std::string_view said, std::string_view place, Told& told) {
  Findings found;
  judge_chat_template(said, place, found);
  for (Finding& finding : found)
    if (finding.severity == Verdict::kMalicious) told.add(std::move(finding));
}

}  // namespace holdall

#include "holdall/trust/config_texts.h"

#include "holdall/formats/chat_template.h"
#include "holdall/trust/encoded.h"

namespace holdall {
namespace {

bool may_be_template(std::string_view said) noexcept { return said.find("{{") != said.npos || said.find("{%") != said.npos; }

}  // namespace

bool may_be_more(std::string_view said) noexcept { return may_be_encoded(said) || may_be_template(said); }

void judge_config_text(std::string_view said, std::string_view place, const Limits& limits, Told& told) {
  Findings found;
  judge_maybe_encoded(said, place, limits, found);
  for (Finding& finding : found) told.add(std::move(finding));
  if (!may_be_template(said)) return;
  found.clear();
  judge_chat_template(said, place, found);
  for (Finding& finding : found)
    if (finding.severity == Verdict::kMalicious) told.add(std::move(finding));
}

}  // namespace holdall

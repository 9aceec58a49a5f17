// Any bytes as a chat template: code that stands before it is found whatever follows, text before it changes nothing, and in a
// comment it does nothing.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/formats/chat_template.h"
#include "holdall/formats/jinja_code.h"
#include "tests/fuzz/formats.h"

namespace {

using namespace holdall;
using fuzz::require;

Findings judged(const std::string& jinja) {
  Findings findings;
  judge_chat_template(jinja, "input", findings);
  return findings;
}

bool is_same(const Findings& one, const Findings& other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](const Finding& a, const Finding& b) { return a.severity == b.severity && a.what == b.what; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  std::size_t held = 0;
  for (const JinjaCode& code : jinja_code(input))
    for (const JinjaToken& token : code.tokens) held += token.value.size();
  require(held <= size);
  const Findings findings = judged(input);
  for (const Finding& finding : findings)
    require(finding.severity != Verdict::kInert && !finding.what.empty() && finding.what.size() <= 2'000);
  require(is_same(findings, judged("Hello, " + input)));
  const Findings behind = judged("{{ x.__class__ }}" + input);
  require(std::any_of(behind.begin(), behind.end(),
                      [](const Finding& finding) { return finding.severity == Verdict::kMalicious; }));
  if (input.find("#}") == std::string::npos && !input.ends_with('#')) require(judged("{# " + input + " #}").empty());
  return 0;
}

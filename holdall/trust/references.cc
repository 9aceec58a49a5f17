#include "holdall/trust/references.h"

#include <vector>

#include "holdall/base/text.h"

namespace holdall {
namespace {

struct Visit {
  Value value;
  std::string path;
};

void report_strings(Value value, const std::string& place, Rule rule, std::string_view means, Findings& findings) {
  std::vector<Visit> stack = {{value, {}}};
  while (!stack.empty()) {
    const Value one = stack.back().value;
    stack.pop_back();
    if (one.is(ValueKind::kString)) {
      findings.push_back({Verdict::kCode, rule, place, text("{} '{}'", means, one.as_string()), std::string(one.as_string())});
    } else if (one.is(ValueKind::kDict)) {
      for (std::size_t i = one.size(); i-- > 0;) stack.push_back({one.mapped(i), {}});
    } else if (one.is(ValueKind::kList)) {
      for (std::size_t i = one.size(); i-- > 0;) stack.push_back({one.item(i), {}});
    }
  }
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// A line without its comment; '#' begins one at the start or behind white space, outside of quotes.
std::string_view without_comment(std::string_view line) {
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t')) {
      return line.substr(0, i);
    }
  }
  return line;
}

}  // namespace

void judge_references(Value document, std::string_view where, Findings& findings) {
  std::vector<Visit> stack = {{document, {}}};
  while (!stack.empty()) {
    Visit visit = std::move(stack.back());
    stack.pop_back();
    if (visit.value.is(ValueKind::kList)) {
      for (std::size_t i = visit.value.size(); i-- > 0;)
        stack.push_back({visit.value.item(i), visit.path + "/" + std::to_string(i)});
      continue;
    }
    if (!visit.value.is(ValueKind::kDict)) continue;
    for (std::size_t i = visit.value.size(); i-- > 0;) {
      const Value key = visit.value.key(i);
      const std::string_view name = key.is(ValueKind::kString) ? key.as_string() : std::string_view();
      std::string path = text("{}/{}", visit.path, name);
      const Value mapped = visit.value.mapped(i);
      const std::string place = text("{}#{}", where, path);
      if (name == "auto_map") {
        report_strings(mapped, place, Rule::kAutoMap,
                       "with trust_remote_code the loader runs Python from the repository:", findings);
      } else if (name == "custom_pipelines") {
        report_strings(mapped, place, Rule::kCustomPipeline, "the loader runs Python from the repository:", findings);
      } else if (name == "_target_" && mapped.is(ValueKind::kString)) {
        report_strings(mapped, place, Rule::kHydraTarget, "instantiating this configuration calls", findings);
      }
      stack.push_back({mapped, std::move(path)});
    }
  }
}

void judge_yaml(std::string_view text_, std::string_view where, Findings& findings) {
  std::size_t number = 0;
  while (!text_.empty()) {
    const std::size_t end = text_.find('\n');
    const std::string_view line = without_comment(text_.substr(0, end));
    text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
    ++number;
    const std::string place = text("{} line {}", where, number);
    for (const std::string_view tag : {"!!python/", "!<tag:yaml.org,2002:python/", "tag:yaml.org,2002:python/"}) {
      const std::size_t at = line.find(tag);
      if (at == std::string_view::npos) continue;
      const std::string_view shown = trimmed(line.substr(at)).substr(0, 120);
      const bool applies =
          shown.find("object/apply") != std::string_view::npos || shown.find("object/new") != std::string_view::npos;
      findings.push_back({applies ? Verdict::kMalicious : Verdict::kCode, Rule::kYamlTag, place,
                          text("yaml.load makes a Python object: {}", shown)});
      break;
    }
    std::string_view entry = trimmed(line);
    while (entry.starts_with("- ")) entry = trimmed(entry.substr(2));
    if (entry.starts_with("_target_:")) {
      const std::string_view target = trimmed(entry.substr(9));
      findings.push_back({Verdict::kCode, Rule::kHydraTarget, place,
                          text("instantiating this configuration calls '{}'", target.substr(0, 120)), std::string(target)});
    }
  }
}

}  // namespace holdall

#include "holdall/ops/glob.h"

#include <algorithm>

#include "holdall/base/text.h"
#include "holdall/core/model.h"

namespace holdall {
namespace {

// Matches one character against the set that starts behind '[' at glob[at]; moves `at` behind its ']'. Without a ']' the '[' is
// an ordinary character.
bool set_matches(std::string_view glob, std::size_t& at, char c) noexcept {
  std::size_t i = at;
  const bool negated = i < glob.size() && (glob[i] == '!' || glob[i] == '^');
  if (negated) ++i;
  const std::size_t first = i;
  bool found = false;
  for (; i < glob.size() && (glob[i] != ']' || i == first); ++i) {
    if (i + 2 < glob.size() && glob[i + 1] == '-' && glob[i + 2] != ']') {
      found = found || (glob[i] <= c && c <= glob[i + 2]);
      i += 2;
    } else {
      found = found || glob[i] == c;
    }
  }
  if (i >= glob.size()) return c == '[';
  at = i + 1;
  return found != negated;
}

// Matches one character of the glob other than '*' at glob[at]; moves `at` behind it.
bool one_matches(std::string_view glob, std::size_t& at, char c) noexcept {
  const char want = glob[at++];
  if (want == '?') return true;
  if (want == '[') return set_matches(glob, at, c);
  if (want == '\\' && at < glob.size()) return glob[at++] == c;
  return want == c;
}

}  // namespace

bool glob_matches(std::string_view glob, std::string_view name) noexcept {
  std::size_t g = 0, n = 0;
  std::size_t star = std::string_view::npos, star_name = 0;
  while (n < name.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = ++g;
      star_name = n;
      continue;
    }
    if (g < glob.size() && one_matches(glob, g, name[n])) {
      ++n;
      continue;
    }
    if (star == std::string_view::npos) return false;
    g = star;  // let the last '*' take one character more
    n = ++star_name;
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

bool any_glob_matches(std::span<const std::string> globs, std::string_view name) noexcept {
  return globs.empty() || std::any_of(globs.begin(), globs.end(), [&](const std::string& g) { return glob_matches(g, name); });
}

Status require_matches(std::span<const std::string> globs, const std::vector<std::string>& names) {
  for (const std::string& glob : globs) {
    const auto fits = [&](const std::string& name) { return glob_matches(glob, name); };
    if (std::any_of(names.begin(), names.end(), fits)) continue;
    const std::vector<std::string> near = nearest_names(glob, names);
    return not_found(text("none of {} tensors is named '{}'{}", names.size(), glob,
                          near.empty() ? "" : text("; did you mean '{}'?", near.front())));
  }
  return {};
}

Status check_rules(std::span<const std::pair<std::string, std::string>> rules) {
  const auto stars = [](std::string_view side) { return std::count(side.begin(), side.end(), '*'); };
  for (const auto& [from, to] : rules) {
    const auto fault = [&](std::string_view what) { return invalid_argument(text("rename '{}={}' {}", from, to, what)); };
    if (from.empty() || to.empty()) return fault("has an empty side");
    if (stars(from) > 1 || stars(to) > 1) return fault("has more than one '*' on a side");
    if (stars(from) != stars(to)) return fault("has a '*' on one side alone");
  }
  return {};
}

std::optional<std::string> renamed(std::span<const std::pair<std::string, std::string>> rules, std::string_view name) {
  for (const auto& [old_name, new_name] : rules) {
    const std::size_t star = old_name.find('*');
    if (star == std::string::npos) {
      if (name == old_name) return new_name;
      continue;
    }
    const std::string_view before = std::string_view(old_name).substr(0, star);
    const std::string_view behind = std::string_view(old_name).substr(star + 1);
    if (name.size() < before.size() + behind.size() || !name.starts_with(before) || !name.ends_with(behind)) continue;
    std::string result = new_name;
    const std::string_view run = name.substr(before.size(), name.size() - before.size() - behind.size());
    return result.replace(result.find('*'), 1, run);
  }
  return std::nullopt;
}

}  // namespace holdall

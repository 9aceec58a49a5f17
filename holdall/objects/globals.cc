#include "holdall/objects/globals.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <tuple>
#include <vector>

namespace holdall {

namespace {

constexpr std::string_view kBuilderNames[] = {
#define HOLDALL_BUILDER(id, name) name,
#define HOLDALL_GLOBAL(module, global, verdict, builder)
#define HOLDALL_ROOT(module)
#include "holdall/objects/globals.inc"
#undef HOLDALL_BUILDER
#undef HOLDALL_GLOBAL
};

constexpr GlobalRow kRows[] = {
#define HOLDALL_BUILDER(id, name)
#define HOLDALL_GLOBAL(module, global, verdict, builder) {module, global, Verdict::verdict, Builder::builder},
#include "holdall/objects/globals.inc"
#undef HOLDALL_GLOBAL
#undef HOLDALL_ROOT
};

constexpr std::string_view kRoots[] = {
#define HOLDALL_GLOBAL(module, global, verdict, builder)
#define HOLDALL_ROOT(module) module,
#include "holdall/objects/globals.inc"
#undef HOLDALL_BUILDER
#undef HOLDALL_GLOBAL
#undef HOLDALL_ROOT
};

bool row_before(const GlobalRow& a, const GlobalRow& b) noexcept {
  return std::tie(a.name, a.module) < std::tie(b.name, b.module);
}

// The rows by name, then module; built once, on first use.
const std::vector<GlobalRow>& sorted_rows() {
  static const std::vector<GlobalRow> rows = [] {
    std::vector<GlobalRow> sorted(std::begin(kRows), std::end(kRows));
    std::sort(sorted.begin(), sorted.end(), row_before);
    return sorted;
  }();
  return rows;
}

bool is_root(std::string_view module) noexcept {
  return std::find(std::begin(kRoots), std::end(kRoots), module) != std::end(kRoots);
}

std::string_view first_component(std::string_view dotted) noexcept { return dotted.substr(0, dotted.find('.')); }

}  // namespace

std::string_view name(Builder builder) noexcept { return kBuilderNames[static_cast<std::size_t>(builder)]; }

const GlobalRow* find_global(std::string_view module, std::string_view name) noexcept {
  const auto& rows = sorted_rows();
  const GlobalRow wanted = {module, name, Verdict::kInert, Builder::kObject};
  const auto place = std::lower_bound(rows.begin(), rows.end(), wanted, row_before);
  return place != rows.end() && place->module == module && place->name == name ? &*place : nullptr;
}

Builder builder_of(std::string_view module, std::string_view name) noexcept {
  const GlobalRow* row = find_global(module, name);
  return row == nullptr ? Builder::kObject : row->builder;
}

Verdict verdict_of_global(std::string_view module, std::string_view name) noexcept {
  if (const GlobalRow* row = find_global(module, name)) return row->verdict;
  if (is_root(first_component(module))) return Verdict::kMalicious;
  // "os.system" looked up in a stranger's module reaches what that module imports.
  if (name.find('.') == std::string_view::npos) return Verdict::kCode;
  for (std::string_view rest = name; !rest.empty();) {
    const std::string_view component = first_component(rest);
    if (is_root(component) || component.starts_with("__")) return Verdict::kMalicious;
    rest.remove_prefix(std::min(rest.size(), component.size() + 1));
  }
  return Verdict::kCode;
}

}  // namespace holdall

#include "holdall/objects/globals.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "holdall/base/keyed_hash.h"

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

// Where the rows are, by open addressing: 0 is free, else a row's number and one. Built once, on first use.
constexpr std::size_t kSlots = 16384;
static_assert(2 * std::size(kRows) < kSlots);
using Slots = std::array<std::uint16_t, kSlots>;

std::size_t next(std::size_t slot) noexcept { return (slot + 1) % kSlots; }

std::size_t first_slot(std::string_view module, std::string_view name) noexcept {
  return (keyed_hash(module) * 3 + keyed_hash(name)) % kSlots;
}

const Slots& row_slots() noexcept {
  static const Slots slots = [] {
    Slots made{};
    for (std::size_t i = 0; i < std::size(kRows); ++i) {
      std::size_t slot = first_slot(kRows[i].module, kRows[i].name);
      while (made[slot] != 0) slot = next(slot);
      made[slot] = static_cast<std::uint16_t>(i + 1);
    }
    return made;
  }();
  return slots;
}

// Listed itself, without what is below it.
bool is_root(std::string_view module) noexcept {
  static const auto sorted = [] {
    std::array<std::string_view, std::size(kRoots)> made;
    std::copy(std::begin(kRoots), std::end(kRoots), made.begin());
    std::sort(made.begin(), made.end());
    return made;
  }();
  return std::binary_search(sorted.begin(), sorted.end(), module);
}

std::string_view first_component(std::string_view dotted) noexcept { return dotted.substr(0, dotted.find('.')); }

}  // namespace

std::string_view name(Builder builder) noexcept { return kBuilderNames[static_cast<std::size_t>(builder)]; }

const GlobalRow* find_global(std::string_view module, std::string_view name) noexcept {
  const Slots& slots = row_slots();
  for (std::size_t slot = first_slot(module, name); slots[slot] != 0; slot = next(slot)) {
    const GlobalRow& row = kRows[slots[slot] - 1];
    if (row.name == name && row.module == module) return &row;
  }
  return nullptr;
}

Builder builder_of(std::string_view module, std::string_view name) noexcept {
  const GlobalRow* row = find_global(module, name);
  return row == nullptr ? Builder::kObject : row->builder;
}

bool is_of_known_module(std::string_view module) noexcept {
  for (std::size_t end = module.find('.'); end != std::string_view::npos; end = module.find('.', end + 1))
    if (is_root(module.substr(0, end))) return true;
  return is_root(module);
}

Verdict verdict_of_global(std::string_view module, std::string_view name) noexcept {
  if (const GlobalRow* row = find_global(module, name)) return row->verdict;
  if (is_of_known_module(module)) return Verdict::kMalicious;
  // "os.system" looked up in a stranger's module reaches what that module imports.
  if (name.find('.') == std::string_view::npos) return Verdict::kCode;
  // A memory format says its name alone, "torch.channels_last", and pickle looks for a module that has a torch.
  constexpr std::string_view kTorch = "torch.";
  if (name.starts_with(kTorch) && builder_of("torch", name.substr(kTorch.size())) == Builder::kMemoryFormat) {
    return Verdict::kCode;
  }
  for (std::string_view rest = name; !rest.empty();) {
    const std::string_view component = first_component(rest);
    if (is_root(component) || component.starts_with("__")) return Verdict::kMalicious;
    rest.remove_prefix(std::min(rest.size(), component.size() + 1));
  }
  return Verdict::kCode;
}

}  // namespace holdall

// What the globals in a pickle mean and whether they are inert: globals.inc is the one table, by exact (module, name).
//
// Thread-safety: pure functions over constant tables.
#pragma once

#include <cstdint>
#include <string_view>

#include "holdall/objects/verdict.h"

namespace holdall {

// What a listed global builds. The Python package maps the same names to functions.
enum class Builder : std::uint8_t {
#define HOLDALL_BUILDER(id, name) id,
#define HOLDALL_GLOBAL(module, global, verdict, builder)
#define HOLDALL_ROOT(module)
#include "holdall/objects/globals.inc"
#undef HOLDALL_BUILDER
#undef HOLDALL_GLOBAL
#undef HOLDALL_ROOT
};
std::string_view name(Builder builder) noexcept;

struct GlobalRow {
  std::string_view module;
  std::string_view name;
  Verdict verdict;
  Builder builder;
};

// The row of a listed global; nullptr when it is not listed.
const GlobalRow* find_global(std::string_view module, std::string_view name) noexcept;
// kObject for what is not listed.
Builder builder_of(std::string_view module, std::string_view name) noexcept;
// Whether a module is of the standard library, a framework or another library in the table of roots.
bool is_of_known_module(std::string_view module) noexcept;
// Unlisted: malicious for a name of the standard library or of a framework in the table of roots, and for a dotted name that
// reaches one of those through another module; else code.
Verdict verdict_of_global(std::string_view module, std::string_view name) noexcept;

}  // namespace holdall

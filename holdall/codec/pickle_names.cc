#include "holdall/codec/pickle_names.h"

#include <span>

namespace holdall::pickle_names {
namespace {

struct NameRow {
  Name from;
  Name to;
};
struct ModuleRow {
  std::string_view from;
  std::string_view to;
};

#define HOLDALL_PYTHON2_MODULE(from, to)
#define HOLDALL_PYTHON3_NAME(from_module, from_name, to_module, to_name)
#define HOLDALL_PYTHON3_MODULE(from, to)
constexpr NameRow kNamesFrom2[] = {
#define HOLDALL_PYTHON2_NAME(from_module, from_name, to_module, to_name) {{from_module, from_name}, {to_module, to_name}},
#include "holdall/codec/pickle_names.inc"
#undef HOLDALL_PYTHON2_NAME
};
#define HOLDALL_PYTHON2_NAME(from_module, from_name, to_module, to_name)
#undef HOLDALL_PYTHON2_MODULE
constexpr ModuleRow kModulesFrom2[] = {
#define HOLDALL_PYTHON2_MODULE(from, to) {from, to},
#include "holdall/codec/pickle_names.inc"
#undef HOLDALL_PYTHON2_MODULE
};
#define HOLDALL_PYTHON2_MODULE(from, to)
#undef HOLDALL_PYTHON3_NAME
constexpr NameRow kNamesFrom3[] = {
#define HOLDALL_PYTHON3_NAME(from_module, from_name, to_module, to_name) {{from_module, from_name}, {to_module, to_name}},
#include "holdall/codec/pickle_names.inc"
#undef HOLDALL_PYTHON3_NAME
};
#define HOLDALL_PYTHON3_NAME(from_module, from_name, to_module, to_name)
#undef HOLDALL_PYTHON3_MODULE
constexpr ModuleRow kModulesFrom3[] = {
#define HOLDALL_PYTHON3_MODULE(from, to) {from, to},
#include "holdall/codec/pickle_names.inc"
#undef HOLDALL_PYTHON3_MODULE
};
#undef HOLDALL_PYTHON2_NAME
#undef HOLDALL_PYTHON2_MODULE
#undef HOLDALL_PYTHON3_NAME

Name renamed(Name name, std::span<const NameRow> names, std::span<const ModuleRow> modules) {
  for (const NameRow& row : names)
    if (row.from.module == name.module && row.from.name == name.name) return row.to;
  for (const ModuleRow& row : modules)
    if (row.from == name.module) return {row.to, name.name};
  return name;
}

}  // namespace

Name for_python3(Name old) { return renamed(old, kNamesFrom2, kModulesFrom2); }
Name for_python2(Name current) { return renamed(current, kNamesFrom3, kModulesFrom3); }

}  // namespace holdall::pickle_names

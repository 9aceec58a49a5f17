#include "holdall/formats/torch_export/tree_spec.h"

#include <algorithm>
#include <string>

#include "holdall/base/text.h"
#include "holdall/codec/json.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/told.h"

namespace holdall::torch_export {

namespace {

class TreeJudge {
 public:
  TreeJudge(std::string_view where, Findings& findings) : where_(where), told_(findings) {}

  void tree(std::string_view spec) {
    Arena arena;
    if (const Status read = parse(arena, spec); !read) return refuse(read.error());
    for (NodeId node = 0; node < arena.size(); ++node) {
      const Value value = arena.at(node);
      if (!value.is(ValueKind::kDict)) continue;
      if (const auto context = value.find_string("context")) context_of(*context);
      if (const auto type = value.find_string("type"); type && type->find(':') != type->npos) of_transformers(*type);
      default_factory(value);
    }
  }

 private:
  // JSON within JSON; what has a form of its own is no JSON and imports nothing.
  void context_of(std::string_view context) {
    Arena arena;
    const Status read = parse(arena, context);
    if (!read && read.error().code() == Code::kLimit) return refuse(read.error());
    if (!read) return;
    for (NodeId node = 0; node < arena.size(); ++node) {
      const Value value = arena.at(node);
      if (!value.is(ValueKind::kDict)) continue;
      if (value.find("__enum__")) named(value.find_string("fqn").value_or(""));
      // What transformers puts together again: {"_t": "seq", "p": "module:Class", …}.
      if (const auto path = value.find("_t") ? value.find_string("p") : std::nullopt) of_transformers(*path);
    }
  }

  // Its own classes do no more than keep what they are given.
  void of_transformers(std::string_view path) {
    if (!path.starts_with("transformers.")) named(path);
  }

  void named(std::string_view name) {
    const std::size_t colon = std::min(name.find(':'), name.size());
    imports(name.substr(0, colon), name.substr(std::min(colon + 1, name.size())));
  }

  void default_factory(Value value) {
    const auto module = value.find_string("default_factory_module");
    if (module) imports(*module, value.find_string("default_factory_name").value_or(""));
  }

  void imports(std::string_view module, std::string_view name) {
    const Verdict verdict = verdict_of_global(module, name);
    if (verdict == Verdict::kInert || told_.is_full(verdict, Rule::kExportTarget)) return;
    std::string subject = text("{}.{}", module, name).substr(0, kLongestPlace);
    told_.add({verdict, Rule::kExportTarget, where_, text("the tree of its arguments imports {}", subject), subject});
  }

  // As Python reads it: of a key that stands twice the last.
  static Status parse(Arena& arena, std::string_view json) {
    const JsonOptions options{.surrogates = JsonOptions::Surrogates::kReplace, .repeated = JsonOptions::Repeated::kLast};
    HOLDALL_ASSIGN([[maybe_unused]] const NodeId root, parse_json(arena, json, options));
    return {};
  }

  void refuse(const Error& error) {
    if (told_.is_full(Verdict::kUnreadable, Rule::kNotUnderstood)) return;
    told_.add({Verdict::kUnreadable, Rule::kNotUnderstood, where_, text("the tree of its arguments: {}", error.to_string())});
  }

  std::string where_;
  Told told_;
};

}  // namespace

void judge_tree_spec(std::string_view spec, std::string_view where, Findings& findings) {
  if (!spec.empty()) TreeJudge(where, findings).tree(spec);
}

}  // namespace holdall::torch_export

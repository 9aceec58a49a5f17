#include "holdall/trust/yaml_mappings.h"

namespace holdall {

void YamlMappings::look_at(const YamlToken& token) {
  if (token.kind == YamlKind::kOpen) ++brackets_;
  if (token.kind == YamlKind::kClose && brackets_ > 0) leave(--brackets_, static_cast<std::size_t>(-1));
  if (token.kind == YamlKind::kDocument) leave(brackets_ = 0, 0);
  if (token.kind == YamlKind::kEntry) leave(brackets_, token.column + 1);
  // A node begins with its tags and anchors; as a key, it is on one line with them.
  const bool is_before = token.kind == YamlKind::kTag || token.kind == YamlKind::kAnchor;
  const bool is_node = is_before || token.kind == YamlKind::kScalar || token.kind == YamlKind::kAlias;
  if (is_node && (!is_within_ || token.line != line_)) column_ = token.column;
  is_within_ = is_before;
  line_ = token.line;
}

YamlMapping& YamlMappings::at_key() {
  leave(brackets_, column_ + 1);
  const bool is_open =
      !open_.empty() && open_.back().brackets == brackets_ && (brackets_ > 0 || open_.back().column == column_);
  if (!is_open) open_.push_back({brackets_, column_});
  return open_.back();
}

// What is nested deeper than that is closed.
void YamlMappings::leave(std::size_t brackets, std::size_t column) {
  const auto is_deeper = [&](const YamlMapping& mapping) {
    return mapping.brackets > brackets || (brackets == 0 && mapping.brackets == 0 && mapping.column >= column);
  };
  while (!open_.empty() && is_deeper(open_.back())) open_.pop_back();
}

}  // namespace holdall

// Which mapping of a YAML text a key stands in, by its tokens alone.
//
// Thread-safety: none. Ownership: owns what it keeps.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "holdall/codec/yaml.h"
#include "holdall/objects/verdict.h"

namespace holdall {

// By the column of its keys in a block, by the number of open brackets within those.
struct YamlMapping {
  std::size_t brackets = 0, column = 0;
  std::optional<Finding> named = std::nullopt;  // what its "name" says
  bool has_parameters = false;
};

class YamlMappings {
 public:
  // Each token in turn.
  void look_at(const YamlToken& token);
  // That of the key whose ':' was the last token.
  YamlMapping& at_key();

 private:
  void leave(std::size_t brackets, std::size_t column);

  std::vector<YamlMapping> open_;
  std::size_t brackets_ = 0, column_ = 0, line_ = 0;
  bool is_within_ = false;
};

}  // namespace holdall

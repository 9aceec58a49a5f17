// YAML 1.1 by its tokens, as PyYAML scans them: which scalars, tags, keys and aliases a text holds, and where. No tree is
// built.
//
// Comments, quotes over several lines, block scalars, flow collections and %TAG directives are told apart as PyYAML does, so
// that nothing that its loaders would see stays hidden in what another reader takes for a comment or a text. Faults end
// nothing: the scan goes on behind them, since it is asked what could be there. JSON is read as the YAML that it nearly is.
// Thread-safety: pure. Ownership: tokens own their texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace holdall {

enum class YamlKind : std::uint8_t {
  kScalar,    // text: quotes and escapes undone
  kTag,       // text: resolved by the directives of its document, escapes undone: "tag:yaml.org,2002:python/tuple", "!new:x.Y"
  kAnchor,    // text: its name
  kAlias,     // text: its name
  kValue,     // ':': what stands before it is a key
  kOpen,      // '{' or '['
  kClose,     // '}' or ']'
  kEntry,     // ',', '-' or '?'
  kDocument,  // '---' or '...'
};

struct YamlToken {
  YamlKind kind = YamlKind::kScalar;
  std::string text;
  std::size_t line = 0;    // from 1
  std::size_t column = 0;  // from 0, in bytes
};

// Gives the tokens to `take` one by one, in the order of the text. Memory: of one token, and of %TAG's handles.
void scan_yaml(std::string_view text, const std::function<void(YamlToken)>& take);

}  // namespace holdall

// Any bytes as YAML: lines only rise, no token has more than its text could give, and whatever a text is, the document behind
// it is seen.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/codec/yaml.h"

namespace {

using namespace holdall;

std::vector<YamlToken> tokens_of(std::string_view text) {
  std::vector<YamlToken> tokens;
  scan_yaml(text, [&](YamlToken token) { tokens.push_back(std::move(token)); });
  return tokens;
}

void require(bool good) {
  if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::vector<YamlToken> tokens = tokens_of(input);
  require(tokens.size() <= 2 * size);  // an empty scalar at most beside each byte
  std::size_t line = 1;
  for (const YamlToken& token : tokens) {
    require(token.line >= line && token.column <= size);
    require(token.text.size() <= 4 * size + 32);  // an escape of a code point; the prefix of a tag
    line = token.line;
  }
  const std::vector<YamlToken> more = tokens_of(input + "\n...\n--- !!python/object/apply:os.system\n");
  require(more.size() >= 3);
  const auto* last = &more[more.size() - 3];
  require(last[0].kind == YamlKind::kDocument && last[1].kind == YamlKind::kDocument);
  require(last[2].kind == YamlKind::kTag && last[2].text == "tag:yaml.org,2002:python/object/apply:os.system");
  return 0;
}

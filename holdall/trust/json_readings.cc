#include "holdall/trust/json_readings.h"

#include "holdall/codec/json.h"

namespace holdall {
namespace {

Status read(std::string_view json, const JsonOptions& options, const std::function<void(Value)>& use) {
  Arena arena;
  HOLDALL_ASSIGN(const NodeId root, parse_json(arena, json, options));
  use(arena.at(root));
  return {};
}

}  // namespace

Status each_reading(std::string_view json, const Limits& limits, const std::function<void(Value)>& use) {
  if (json.starts_with("\xef\xbb\xbf")) json.remove_prefix(3);
  JsonOptions options{.depth = limits.depth};
  options.value_bytes = limits.value_bytes;
  const Status strict = read(json, options, use);
  if (strict || strict.error().code() == Code::kLimit) return strict;
  options.surrogates = JsonOptions::Surrogates::kReplace;
  options.repeated = JsonOptions::Repeated::kFirst;
  if (Status first = read(json, options, use); !first) return first.error().code() == Code::kLimit ? first : strict;
  options.repeated = JsonOptions::Repeated::kLast;
  return read(json, options, use);
}

}  // namespace holdall

// Verdict and Finding: what a file would make the framework that wrote it do.
//
// Thread-safety: value types. Ownership: findings own their texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/objects/rule.h"

namespace holdall {

// Forbidden is what a policy says, whatever the file would do.
enum class Verdict : std::uint8_t { kInert, kCode, kMalicious, kUnreadable, kForbidden };
std::string_view name(Verdict verdict) noexcept;

// One thing that the framework's own loader would do, or that is not understood.
struct Finding {
  Verdict severity = Verdict::kInert;
  Rule rule = Rule::kNotUnderstood;
  std::string where;  // "model.pt!archive/data.pkl@1042"
  std::string what;   // one sentence
  // The name that a policy may allow: "module.name" of a global ("module:Outer.Inner" of one within another), a class, an
  // operator, a library; empty where it has none.
  std::string subject = {};
  std::string file = {};  // the file scanned that holds it, as it was opened; filled in by scan
};
using Findings = std::vector<Finding>;

}  // namespace holdall

// Verdict and Finding: what a file would make the framework that wrote it do.
//
// Thread-safety: value types. Ownership: findings own their texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdall {

enum class Verdict : std::uint8_t { kInert, kCode, kMalicious, kUnreadable };
std::string_view name(Verdict verdict) noexcept;

// One thing that the framework's own loader would do, or that is not understood.
struct Finding {
  Verdict severity = Verdict::kInert;
  std::string rule;   // stable id: "pickle-global"
  std::string where;  // "model.pt!archive/data.pkl@1042"
  std::string what;   // one sentence
};
using Findings = std::vector<Finding>;

}  // namespace holdall

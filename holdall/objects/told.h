// Told: what one program or one document is told of. There is no end to what a file could name, so of each rule and severity
// there are so many findings, and then one that says there are more: what is worse is never among those left out.
//
// Thread-safety: one thread. Ownership: refers to the caller's findings.
#pragma once

#include <cstddef>
#include <map>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/objects/verdict.h"

namespace holdall {

// Where a finding is, when a document says how it is called: longer ones are cut.
inline constexpr std::size_t kLongestPlace = 500;

class Told {
 public:
  explicit Told(Findings& findings) : findings_(findings) {}

  // Whether there are so many that add() would do nothing.
  bool is_full(Verdict severity, Rule rule) const {
    const auto found = count_.find({severity, rule});
    return found != count_.end() && found->second > kMost;
  }
  void add(Finding finding) {
    if (is_full(finding.severity, finding.rule)) return;
    if (++count_[{finding.severity, finding.rule}] > kMost) {
      finding.what = text("there are more than {} such findings", kMost);
      finding.subject.clear();
    }
    findings_.push_back(std::move(finding));
  }

 private:
  static constexpr std::size_t kMost = 1'000;
  Findings& findings_;
  std::map<std::pair<Verdict, Rule>, std::size_t> count_;
};

}  // namespace holdall

#include "holdall/formats/fault_findings.h"

#include <algorithm>
#include <span>

#include "holdall/base/text.h"

namespace holdall {

void tell_faults(const Faults& faults, const std::string& file, Findings& findings) {
  const std::size_t count = std::min(faults.list.size(), kMostFaults);
  for (const Fault& fault : std::span(faults.list).first(count)) {
    std::string where = fault.offset ? text("{}@{}", file, *fault.offset) : file;
    std::string what = fault.where == file ? fault.what : text("{}: {}", fault.where, fault.what);
    findings.push_back({Verdict::kUnreadable, Rule::kNotUnderstood, std::move(where), std::move(what)});
  }
}

}  // namespace holdall

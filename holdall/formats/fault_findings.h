// Faults of a file whose reader does not look for them: it would go where the numbers lead it, out of its memory or round for
// ever.
//
// Thread-safety: free functions. Ownership: findings own their texts.
#pragma once

#include <string>

#include "holdall/formats/format.h"

namespace holdall {

// Of a file; a file that has as many says no more with others.
inline constexpr std::size_t kMostFaults = 100;

// Each fault as a finding; `file` stands before where it lies.
void tell_faults(const Faults& faults, const std::string& file, Findings& findings);

}  // namespace holdall

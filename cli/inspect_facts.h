// Facts: what inspect's label says, key by key, for both of its faces.
//
// Thread-safety: pure functions. Ownership: results are owned texts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "holdall/ops/inspect.h"

namespace holdall::cli {

struct Fact {
  std::string_view key;
  std::string value;  // printable
};

// For people: sizes rounded, what belongs together in one line.
std::vector<Fact> page_facts(const Inspection& inspection);
// For programs: one number or text a key, exact.
std::vector<Fact> line_facts(const Inspection& inspection);

// "float32", or "float16 147 tensors 249 MB, float32 1 tensor 4.10 kB", most bytes first.
std::string dtype_summary(const Model& model);

}  // namespace holdall::cli

// Parquet's and Arrow's files of columns: the pickles by which pyarrow before 14.0.1 made extension types of a schema
// (CVE-2023-47248).
//
// Thread-safety: pure functions.
#pragma once

#include <string_view>

#include "holdall/base/limits.h"
#include "holdall/io/source.h"
#include "holdall/objects/verdict.h"

namespace holdall {

// Adds what such a pickle does, and where it does nothing that it is there at all. Nothing for any other file.
void judge_columns(const Source& source, std::string_view name, const Limits& limits, Findings& findings);

}  // namespace holdall

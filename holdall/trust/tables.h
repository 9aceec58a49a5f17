// Tables beside a model: Parquet, Arrow and Feather, SQLite, IDX (MNIST's); and what systems leave in folders and archives:
// AppleDouble, .DS_Store, Thumbs.db. No loader of models runs them. They say themselves where they end, and do.
//
// Thread-safety: pure. Ownership: refers to the caller's source.
#pragma once

#include <string_view>

#include "holdall/io/source.h"

namespace holdall {

// "table", "database", "system", or empty for anything else. `name` is the file's: of compound files only Thumbs.db is known.
std::string_view table_kind(const Source& source, std::string_view name);

}  // namespace holdall

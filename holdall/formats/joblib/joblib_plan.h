// Writing a model as joblib does: one pickle, with the arrays raw behind their wrappers.
#pragma once

#include "holdall/formats/format.h"

namespace holdall::joblib {

// What joblib since 1.2 writes, at multiples of 16 bytes; with WriteOptions::compress one zlib stream of it. Losses: those of
// pickled_tree().
Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::joblib

// The parts of the format that stand in files of their own.
//
// Thread-safety: free functions. Ownership: as each says.
#pragma once

#include <memory>

#include "holdall/codec/zip.h"
#include "holdall/formats/format.h"
#include "holdall/formats/tflite/constants.h"

namespace holdall::tflite {

// The model's own bytes among the side files of a Model: what a write with other weights needs.
inline constexpr std::string_view kGraphFile = "model.tflite";

// The associated files, a ZIP archive behind the model; nullptr where none ends the file. Errors: those of ZipArchive::open().
Result<std::shared_ptr<const ZipArchive>> associated_files(const SourceRef& file, const Limits& limits);

// Rules that reading does not hold a file to. Precondition: check_indices().
void check_graph(const Graph& graph, Faults& faults);

// Operators that LiteRT does not have itself.
void judge_operators(const Graph& graph, Findings& findings);

// The same file with other values where its tensors' bytes and scales lie.
Result<Plan> plan(const Model& model, const WriteOptions& options);

}  // namespace holdall::tflite

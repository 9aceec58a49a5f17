// Update: the same graph with other weights. The model of a graph (a SavedModel, a checkpoint with its object graph) keeps its
// names, tree, metadata and side files and gets its tensors' values from another model.
//
// Thread-safety and ownership: pure; the result shares the storages of both models.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "holdall/codec/json.h"
#include "holdall/core/model.h"
#include "holdall/ops/convert.h"
#include "holdall/ops/fit.h"
#include "holdall/ops/names_file.h"

namespace holdall {

struct Updated {
  Model model;
  // `module` is the graph: missing are tensors of the graph that keep their values, unexpected the weights' that it has no
  // place for.
  FitReport report;
  std::vector<std::string> warnings = {};
  bool complete() const noexcept { return report.unexpected.empty() && report.mismatched.empty(); }
};

// A tensor of the weights goes where the graph has its name, the path of the attribute that the graph's metadata tells of a
// variable ("layers.0.kernel"), or the variable's full name; under prefixes as fit() finds them. It is cast to the graph's
// dtype; real numbers for a tensor that is quantised are quantised as it is, and scales that follow new ones are renewed
// (quantize.h). Errors: those of fit(); unsupported for a dtype that cannot be cast; loss for numbers with fractions, or out of
// range, where the graph has integers without scales. Warnings: scales that were measured with the old weights,
// numbers beyond scales that stay; of update_file() also weights that the names leave out.
Result<Updated> update_model(const Model& graph, const Model& weights);

struct UpdateOptions {
  OpenOptions open = {};
  SaveOptions save = {};
  std::vector<NameLine> names = {};  // of the weights
};

struct UpdateReport {
  std::string graph, weights, output, format;
  bool written = false;  // false: the weights do not fit, nothing was touched
  FitReport fit;
  std::vector<std::string> warnings = {};
};

// Writes the graph at `graph` with the weights at `weights` to `output`, in the graph's format. Errors: those of
// update_model(), of with_names(), of opening and of save_model().
Result<UpdateReport> update_file(const std::string& graph, const std::string& weights, const std::string& output,
                                 const UpdateOptions& options = {});

// {"graph","weights","output","format","written","loaded","missing","unexpected","mismatched":[{"name","file","graph"}],
//  "cast":[{"name","from","to"}],"renamed":[{"name","found_as"}],"warnings"}
void write_update(JsonWriter& writer, const UpdateReport& report);

}  // namespace holdall

// Fit: which tensors of a model go into which entries of a module that is to be filled, by name and shape.
//
// Thread-safety: pure functions. Ownership: results own their texts.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdall/core/model.h"

namespace holdall {

// What a module has to fill: a parameter or a buffer.
struct FitEntry {
  std::string name;
  Shape shape;
  std::optional<DType> dtype = {};  // empty: none of ours
};

struct FitOptions {
  // Names of the file to those of the module, exact or with one '*' on each side; the first rule that fits is taken.
  std::vector<std::pair<std::string, std::string>> rename = {};
  // Instead of rules: what a name of the file is called in the module.
  std::function<std::string(const std::string& name)> renamer = {};
  std::string prefix = {};  // takes the tensors under it and drops it
};

// Names are the module's, but those of `unexpected`: the file's.
struct FitReport {
  struct Mismatch {
    std::string name;
    Shape file, module;
  };
  struct Cast {
    std::string name;
    std::string from, to;  // dtypes
  };
  struct Renamed {
    std::string name, found_as;
  };
  std::vector<std::string> loaded;
  std::vector<std::string> missing;
  std::vector<std::string> unexpected;
  std::vector<Mismatch> mismatched;
  std::vector<Cast> cast;
  std::vector<Renamed> renamed;

  // Every entry of the module has a tensor of its shape, and every tensor of the file is used.
  bool complete() const noexcept { return missing.empty() && unexpected.empty() && mismatched.empty(); }
  // "3 loaded", then a line for each that is anything else, 20 of a kind.
  std::string to_string() const;
};

struct Fit {
  struct Pair {
    std::size_t entry, tensor;  // indices into the entries and into model.tensors()
  };
  std::vector<Pair> pairs;  // of equal shapes
  FitReport report;
};

// Prefixes that wrappers add (module., _orig_mod., model.), in the file or in the module, and the place of the weights in a
// checkpoint are found by themselves: of the prefixes under which names meet, the one that gives most pairs of equal shapes.
// Names as they are come before prefixes that give as many; of several such prefixes that differ in the place of the weights
// alone, the first of model_state_dict., state_dict., model., module., _orig_mod., _forward_module., net., network., weights.,
// params. is taken, whatever else there is. Errors: conflict, naming the places, where several fit equally well
// otherwise, and where a prefix with a number has siblings of other numbers with names of the module ("0." in a list of
// layers); invalid argument for a rename rule that is none.
Result<Fit> fit(const Model& model, const std::vector<FitEntry>& entries, const FitOptions& options = {});

// What a strict load that is not complete() ends with: invalid argument, with the report as its text.
Error fit_error(const FitReport& report, const Model& model);

}  // namespace holdall

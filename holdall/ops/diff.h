// Diff: in what two models differ, whatever formats they are in. Values are compared, and no stored checksums with each other
// or with the values: whether a file is what its checksums say is for verify.
//
// Thread-safety: functions may be called from several threads. Ownership: reports own their texts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "holdall/codec/json.h"
#include "holdall/ops/open.h"

namespace holdall {

struct DiffOptions {
  OpenOptions open = {};
  // Values x of A and y of B agree when |x - y| <= atol + rtol * |y|, or both are NaN, or they are the same infinity. Without a
  // tolerance tensors of one dtype agree when their bytes are equal. The parts of complex numbers are compared one by one.
  double atol = 0;
  double rtol = 0;
  std::vector<std::string> tensors = {};                                          // globs over names; empty: all
  enum class Names : std::uint8_t { kLeaveOut, kKeep } names = Names::kLeaveOut;  // DiffReport::names and forms
  Progress progress = {};                                                         // counts bytes of A and B
};

struct TensorForm {
  DType dtype{};
  Shape shape;
};

struct TensorDifference {
  std::string name;
  DType a_dtype{}, b_dtype{};
  Shape a_shape, b_shape;
  // The largest |x - y|, the largest |x - y| / |y| where y is not 0, and the cosine of the angle between the two as vectors.
  // Empty where no finite number says it: the shapes differ or the elements are no numbers; for the first two a NaN or an
  // infinity faces anything but its like; for the cosine one of the two holds a NaN or an infinity, or nothing but zeros.
  std::optional<double> max_abs, max_rel, cosine;
  std::uint64_t differing = 0;  // elements outside of the tolerance
};

struct TreeDifference {
  enum class Kind : std::uint8_t { kOnlyA, kOnlyB, kChanged } kind = Kind::kChanged;
  std::string path;  // a JSON pointer: "/optimizer_state_dict/param_groups/0/lr"
  std::string a, b;  // JSON, cut at 200 characters; empty where there is none
};

struct DiffReport {
  std::string a, b;
  bool same = false;
  std::vector<std::string> only_a, only_b;  // names of tensors
  // Other dtype, other shape, or values outside of the tolerance. A dtype that differs while all values agree counts.
  std::vector<TensorDifference> changed;
  std::vector<std::string> names;  // of all tensors of A that were asked for, in its order, with Names::kKeep
  std::vector<TensorForm> only_a_forms, only_b_forms;  // of only_a and only_b one by one, with Names::kKeep
  std::vector<TreeDifference> tree;
  std::uint64_t compared = 0;  // tensors in both
  std::uint64_t bytes = 0;     // read from either
};

// Tensors by name, trees by value. Equal bytes are not looked at twice. Memory: a few tiles a thread.
// Errors: those of open_model, io, corrupt, cancelled.
Result<DiffReport> diff_models(const std::string& a, const std::string& b, const DiffOptions& options = {});
Result<DiffReport> diff_models(const Model& a, const Model& b, const DiffOptions& options = {});

// The document of `diff --json` (surface.md).
void write_difference(JsonWriter& writer, const DiffReport& report);

}  // namespace holdall

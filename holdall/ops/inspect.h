// Inspect: what a model file is, without reading its tensors.
//
// Thread-safety: functions may be called from several threads. Ownership: an Inspection owns all it shows.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/codec/json.h"
#include "holdall/ops/glob.h"
#include "holdall/ops/label.h"
#include "holdall/ops/open.h"
#include "holdall/ops/statistics.h"
#include "holdall/ops/training.h"
#include "holdall/trust/scan.h"

namespace holdall {

struct InspectOptions {
  OpenOptions open = {};
  std::vector<std::string> tensors = {};  // globs over names: '*' and '?'; empty: all
  enum class Read : std::uint8_t { kNothing, kBytes } digests = Read::kNothing, statistics = Read::kNothing;
  Progress progress = {};
};

// What only a look at the bytes tells.
struct Measured {
  std::optional<Digest> sha256;  // with InspectOptions::digests
  std::optional<Statistics> statistics;
};

struct TensorReport {
  std::uint32_t entry = 0;                   // index into model.tensors(): name, dtype, shape, bytes, shared memory
  std::shared_ptr<const Measured> measured;  // null where the bytes were not asked for
  const Measured& bytes() const noexcept;
};

// Where a tensor's bytes begin in its file; empty for compressed or made bytes.
std::optional<std::uint64_t> offset_in_file(const Tensor& tensor);

struct Inspection {
  std::string path;
  Model model;  // tree(), metadata(), config(), origin(), warnings()
  Label label;
  std::optional<Tokenizer> tokenizer;
  TrainingReport training;
  std::vector<TensorReport> tensors;  // those that were asked for
  Verdict verdict = Verdict::kInert;
  Findings findings;
};

// Errors: those of open_model; corrupt and io while digests or statistics are read.
Result<Inspection> inspect(const std::string& path, const InspectOptions& options = {});
Result<Inspection> inspect(const Bundle& bundle, const InspectOptions& options = {});

// Names by TensorNode::index, for documents: a tensor with several shows under its first. Refers to the model.
class TensorNames {
 public:
  explicit TensorNames(const Model& model);
  std::string_view operator()(std::uint32_t index) const;

 private:
  const Model& model_;
  std::vector<std::uint32_t> entries_;
};

// The document of `inspect --json` (surface.md), with "label", "tokenizer", "optimizers" and "schedulers" besides. Errors:
// limit where it would repeat a long name without end; those of write_document().
Status write_inspection(JsonWriter& writer, const Inspection& inspection);

}  // namespace holdall

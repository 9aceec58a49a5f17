// Convert: one model file into another, in one pass and bounded memory; also save(), its second half.
//
// Thread-safety: functions may be called from several threads. Ownership: reports own their texts.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdall/codec/json.h"
#include "holdall/io/execute.h"
#include "holdall/ops/names_file.h"
#include "holdall/ops/open.h"

namespace holdall {

struct SaveOptions {
  std::string to = {};  // id of the format to write; empty: by the path's extension, else as the model came
  enum class Losses : std::uint8_t { kRefuse, kAllow } losses = Losses::kRefuse;
  WriteOptions write = {};  // its name is filled in from the path
  ExecuteOptions execute = {};
  // More models of the same unit, where the format is a folder: each becomes the one file of this name in it, by its extension.
  std::vector<std::pair<std::string, std::shared_ptr<const Model>>> beside = {};
  // Files that a folder at the path may hold and the new one does not have: what an earlier save of the same unit left there.
  std::vector<std::string> may_go = {};
};

struct ConvertOptions {
  OpenOptions open = {};
  SaveOptions save = {};
  // For every tensor of floating-point numbers or blocks of them that can be cast, and for integers that stand for real numbers
  // (quantize.h), which become those; others stay. A block type that can be made (core/blocks.h) is for matrices whose rows
  // divide into its blocks.
  std::optional<DType> dtype = {};
  std::vector<std::string> select = {};  // globs over names; empty: all. The tree is kept without the tensors left out.
  // OLD=NEW over names, exact or with one '*' on each side; the first that fits is taken.
  std::vector<std::pair<std::string, std::string>> rename = {};
  // As the program that the format is for wants them, where the format knows how (Format::adapt: llama.cpp's GGUF); the model's
  // own; PyTorch's names and shapes for a model of TensorFlow's or Flax's, Flax's or TensorFlow's for one of PyTorch's
  // (framework_names.h); or those of `lines`. `select` and `rename` then go by them.
  enum class Names : std::uint8_t { kAdapted, kOwn, kPyTorch, kFlax, kTensorFlow, kLines } names = Names::kAdapted;
  std::vector<NameLine> lines = {};
  enum class Check : std::uint8_t { kNone, kDigests } check = Check::kNone;
  Progress progress = {};  // over writing, then over checking
};

// What became of a tensor whose dtype changed.
struct LightCopy {
  std::string name;
  DType from = DType::kFloat32, to = DType::kFloat32;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  // How far the result's numbers are from the input's (compare.h); empty but with Check::kDigests.
  std::optional<double> max_abs, mean_abs, cosine;
};

struct ConvertReport {
  std::string input, output;
  std::string from, to;  // format ids
  bool written = false;  // false: refused because of `losses`, nothing was touched
  std::uint64_t tensors = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::vector<Loss> losses;          // allowed ones too
  std::vector<LightCopy> copies;     // tensors whose dtype changed
  std::vector<Loss> kept;            // tensors whose dtype ConvertOptions::dtype could not change, and why
  std::vector<std::string> renamed;  // "old=new"
  std::vector<std::string> warnings;
  // What the framework of the input would have run on loading and that of the output does not: names of what findings are
  // about, else their sentences. The values around them are kept, as values.
  std::vector<std::string> disarmed;
  std::optional<std::uint64_t> checked;  // tensors compared with the result, with Check::kDigests; not those lost
  std::vector<std::string> differing;    // those whose digests were not equal
};

// What --names says: "own", "pytorch", "flax", "tensorflow", or the path of a names file. Errors: those of read_names().
Status read_names_option(std::string_view text, ConvertOptions& options);

// The format row that `path` would be written as: `to` where it is given, else the path's extension, else (a path without one,
// or a model that is a folder) as the model came. Errors: unsupported, invalid argument, naming those that can be written.
Result<const Format*> format_to_write(const std::string& path, const std::string& to, const Model& model);

// Errors: invalid argument where `path` is one of the files that the model is read from.
Status refuse_own_input(const Model& model, const std::string& path);

// What writing the model at `path` would consist of; nothing is written. Errors: those of format_to_write and of the format;
// invalid argument (the output is one of the model's own files); already exists (a folder with files that would be lost).
Result<Plan> plan_model(const Model& model, const std::string& path, const SaveOptions& options = {});

// Writes a model. Errors: loss, listing what the target cannot hold; those of plan_model() and of execute().
Status save_model(const Model& model, const std::string& path, const SaveOptions& options = {});

// A refusal because of losses is a report with written == false, so that they can be listed; loss_error() makes it an error.
Result<ConvertReport> convert_model(const std::string& input, const std::string& output, const ConvertOptions& options = {});
Result<ConvertReport> convert_model(const Bundle& input, const std::string& output, const ConvertOptions& options = {});
Error loss_error(const std::vector<Loss>& losses, std::string_view format);

// {"input","output","from","to","written","tensors","bytes_in","bytes_out","losses":[{"where","what"}],"cast":[name],
//  "copies":[{"name","from","to","bytes_in","bytes_out","max_abs","mean_abs","cosine"}],"kept":[{"name","why"}],"renamed","warnings",
//  "disarmed","checked","differing"}
void write_conversion(JsonWriter& writer, const ConvertReport& report);

}  // namespace holdall

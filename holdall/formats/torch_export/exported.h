// torch-export: what torch.export.save wrote.
//
// Thread-safety: may be called from several threads. Ownership: models share the archive's source.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/formats/format.h"
#include "holdall/formats/torch_archive.h"

namespace holdall::torch_export {

inline constexpr std::int64_t kSchemaMajor = 8;
inline constexpr std::string_view kProgram = "serialized_exported_program.json";  // of the older layout, torch 2.1 to 2.6

// What one of either layout's archives holds, by record.
class Package {
 public:
  // Errors: those of ZipArchive::open and of TorchArchive::open; unsupported for another archive_format or archive_version.
  static Result<Package> open(const Bundle& bundle, const Limits& limits);

  // Whether it is of the older layout: files without a folder.
  bool is_old() const noexcept { return is_old_; }
  const ZipArchive& zip() const noexcept { return *zip_; }
  ByteOrder byte_order() const noexcept { return order_; }
  bool has(std::string_view record) const { return zip_->find(member_of(record)) != nullptr; }
  // Errors: not found, naming the member.
  Result<Blob> record(std::string_view name) const { return zip_->blob(member_of(name)); }
  // The member that a record is.
  std::string member_of(std::string_view record) const;
  // The record that a member is; empty for a member elsewhere.
  std::string_view record_of(std::string_view member) const noexcept;
  // The records that begin with `folder`, in the archive's order, folders themselves apart.
  std::vector<std::string_view> under(std::string_view folder) const;
  // The names of its programs: of each models/NAME.json; "model" in the older layout.
  std::vector<std::string> models() const;
  // Where a program is.
  std::string program_of(std::string_view model) const;

 private:
  std::shared_ptr<const ZipArchive> zip_;
  std::string prefix_;
  ByteOrder order_ = ByteOrder::kLittle;
  bool is_old_ = false;
};

// A program as values in `arena`. Errors: corrupt; limit; unsupported where its schema is of another major version than 8 (the
// older layout: of a later one).
Result<NodeId> read_program(const Package& package, std::string_view model, Arena& arena, const Limits& limits);

// One row of a PayloadConfig (torch/_export/serde/schema.py).
struct Payload {
  std::string name;  // of the weight or the constant
  std::string path;  // of the record, in the folder of the config
  bool is_parameter = false;
  bool is_pickled = false;
  bool has_tensor = false;  // what follows is there
  std::int64_t dtype = 0;
  std::int64_t layout = 7;
  bool requires_grad = false;
  std::vector<std::int64_t> sizes, strides;
  std::int64_t offset = 0;
};

// The rows of a config record, in its order. Errors: corrupt, limit; unsupported for sizes that are expressions.
Result<std::vector<Payload>> read_payloads(const Blob& config, const Limits& limits);

// The config of a model's weights or constants by any of the names that it had; empty where there is none.
std::string weights_config(const Package& package, std::string_view model);
std::string constants_config(const Package& package, std::string_view model);

// Records of AOTInductor: native code, and a config of the weights that were put beside it.
inline constexpr std::string_view kCompiled = "data/aotinductor/";
bool is_compiled_config(std::string_view record) noexcept;
// The compiled models that have such a config, in the archive's order, and where it is.
std::vector<std::string> compiled_models(const Package& package);
std::string compiled_config(std::string_view model);

// One row of it, {name: [record, sizes, strides, offset]}: a view of the tensor that torch.save wrote into the record, in
// data/weights/.
struct CompiledWeight {
  std::string name, path;
  std::vector<std::int64_t> sizes, strides;
  std::int64_t offset = 0;
};
// The rows of a config record, in its order. Errors: corrupt, limit.
Result<std::vector<CompiledWeight>> read_compiled_weights(const Blob& config, const Limits& limits);

// `faults`, if any, gets what verify() looks for in the records that configs name.
Result<Model> read_package(const Package& package, const Bundle& bundle, const Context& context, Faults* faults);

// What a program has torch.export.load evaluate: expressions given to sympy, targets looked up in torch, guards.
void judge_exported(Value program, const std::string& where, Findings& findings);

Status judge_package(const Package& package, const Context& context, Findings& findings);

}  // namespace holdall::torch_export

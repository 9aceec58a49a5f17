// The archives of torch.jit.save since torch 1.4, and of the lite interpreter: a module in data.pkl, its constants in
// constants.pkl.
//
// Thread-safety: may be called from several threads. Ownership: models share the archive's source.
#pragma once

#include <string_view>

#include "holdall/formats/format.h"
#include "holdall/formats/torch_archive.h"

namespace holdall::torchscript {

inline constexpr std::string_view kModule = "data";            // .pkl, and the folder of its storages
inline constexpr std::string_view kConstants = "constants";    // likewise
inline constexpr std::string_view kModelJson = "model.json";   // torch 1.0 to 1.3
inline constexpr std::string_view kExtra = "extra/";           // _extra_files
inline constexpr std::string_view kBytecode = "bytecode.pkl";  // the lite interpreter's

// Whether a record is a pickle that torch's C++ unpickler reads: .pkl and .debug_pkl.
bool is_pickle_record(std::string_view record) noexcept;

// The tree is the module as a dict (script_values.h), with the tuple "constants" where there are any. `faults`, if any, gets
// what is wrong with the sizes of storages and behind the pickles. Errors: corrupt, unsupported, limit.
Result<Model> read_module(const TorchArchive& archive, const Bundle& bundle, const Context& context, Faults* faults);

// The same for the files of torch 1.0 to 1.3: model.json lists tensors and modules, attributes.pkl holds the other attributes.
Result<Model> read_model_json(const TorchArchive& archive, const Bundle& bundle, const Context& context);

// What the archive holds beside its tensors: "extra_files" and the names of "code" files, a dict. Errors: those of reading
// them.
Result<NodeId> read_metadata(const TorchArchive& archive, const Context& context, Arena& arena);

// Where the origin and the warnings of both stand.
void describe(const TorchArchive& archive, const Bundle& bundle, std::string_view kind, ModelBuilder& builder);

// What the code in the archive does where it runs, and what its pickles name.
Status judge_module(const TorchArchive& archive, const Context& context, Findings& findings);

}  // namespace holdall::torchscript

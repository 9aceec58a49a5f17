// The ways in which torch's files are read, each into a Model.
//
// Thread-safety: may be called from several threads. Ownership: models share the sources of their files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "holdall/formats/format.h"
#include "holdall/formats/torch_archive.h"

namespace holdall::pytorch {

// Holdall's own record: metadata and config of models that came from other formats, as a JSON document.
inline constexpr std::string_view kMetadataRecord = "holdall.metadata";

// A ZIP archive of torch.save: data.pkl is the pickled object, whose storages are persistent ids, data/KEY the bytes of one.
Result<Model> read_archive(const Bundle& bundle, const Context& context);
Status verify_archive(const Bundle& bundle, const Context& context, Faults& faults);
Status judge_archive(const Bundle& bundle, const Context& context, Findings& findings);

// Concatenated pickles of torch before 1.6: magic number, protocol, system, object, storage keys; then the storages.
bool is_legacy(std::span<const std::byte> head) noexcept;
Result<Model> read_legacy(const Bundle& bundle, const Context& context);
Status verify_legacy(const Bundle& bundle, const Context& context, Faults& faults);
Status judge_legacy(const Bundle& bundle, const Context& context, Findings& findings);

// A tar archive of torch before 0.1.10, by the names of its files.
bool is_torch_tar(std::span<const std::string> members) noexcept;
Result<Model> read_tar(const Bundle& bundle, const Context& context);
Status verify_tar(const Bundle& bundle, const Context& context, Faults& faults);
Status judge_tar(const Bundle& bundle, const Context& context, Findings& findings);

// pytorch_model.bin.index.json beside its shards.
bool is_index(std::span<const std::byte> head) noexcept;
Result<Model> read_shards(const Bundle& bundle, const Context& context);
Status verify_shards(const Bundle& bundle, const Context& context, Faults& faults);
Status judge_shards(const Bundle& bundle, const Context& context, Findings& findings);

}  // namespace holdall::pytorch

// What users put beside a model in an archive of torch, and native code in it: what TorchScript's and torch.export's archives
// share.
//
// Thread-safety: pure functions, one thread an arena. Ownership: values share the archive's source.
#pragma once

#include <optional>
#include <string_view>

#include "holdall/codec/zip.h"
#include "holdall/formats/format.h"

namespace holdall {

// The members under `folder` ("NAME/extra/") as a dict "extra_files" in `metadata`: texts up to 64 KiB as texts, all else as
// bytes, which stay on disk. Adds nothing where there is none. Errors: those of reading them; limit (Limits::value_bytes of
// texts).
Status add_extra_files(const ZipArchive& zip, std::string_view folder, const Limits& limits, Arena& arena, NodeId metadata);

// What machine code a record begins as ("an ELF library"); empty: none.
std::string_view native_code(const Blob& record);

// Findings for a record that torch does not read as a part of the model: native code, or what it does as a file of its own.
Status judge_record(const Blob& record, const Context& context, Findings& findings);

}  // namespace holdall

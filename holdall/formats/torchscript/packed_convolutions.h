// The settings of quantized convolutions, which torch.jit.load packs for its engine without looking at them.
//
// Thread-safety: may be called from several threads. Ownership: findings own their texts.
#pragma once

#include <string_view>

#include "holdall/codec/pickle.h"
#include "holdall/core/value.h"
#include "holdall/formats/format.h"
#include "holdall/formats/torch_archive.h"
#include "holdall/objects/verdict.h"

namespace holdall::torchscript {

// Adds to `findings` where an object of the pickle `where`, which is `program` and has its storages in `folder`, is a
// convolution by whose groups, strides or dilations torch would divide by zero: malicious; code where its settings are in a
// form that is not read.
Status judge_packed_convolutions(const Arena& arena, const PickleProgram& program, const TorchArchive& archive,
                                 std::string_view folder, std::string_view where, Findings& findings);

}  // namespace holdall::torchscript

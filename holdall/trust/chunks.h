// The files of torch.distributed.checkpoint (torch/distributed/checkpoint/filesystem.py): whole files of torch.save one behind
// another
// (`__0_0.distcp`), and a pickle that says where each begins (`.metadata`).
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "holdall/formats/format.h"
#include "holdall/trust/policy.h"

namespace holdall {

// The sources of two or more ZIP archives that are all there is of a file, in its order; empty where it is something else.
// Reads the whole file; memory: of a tile.
std::vector<SourceRef> archives_in_a_row(const Bundle& file, const Limits& limits);

// What the chunks do that a `.metadata` of the folder, or of a folder in it, tells of: torch opens each by itself, wherever in
// its file it is said to lie. One outside of the folder is malicious.
void judge_chunks(const Bundle& folder, const Context& context, const Policy& policy, Findings& findings);

}  // namespace holdall

// The files of torch.distributed.checkpoint (torch/distributed/checkpoint/filesystem.py): whole files of torch.save one behind
// another
// (`__0_0.distcp`), and a pickle that says where each begins (`.metadata`).
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "holdall/formats/format.h"
#include "holdall/trust/policy.h"
#include "holdall/trust/tree.h"

namespace holdall {

// The `.metadata` of a folder, or of an archive of one, and of those in it.
std::vector<std::string> chunk_indexes(const Tree& folder);

// What the chunks do that these tell of: torch opens each by itself, wherever in its file it is said to lie. One outside of the
// folder is malicious.
void judge_chunks(const Tree& folder, std::span<const std::string> indexes, const Context& context, const Policy& policy,
                  Findings& findings);

}  // namespace holdall

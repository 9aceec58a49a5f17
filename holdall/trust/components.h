// Python that loaders run of a folder because of what it is called, or of what lies beside it: the components of a diffusers
// pipeline ({"unet": ["my_unet", "UNet"]} in model_index.json has unet/my_unet.py run), a data set's script.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include "holdall/objects/verdict.h"
#include "holdall/trust/tree.h"

namespace holdall {

// Appends each such file of a folder, or of an archive of one.
void judge_components(const Tree& folder, const Limits& limits, Findings& findings);

}  // namespace holdall

// Python beside the components of a diffusers pipeline: {"unet": ["my_unet", "UNet"]} in model_index.json has unet/my_unet.py
// run.
//
// Thread-safety: may be called from several threads. Ownership: none.
#pragma once

#include "holdall/objects/verdict.h"
#include "holdall/trust/tree.h"

namespace holdall {

// Appends each file of a folder, or of an archive of one, that a model_index.json in it has imported (with trust_remote_code).
void judge_components(const Tree& folder, const Limits& limits, Findings& findings);

}  // namespace holdall

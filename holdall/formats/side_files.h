// What becomes of the files that lay beside a model's weights when the model is written.
//
// Thread-safety: may be called from several threads. Ownership: plans share the blobs of the model.
#pragma once

#include "holdall/core/model.h"
#include "holdall/io/plan.h"

namespace holdall {

// The name of the file that Model::config() stands in, in a folder of transformers or of PEFT.
std::string_view config_file(const Model& model) noexcept;

// A folder takes the model's side files as they are, but for those that the plan writes itself; one file has no place for them:
// each is a loss. The file of the config is none, because formats keep Model::config() as values or tell its loss themselves.
void add_side_files(const Model& model, Plan& plan);

}  // namespace holdall

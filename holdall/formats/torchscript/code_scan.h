// What TorchScript's source, as torch.jit.save prints it, does beyond computing: operators that read or write files, those of
// other libraries than torch, calls in other processes.
//
// The source is read token by token as torch's own lexer does (torch/csrc/jit/frontend/lexer.h), so that words in texts and in
// comments are none.
// Thread-safety: pure functions. Ownership: findings own their texts.
#pragma once

#include <string_view>

#include "holdall/objects/verdict.h"

namespace holdall::torchscript {

// Appends what the source does, each rule once a place; `where` is the file ("model.pt!m/code/__torch__.py").
void scan_code(std::string_view source, std::string_view where, Findings& findings);

// The same for an operator by its qualified name ("aten::save"), as the lite interpreter's tables hold it.
void scan_operator(std::string_view name, std::string_view where, Findings& findings);

}  // namespace holdall::torchscript

// Targets: what a configuration names to be imported and called, "package.module.Class".
//
// Thread-safety and ownership: pure.
#pragma once

#include <string>
#include <string_view>

#include "holdall/objects/verdict.h"

namespace holdall {

// What it is to have this called with arguments that the configuration says: malicious for what runs programs or texts, and for
// what of Python's own is not known to be inert; else code.
Verdict verdict_of_target(std::string_view target);

// Whether no configuration means it well: malicious, or a function of a framework that runs, fetches or overwrites what it is
// given the name of. Keys that most often name the reader's own classes are told by this alone.
bool is_never_meant(std::string_view target);

// The same for the class of a handler or a formatter of logging, which looks for it within itself before it imports it: not for
// "handlers.RotatingFileHandler", which is its own, but for "exec", and for "handlers.os.system".
bool is_never_a_handler(std::string_view name);

// Keys of such names: of latent diffusion ("target", "params"), Lightning ("class_path", "init_args") and logging ("()").
bool is_target_key(std::string_view key) noexcept;

// Letters, digits and dots between them: "package.module.Class".
bool is_dotted_name(std::string_view name) noexcept;

// Classes that hold what they are given, whatever it is (logs of training have them of their arguments), and types that make no
// more than they are given ("builtins.int").
bool is_plain_class(std::string_view name) noexcept;
bool is_plain_type(std::string_view name) noexcept;

// As much of a name or a text as a finding shows.
std::string cut_for_finding(std::string_view shown);

}  // namespace holdall

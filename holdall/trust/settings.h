// Settings in lines and in protobuf's text: what loaders import, evaluate or open by them.
//
// Thread-safety: pure functions.
#pragma once

#include <string_view>

#include "holdall/objects/told.h"

namespace holdall {

// INI as logging.config.fileConfig() takes it: "class", "args" and "kwargs" of a handler are evaluated, "class" of a formatter
// is imported. Nothing for a text that does not begin with a section, which configparser refuses.
void judge_ini(std::string_view text, std::string_view where, Told& told);

// What Hydra's "_target_" names in a text of "key = value" or "key: value" (TOML, JSON5, HOCON, properties).
void judge_targets(std::string_view text, std::string_view where, Told& told);

// Protobuf's text: Triton's config.pbtxt (a backend of Python, libraries of operators) and Caffe's layers of Python.
void judge_prototxt(std::string_view text, std::string_view where, Told& told);

// A path configuration file of Python's site: a line that begins with "import" is run, whatever else the file is.
void judge_site_paths(std::string_view text, std::string_view where, Told& told);

// A table of Kaldi's files (.scp): of a line that ends with '|', the reader runs the command.
void judge_pipes(std::string_view text, std::string_view where, Told& told);

}  // namespace holdall

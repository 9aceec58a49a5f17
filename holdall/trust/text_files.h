// Text beside models: JSON, YAML, templates, Python, prose, by what a loader would do with them.
//
// Thread-safety: may be called from several threads. Ownership: results own their texts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "holdall/trust/side_file.h"

namespace holdall {

// The last part of a file's name, also of a member's ("model.zip!config.json").
std::string_view base_name(std::string_view name) noexcept;

// Whether the bytes are UTF-8 without control characters other than white space and escapes.
bool is_text(const Source& source);

// The first 64 KiB of a text.
std::string beginning(const Source& source);

// Models that are written as text, and whose loaders run code in them: R's serialization (CVE-2024-27322) and Torch 7's.
bool is_program_as_text(std::string_view head);

// What a text is and does; empty for one that is a program's own, which no loader here reads. Precondition: is_text().
std::optional<SideFile> judge_text(const Source& source, std::string_view name, const Limits& limits);

// What XML, or a web page, has its reader open; empty where it cannot be read.
std::optional<SideFile> judge_xml(const Source& source, std::string_view name, const Limits& limits);

// The same of what is text; empty for anything else.
std::optional<SideFile> text_file(const Source& source, std::string_view name, const Limits& limits);

}  // namespace holdall

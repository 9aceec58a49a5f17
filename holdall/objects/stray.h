// judge_stray(): pickle programs in bytes that belong to nothing: behind a broken program, around an archive, in a file that no
// format reads. Whoever seeks there would run them, so bytes that are unreadable by themselves become malicious with them.
//
// Thread-safety: pure. Ownership: findings own their texts.
#pragma once

#include <cstdint>

#include "holdall/base/limits.h"
#include "holdall/io/source.h"
#include "holdall/objects/verdict.h"

namespace holdall {

// Searches [from, end) for places where a pickle may begin (a protocol mark, an import of a name that no model needs) and adds
// what is malicious about the first program that the machine confirms: one that imports such a name behind a mark, or calls
// one. Words alone are never enough. Adds nothing else. Cost: one pass over at most the first 256 MB, and a bounded number of
// opcodes; memory: a tile.
void judge_stray(const SourceRef& source, std::uint64_t from, const Limits& limits, Findings& findings);

}  // namespace holdall

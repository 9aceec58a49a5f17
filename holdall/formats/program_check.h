// What a pickle program in a file does, with what no program can be judged by alone: the files that it holds as bytes and has
// torch.load open, and the bytes behind it that belong to nothing.
//
// Thread-safety: may be called from several threads. Ownership: findings own their texts.
#pragma once

#include "holdall/codec/pickle.h"
#include "holdall/formats/format.h"

namespace holdall {

// judge() with the loaders of the formats here, and judge_held() of all its bytes. Behind a failure that is more than a missing
// end, the rest of the source is searched for stray programs.
void judge_program(const Arena& arena, const PickleProgram& program, const SourceRef& source, const Context& context,
                   Findings& findings);

// Whether the first bytes of a container are a pickle as well, to whoever takes it for one: it ends, or it imports something.
bool begins_program(const SourceRef& source, const Limits& limits);

// Whether the end of a program says nothing of what its readers do: some of them go on, or it was too much to be read on.
bool may_go_on(const PickleProgram& program) noexcept;

// Whether a name could be imported, by its letters.
bool is_import_name(std::string_view name) noexcept;

// Whether a finding is about a name that no program imports: lines of prose that an opcode takes for a module and its function.
bool is_no_import(const Finding& finding);

// Whether a finding says of bytes that are taken for a pickle no more than that they are none to their end.
bool is_no_pickle(const Finding& finding) noexcept;

// What a part of a container does that its own loader passes over; a part that is no format's is searched for stray programs.
// Errors: those of Context::acts(), except unsupported.
Status judge_part(const SourceRef& part, const Context& context, Findings& findings);

}  // namespace holdall

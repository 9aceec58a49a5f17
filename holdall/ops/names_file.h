// Names files: what the tensors of one model are called in another, and how they lie there. A line a tensor:
//
//   OLD=NEW                            the same elements under another name
//   OLD=NEW<TAB>axes=1,0               transposed
//   OLD=NEW<TAB>shape=64,12,64 axes=2,0,1
//   OLD=                               left out
//
// A second line of the same OLD gives the tensor another name, and may lay it otherwise. OLD ends at the line's first '='. OLD
// and NEW may have one '*' each, whose run is carried over; the first line that fits decides. Empty lines and those that start
// with '#' say nothing.
//
// Thread-safety and ownership: pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "holdall/core/model.h"
#include "holdall/ops/arrange.h"

namespace holdall {

struct NameLine {
  std::string from, to;  // an empty `to` leaves the tensor out
  Arrangement arrangement = {};
};

// Errors: invalid argument, naming the line: without '=', with an empty OLD, with a '*' on one side alone or several, with
// steps that are none, or with an OLD that contains a line break or a '='.
Result<std::vector<NameLine>> parse_names(std::string_view text);
// The same of a file. Errors: also those of opening it, and limit above 64 MiB.
Result<std::vector<NameLine>> read_names(const std::string& path);
// The line of a file. Errors: invalid argument for a name that no line can say.
Result<std::string> to_line(const NameLine& line);

// The model under the names and in the shapes of the lines; what fits none stays as it is, but for the other names of a tensor
// that a line renames, which go. `renamed` gets "old=new" of each. Errors: not found for a line without '*' whose tensor is not
// there, with the nearest names; those of arranged() and edit_model().
// `left_out`: the names of tensors that lines leave out under every name they have.
Result<Model> with_names(const Model& model, const std::vector<NameLine>& lines, std::vector<std::string>& renamed,
                         std::vector<std::string>* left_out = nullptr);

}  // namespace holdall

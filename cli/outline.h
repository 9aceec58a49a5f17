// Outline: a tree of values as a person wants to glance at it, and as lines that a program can search.
//
// Nothing here recurses without a bound: trees may share, cycle and nest as a stranger likes.
// Thread-safety: pure functions. Ownership: results are owned texts.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/console.h"
#include "holdall/core/value.h"

namespace holdall::cli {

// What a dict or an object holds, by key.
struct Entry {
  std::string key;  // printable
  Value value;
};
// At most `most` of them. A dict's keys; an object's arguments, pairs, items, and, without pairs, the keys
// of its state whose values hold anything.
std::vector<Entry> entries(Value value, std::size_t most);

// Whether anything under `value` is neither a tensor nor a container. Judges `true` once it has seen a great many nodes.
bool holds_plain_values(Value value);

// One line at most `columns` wide: {lr: 0.001, betas: (0.9, 0.999), params: [0, 1, 2, … 48 items]}. What holds only tensors is
// "48 tensors".
std::string brief(Value value, unsigned columns);

// Key and value a line; what does not fit into its line opens under it, a few levels deep; long levels end in "… 12 more".
void print_outline(Console& console, Value value, unsigned indent);

// Calls `use` with a JSON pointer ("/optimizer/param_groups/0/lr") for each value that holds no further dict.
void for_each_leaf(Value value, const std::function<void(std::string_view pointer, Value leaf)>& use);

}  // namespace holdall::cli

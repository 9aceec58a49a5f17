// Python as text, by its tokens alone: what an evaluated text would call.
//
// Thread-safety: pure. Ownership: views of the text.
#pragma once

#include <optional>
#include <string_view>

namespace holdall {

// The first in a Python expression or program that does more than to name or hold a value: a call ("os.system"), a text that is
// made of expressions (f"…"), a loop, whose targets may be anything, a statement that imports, deletes or decorates. Empty for
// literals, names and arithmetic. Texts and comments are passed over.
std::optional<std::string_view> acting_in_python(std::string_view text);

// The name of a text that is one call of a dotted name with nothing but literals: "nn.LeakyReLU(0.1)" is "nn.LeakyReLU". Empty
// for any other.
std::optional<std::string_view> single_call(std::string_view text);

}  // namespace holdall

// Numbers that reach into memory as soon as NumPy, scikit-learn or torch believe them, which they do.
//
// Thread-safety: pure. Ownership: refers to the caller's arena.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "holdall/core/value.h"
#include "holdall/objects/globals.h"

namespace holdall {

// What is wrong with the arguments of a call of a row's class: a new array of NumPy is empty until it has its state, a scalar
// is made of its bytes, and scikit-learn's criteria read as many numbers of classes as there are outputs.
std::optional<std::string> sizes_offence(const GlobalRow& row, const std::vector<Value>& args);

// What is wrong with the state of a generator: the position of MT19937 is among its numbers. {"state": {"key", "pos"}, …}, the
// same before a seed, or ("MT19937", key, pos, …), as numpy/random/_mt19937.pyx writes; that of Philox is in its buffer.
std::optional<std::string> generator_offence(Value state);

// What is wrong with the state of a quantized convolution of torch, which packs its weights by the numbers in it: they are
// divided by. (in, out, kernel, stride, padding, dilation, transposed, output padding, groups, …)
std::optional<std::string> convolution_offence(const GlobalRow& row, Value state);

}  // namespace holdall

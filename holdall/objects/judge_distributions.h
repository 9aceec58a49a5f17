// What a pickle may give a distribution of SciPy. scipy.stats' rv_generic.__setstate__ has Python execute a text that stands in
// the state, of which it makes the functions that sort the arguments of its methods.
// Thread-safety: pure. Ownership: refers to the caller's arena.
#pragma once

#include <optional>
#include <string>

#include "holdall/core/value.h"

namespace holdall {

// What is wrong with the state that BUILD gives a distribution, by parse_arg_template of scipy/stats/_distn_infrastructure.py;
// nothing for one that SciPy could have written.
std::optional<std::string> distribution_offence(Value state);

// Whether a call of getattr names the method by which a discrete distribution computes its entropies, which SciPy keeps.
bool names_entropy(Value object);

}  // namespace holdall

// The expressions in a program of torch.export: sizes, which torch.export.load gives to sympy, whose sympify() evaluates them
// as Python, and guards, which become a function of Python's when the program is called.
//
// Thread-safety: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace holdall::torch_export {

// What in a size is more than arithmetic with symbols and the functions that torch writes ("a call of open"); empty where
// nothing is.
std::optional<std::string> foreign_in_size(std::string_view expression);

// The same for a guard, which also reads sizes of inputs: "L['x'].size()[0] <= 8".
std::optional<std::string> foreign_in_guard(std::string_view expression);

}  // namespace holdall::torch_export

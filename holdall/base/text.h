// text("{} of {}", a, b): the one way the library formats messages (libfmt, header only, compiled in one place).
#pragma once

#include <fmt/core.h>

#include <string>

namespace holdall {

namespace detail {
std::string format_text(fmt::string_view format, fmt::format_args args);
}

template <class... Args>
std::string text(fmt::format_string<Args...> format, Args&&... args) {
  return detail::format_text(format, fmt::make_format_args(args...));
}

}  // namespace holdall

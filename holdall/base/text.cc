#define FMT_HEADER_ONLY
#include "holdall/base/text.h"

#include <fmt/format.h>

namespace holdall::detail {

std::string format_text(fmt::string_view format, fmt::format_args args) { return fmt::vformat(format, args); }

}  // namespace holdall::detail

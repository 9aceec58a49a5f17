#include "holdall/checkpoint/checkpoint_name.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "holdall/base/text.h"

namespace holdall {
namespace {

constexpr std::size_t kLongest = 200;
constexpr int kMostDigits = 40;

struct Spelling {
  bool zeros = false;
  int width = 0;
  int precision = -1;
  char type = 0;  // 'd', 'f', 'e', 'g' or none
};

// A part of Python's format specifications: [0][width][.precision][d|f|e|g].
std::optional<Spelling> spelling_of(std::string_view format) {
  Spelling spelling;
  const auto number = [&]() -> std::optional<int> {
    int value = 0;
    const auto read = std::from_chars(format.data(), format.data() + format.size(), value);
    if (read.ec != std::errc() || value < 0 || value > kMostDigits) return std::nullopt;
    format.remove_prefix(static_cast<std::size_t>(read.ptr - format.data()));
    return value;
  };
  if (format.starts_with('0')) spelling.zeros = true;
  if (!format.empty() && format.front() >= '0' && format.front() <= '9') {
    const auto width = number();
    if (!width) return std::nullopt;
    spelling.width = *width;
  }
  if (format.starts_with('.')) {
    format.remove_prefix(1);
    const auto precision = number();
    if (!precision) return std::nullopt;
    spelling.precision = *precision;
  }
  if (format == "d" || format == "f" || format == "e" || format == "g") {
    spelling.type = format.front();
    format.remove_prefix(1);
  }
  return format.empty() ? std::optional(spelling) : std::nullopt;
}

bool is_integer(std::string_view field) { return field == "step" || field == "epoch"; }

bool fits(std::string_view field, const Spelling& spelling) {
  return is_integer(field) ? spelling.precision < 0 && (spelling.type == 0 || spelling.type == 'd') : spelling.type != 'd';
}

std::string padded(std::string digits, const Spelling& spelling) {
  const auto width = static_cast<std::size_t>(spelling.width);
  if (digits.size() >= width) return digits;
  const std::string filler(width - digits.size(), spelling.zeros ? '0' : ' ');
  const bool sign = spelling.zeros && digits.starts_with('-');
  return sign ? '-' + filler + digits.substr(1) : filler + digits;
}

std::string spelled(double value, const Spelling& spelling) {
  if (spelling.precision < 0 && spelling.type == 0) return text("{}", value);
  const int precision = spelling.precision < 0 ? 6 : spelling.precision;
  switch (spelling.type) {
    case 'f':
      return text("{:.{}f}", value, precision);
    case 'e':
      return text("{:.{}e}", value, precision);
    default:
      return text("{:.{}g}", value, precision);
  }
}

Status check_name(std::string_view name) {
  const bool slash = name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos;
  if (name.empty() || slash || name.front() == '.' || name.size() > kLongest)
    return invalid_argument(
        text("'{}' is no name of a checkpoint: one name of 1 to {} bytes, without '/', not starting with '.'", name, kLongest));
  return {};
}

}  // namespace

Result<CheckpointName> CheckpointName::parse(std::string_view pattern) {
  HOLDALL_TRY(check_name(pattern));
  CheckpointName made;
  bool has_step = false;
  for (std::string_view rest = pattern; !rest.empty();) {
    const std::size_t open = rest.find_first_of("{}");
    if (open != 0) made.pieces_.push_back({std::string(rest.substr(0, open)), false, ""});
    if (open == std::string_view::npos) break;
    const std::size_t close = rest.find('}', open);
    if (rest[open] == '}' || close == std::string_view::npos)
      return invalid_argument(text("'{}': a brace without its other one", pattern));
    const std::string_view inside = rest.substr(open + 1, close - open - 1);
    const std::size_t colon = std::min(inside.find(':'), inside.size());
    const std::string_view field = inside.substr(0, colon);
    const std::string_view format = inside.substr(std::min(colon + 1, inside.size()));
    const auto spelling = spelling_of(format);
    if (field.empty() || !spelling || !fits(field, *spelling))
      return invalid_argument(
          text("'{}': '{{{}}}' is not understood; {{step}}, {{epoch}}, {{METRIC}}, as {{step:08}} or {{loss:.3f}}", pattern,
               inside));
    has_step = has_step || field == "step";
    made.pieces_.push_back({std::string(field), true, std::string(format)});
    rest = rest.substr(close + 1);
  }
  if (!has_step) return invalid_argument(text("'{}' has no {{step}}: each checkpoint would replace the one before", pattern));
  return made;
}

Result<std::string> CheckpointName::of(const CheckpointLabel& label) const {
  std::string name;
  for (const Piece& piece : pieces_) {
    if (!piece.field) {
      name += piece.text;
      continue;
    }
    const Spelling spelling = spelling_of(piece.format).value_or(Spelling{});
    if (is_integer(piece.text)) {
      name += padded(text("{}", piece.text == "step" ? label.step : label.epoch.value_or(0)), spelling);
      continue;
    }
    const auto found = std::find_if(label.metrics.begin(), label.metrics.end(),
                                    [&](const auto& metric) { return metric.first == piece.text; });
    if (found == label.metrics.end())
      return invalid_argument(
          text("the name of a checkpoint says '{}', and there is no such metric at step {}", piece.text, label.step));
    name += padded(spelled(found->second, spelling), spelling);
  }
  HOLDALL_TRY(check_name(name));
  return name;
}

}  // namespace holdall

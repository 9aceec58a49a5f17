#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "holdall/formats/lightgbm/lightgbm.h"

namespace holdall::lightgbm {
namespace {

using Count = Field::Count;

constexpr std::array kFields = {
    Field{"split_feature", DType::kInt32, Count::kSplits, false},
    Field{"split_gain", DType::kFloat32, Count::kSplits, true},
    Field{"threshold", DType::kFloat64, Count::kSplits, false},
    Field{"decision_type", DType::kInt8, Count::kSplits, false},
    Field{"left_child", DType::kInt32, Count::kSplits, false},
    Field{"right_child", DType::kInt32, Count::kSplits, false},
    Field{"leaf_value", DType::kFloat64, Count::kLeaves, false},
    Field{"leaf_weight", DType::kFloat64, Count::kLeaves, false},
    Field{"leaf_count", DType::kInt32, Count::kLeaves, false},
    Field{"internal_value", DType::kFloat64, Count::kSplits, true},
    Field{"internal_weight", DType::kFloat64, Count::kSplits, true},
    Field{"internal_count", DType::kInt32, Count::kSplits, false},
    Field{"cat_boundaries", DType::kInt32, Count::kCategorySplits, false},
    Field{"cat_threshold", DType::kUInt32, Count::kCategoryWords, false},
    Field{"leaf_const", DType::kFloat64, Count::kLeaves, false},
    Field{"num_features", DType::kInt32, Count::kLeaves, false},
    Field{"leaf_features", DType::kInt32, Count::kLeafFeatures, false},
    Field{"leaf_coeff", DType::kFloat64, Count::kLeafFeatures, false},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// base to a whole power, by the multiplications that LightGBM's Pow makes of it: others would round otherwise.
double power(double base, int exponent) {
  double factor = 1.0;
  std::array<double, 64> factors{};
  std::size_t count = 0;
  for (; exponent > 0 && count < factors.size();) {
    if (exponent % 2 == 0) {
      base *= base;
      exponent /= 2;
    } else if (exponent % 3 == 0) {
      base = base * base * base;
      exponent /= 3;
    } else {
      factors[count++] = base;
      --exponent;
    }
  }
  while (count > 0) factor = factors[--count] * factor;
  return factor;
}

bool equals_lower(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if ((text[i] | 0x20) != lower[i]) return false;
  return true;
}

// 10 to `exponent` as the quick reader makes it: by steps of 50, 8 and 1.
double scale_of(unsigned exponent) {
  double scale = 1.0;
  for (; exponent >= 50; exponent -= 50) scale *= 1e50;
  for (; exponent >= 8; exponent -= 8) scale *= 1e8;
  for (; exponent > 0; --exponent) scale *= 10.0;
  return scale;
}

}  // namespace

const Field* field_named(std::string_view name) noexcept {
  for (const Field& field : kFields)
    if (field.name == name) return &field;
  return nullptr;
}

// include/LightGBM/utils/common.h, Common::Atof.
std::optional<double> quick_real(std::string_view spelling) noexcept {
  const auto at = [&](std::size_t i) { return i < spelling.size() ? spelling[i] : '\0'; };
  std::size_t i = 0;
  const double sign = at(0) == '-' ? -1.0 : 1.0;
  if (at(0) == '-' || at(0) == '+') ++i;
  const std::string_view rest = spelling.substr(i);
  if (equals_lower(rest, "nan") || equals_lower(rest, "na") || equals_lower(rest, "null")) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (equals_lower(rest, "inf") || equals_lower(rest, "infinity")) return sign * 1e308;
  if (!is_digit(at(i)) && at(i) != '.') return std::nullopt;
  double value = 0.0;
  for (; is_digit(at(i)); ++i) value = value * 10.0 + (at(i) - '0');
  if (at(i) == '.') {
    double right = 0.0;
    int digits = 0;
    for (++i; is_digit(at(i)); ++i, ++digits) right = (at(i) - '0') + right * 10.0;
    value += right / power(10.0, digits);
  }
  if ((at(i) | 0x20) == 'e') {
    const bool is_negative = at(++i) == '-';
    if (at(i) == '-' || at(i) == '+') ++i;
    unsigned exponent = 0;
    for (; is_digit(at(i)); ++i) exponent = exponent > 308 ? exponent : exponent * 10 + static_cast<unsigned>(at(i) - '0');
    const double scale = scale_of(exponent > 308 ? 308 : exponent);
    value = is_negative ? value / scale : value * scale;
  }
  return i == spelling.size() ? std::optional(sign * value) : std::nullopt;
}

std::optional<double> exact_real(std::string_view spelling) noexcept {
  double value = 0;
  const char* const end = spelling.data() + spelling.size();
  const auto read = std::from_chars(spelling.data(), end, value);
  if (read.ec == std::errc() && read.ptr == end) return value;
  if (read.ec != std::errc::result_out_of_range || read.ptr != end) return std::nullopt;
  return std::strtod(std::string(spelling).c_str(), nullptr);
}

}  // namespace holdall::lightgbm

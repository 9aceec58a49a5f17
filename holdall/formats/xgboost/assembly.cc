#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/formats/xgboost/xgboost.h"

namespace holdall::xgboost {
namespace {

constexpr std::string_view kBooster = "gradient_booster";
constexpr std::size_t kNodesBetweenChecks = 65'536;

// What XGBoost stores under these names (tree_model.cc, multi_target_tree_model.cc, gbtree_model.cc, gblinear_model.cc,
// cat_container.cc): the typed arrays of its UBJSON, which JSON does not tell apart.
struct Field {
  std::string_view name;
  DType dtype;
};
constexpr std::array kFields = {
    Field{"base_weights", DType::kFloat32},
    Field{"categories", DType::kInt32},
    Field{"categories_nodes", DType::kInt32},
    Field{"categories_segments", DType::kInt64},
    Field{"categories_sizes", DType::kInt64},
    Field{"default_left", DType::kUInt8},
    Field{"feature_segments", DType::kInt32},
    Field{"iteration_indptr", DType::kInt32},
    Field{"leaf_weights", DType::kFloat32},
    Field{"left_children", DType::kInt32},
    Field{"loss_changes", DType::kFloat32},
    Field{"offsets", DType::kInt32},
    Field{"parents", DType::kInt32},
    Field{"right_children", DType::kInt32},
    Field{"sorted_idx", DType::kInt32},
    Field{"split_conditions", DType::kFloat32},
    Field{"split_indices", DType::kInt32},
    Field{"split_type", DType::kUInt8},
    Field{"sum_hessian", DType::kFloat32},
    Field{"ti+", DType::kFloat32},
    Field{"tj-", DType::kFloat32},
    Field{"tree_info", DType::kInt32},
    Field{"weight_drop", DType::kFloat32},
    Field{"weights", DType::kFloat32},
};
// What an objective of ranking has learned of positions (lambdarank_obj.cc): arrays outside of the booster.
constexpr std::string_view kBiases[] = {"ti+", "tj-"};

template <class T>
bool all_fit(const std::vector<std::int64_t>& values) {
  return std::all_of(values.begin(), values.end(), [](std::int64_t value) {
    return value >= std::int64_t{std::numeric_limits<T>::min()} && value <= std::int64_t{std::numeric_limits<T>::max()};
  });
}

template <class T>
Bytes packed(const auto& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) store_le(bytes.data() + i * sizeof(T), static_cast<T>(values[i]));
  return Bytes::adopt(std::move(bytes));
}

}  // namespace

std::string_view Assembly::field() const {
  if (open_.empty() || open_.back().key == kNoNode) return {};
  return builder_.arena->at(open_.back().key).as_string();
}

std::optional<DType> Assembly::dtype_of_field() const {
  const auto row = std::find_if(kFields.begin(), kFields.end(), [&](const Field& each) { return each.name == field(); });
  if (row != kFields.end()) return row->dtype;
  // The categories of a feature: texts as bytes behind their offsets.
  const bool is_texts = field() == "values" && builder_.arena->at(open_.back().container).find("offsets");
  return is_texts ? std::optional(DType::kInt8) : std::nullopt;
}

Status Assembly::place(NodeId node) {
  Arena& arena = *builder_.arena;
  if (arena.size() >= checked_) {
    checked_ = arena.size() + kNodesBetweenChecks;
    if (const std::uint64_t taken = arena.memory() - before_; taken > limits_.value_bytes) {
      return over_limit(text("values take {} bytes, more than the {} allowed", taken, limits_.value_bytes));
    }
  }
  if (open_.empty()) {
    root_ = node;
    return {};
  }
  Open& inner = open_.back();
  if (!inner.is_object) {
    arena.append(inner.container, node);
    return {};
  }
  const std::size_t before = arena.at(inner.container).size();
  arena.set_item(inner.container, inner.key, node);
  if (arena.at(inner.container).size() == before) return corrupt(text("key '{}' stands twice in one object", field()));
  inner.key = kNoNode;
  return {};
}

Status Assembly::key(std::string_view text) {
  open_.back().key = builder_.arena->string(text);
  return {};
}

Status Assembly::begin_object() {
  HOLDALL_TRY(spill());
  const bool enters = inside_ == 0 && field() == kBooster;
  const NodeId dict = builder_.arena->dict();
  HOLDALL_TRY(place(dict));
  open_.push_back({dict, kNoNode, true});
  if (enters) inside_ = open_.size();
  return {};
}

Status Assembly::begin_array() {
  HOLDALL_TRY(spill());
  const bool is_bias = std::find(std::begin(kBiases), std::end(kBiases), field()) != std::end(kBiases);
  if (wants_tensors() || is_bias) {
    numbers_ = {};
    numbers_.is_open = true;
    return {};
  }
  const NodeId list = builder_.arena->list();
  HOLDALL_TRY(place(list));
  open_.push_back({list, kNoNode, false});
  return {};
}

Status Assembly::end() {
  if (numbers_.is_open) return close_numbers();
  if (inside_ == open_.size()) inside_ = 0;
  open_.pop_back();
  return {};
}

// The array holds something else than numbers: it is a list.
Status Assembly::spill() {
  if (!numbers_.is_open) return {};
  const Numbers numbers = std::exchange(numbers_, {});
  Arena& arena = *builder_.arena;
  const NodeId list = arena.list();
  HOLDALL_TRY(place(list));
  open_.push_back({list, kNoNode, false});
  for (const float value : numbers.reals) HOLDALL_TRY(place(arena.real(static_cast<double>(value))));
  for (const std::int64_t value : numbers.integers) {
    HOLDALL_TRY(place(numbers.has_others ? arena.integer(value) : arena.boolean(value != 0)));
  }
  return {};
}

Status Assembly::close_numbers() {
  const auto known = dtype_of_field();
  const std::size_t count = numbers_.has_reals ? numbers_.reals.size() : numbers_.integers.size();
  const bool is_number_array = known || (count != 0 && numbers_.has_others);
  if (!is_number_array) {
    HOLDALL_TRY(spill());
    open_.pop_back();
    return {};
  }
  DType dtype = known.value_or(numbers_.has_reals ? DType::kFloat32 : DType::kInt64);
  if (numbers_.has_reals) dtype = DType::kFloat32;
  const auto& integers = numbers_.integers;
  if (dtype == DType::kInt32 && !all_fit<std::int32_t>(integers)) dtype = DType::kInt64;
  if (dtype == DType::kInt8 && !all_fit<std::int8_t>(integers)) dtype = DType::kInt64;
  if (dtype == DType::kUInt8 && !all_fit<std::uint8_t>(integers)) dtype = DType::kInt64;
  if (dtype == DType::kFloat32) to_reals();
  Bytes bytes;
  switch (dtype) {
    case DType::kFloat32:
      bytes = packed<float>(numbers_.reals);
      break;
    case DType::kInt32:
      bytes = packed<std::int32_t>(integers);
      break;
    case DType::kInt8:
      bytes = packed<std::int8_t>(integers);
      break;
    case DType::kUInt8:
      bytes = packed<std::uint8_t>(integers);
      break;
    default:
      bytes = packed<std::int64_t>(integers);
  }
  numbers_ = {};
  HOLDALL_ASSIGN(Tensor made, Tensor::dense(dtype, {count}, Blob::memory(std::move(bytes), file_.str())));
  return tensor(std::move(made));
}

void Assembly::to_reals() {
  if (!numbers_.has_reals) numbers_.reals.assign(numbers_.integers.begin(), numbers_.integers.end());
  numbers_.integers.clear();
  numbers_.has_reals = true;
}

Status Assembly::tensor(Tensor tensor) {
  HOLDALL_TRY(spill());
  if (++tensors_ > limits_.tensors) return over_limit(text("more arrays than the {} allowed", limits_.tensors));
  return place(builder_.arena->tensor({.index = builder_.add(std::move(tensor), file_)}));
}

Status Assembly::plain(NodeId node) {
  HOLDALL_TRY(spill());
  return place(node);
}

Status Assembly::integer(std::int64_t value) {
  if (!numbers_.is_open) return place(builder_.arena->integer(value));
  numbers_.has_others = true;
  if (numbers_.has_reals) {
    numbers_.reals.push_back(static_cast<float>(value));
  } else {
    numbers_.integers.push_back(value);
  }
  return {};
}

Status Assembly::boolean(bool value) {
  if (!numbers_.is_open || numbers_.has_reals) return plain(builder_.arena->boolean(value));
  numbers_.integers.push_back(value ? 1 : 0);
  return {};
}

Status Assembly::real(double value) {
  if (!numbers_.is_open) return place(builder_.arena->real(value));
  to_reals();
  numbers_.has_others = true;
  numbers_.reals.push_back(static_cast<float>(value));
  return {};
}

// Straight to float32, as XGBoost reads it: by way of float64 it would be rounded twice.
Status Assembly::real(std::string_view spelling) {
  float single = 0;
  double value = 0;
  const char* const end = spelling.data() + spelling.size();
  if (spelling == "NaN" || spelling == "Infinity" || spelling == "-Infinity") {
    value = spelling == "NaN" ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
    if (spelling.front() == '-') value = -value;
    single = static_cast<float>(value);
  } else {
    if (std::from_chars(spelling.data(), end, value).ec != std::errc())
      value = std::strtod(std::string(spelling).c_str(), nullptr);
    if (std::from_chars(spelling.data(), end, single).ec != std::errc()) single = static_cast<float>(value);
  }
  if (!numbers_.is_open) return place(builder_.arena->real(value));
  to_reals();
  numbers_.has_others = true;
  numbers_.reals.push_back(single);
  return {};
}

}  // namespace holdall::xgboost

#include <algorithm>
#include <array>

#include "holdall/base/text.h"
#include "holdall/core/cast.h"
#include "holdall/formats/gguf/llama_cpp.h"

namespace holdall::gguf {
namespace {

enum class Change : std::uint8_t {
  kNone,
  kFloat32,
  kTransposed,
  kHeads,
  kKeyHeads,
  kPositions,
  kPooler,
  kClassifier,
  kComputed
};

struct Row {
  Family family;
  std::string_view pattern, name;
  Change change;
};

constexpr std::array kRows = {
#define HOLDALL_LLAMA_TENSOR(family, pattern, name, change) Row{Family::family, pattern, name, Change::change},
#include "holdall/formats/gguf/llama_tensors.inc"
#undef HOLDALL_LLAMA_TENSOR
};

// A model within another (a head's) has a prefix.
constexpr std::string_view kPrefixes[] = {"bert.", "roberta.", "distilbert.", "transformer.", "model."};
constexpr std::string_view kEndings[] = {".weight", ".bias", ".gamma", ".beta"};

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Whether a name fits, and the number that '*' stands for.
bool fits(std::string_view pattern, std::string_view name, std::string_view& layer) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (name.substr(0, star) != pattern.substr(0, star)) return false;
  const std::string_view rest = name.substr(star);
  layer = rest.substr(0, rest.find('.'));
  return is_number(layer) && rest.substr(layer.size()) == pattern.substr(star + 1);
}

struct Place {
  std::string name;  // empty: none
  Change change = Change::kNone;
};

std::optional<Place> place_of(Family family, std::string_view name) {
  std::string_view ending;
  for (const std::string_view known : kEndings)
    if (name.ends_with(known)) ending = known;
  const std::string_view stem = name.substr(0, name.size() - ending.size());
  for (const Row& row : kRows) {
    std::string_view layer;
    if (row.family != family || !fits(row.pattern, stem, layer)) continue;
    if (row.change == Change::kComputed) return Place{"", row.change};
    std::string there(row.name);
    if (const std::size_t star = there.find('*'); star != std::string::npos) there.replace(star, 1, layer);
    return Place{there + (ending == ".weight" || ending == ".gamma" ? ".weight" : ".bias"), row.change};
  }
  return std::nullopt;
}

std::optional<Place> place_in(const Architecture& architecture, std::string_view name) {
  if (auto place = place_of(architecture.family, name)) return place;
  for (const std::string_view prefix : kPrefixes) {
    if (!name.starts_with(prefix)) continue;
    if (auto place = place_of(architecture.family, name.substr(prefix.size()))) return place;
  }
  return std::nullopt;
}

// Another order of axes, another first row: no element is moved.
Result<Tensor> seen(const Tensor& tensor, Shape shape, std::vector<std::int64_t> strides, std::uint64_t skipped = 0) {
  Tensor::View view = tensor.layout();
  view.strides = std::move(strides);
  view.offset += skipped;
  return Tensor::view(tensor.dtype(), std::move(shape), tensor.storage(), std::move(view));
}

Result<Tensor> transposed(const Tensor& tensor) {
  if (tensor.shape().size() != 2) return tensor;
  const std::vector<std::int64_t> strides = tensor.strides();
  return seen(tensor, {tensor.shape()[1], tensor.shape()[0]}, {strides[1], strides[0]});
}

// The rows of each head, [first half, second half], become [first of both, second of both, …].
Result<Tensor> interleaved(const Tensor& tensor, std::uint64_t heads) {
  const std::uint64_t rows = tensor.shape().empty() ? 0 : tensor.shape()[0];
  if (tensor.shape().empty() || tensor.shape().size() > 2 || heads == 0 || rows % (2 * heads) != 0) {
    return corrupt(text("{} does not divide into the two halves of {} heads", to_string(tensor.shape()), heads));
  }
  const std::uint64_t half = rows / heads / 2;
  const std::int64_t step = tensor.strides()[0];
  Shape shape{heads, half, 2};
  const auto of = [&](std::uint64_t count) { return step * static_cast<std::int64_t>(count); };
  std::vector<std::int64_t> strides{of(2 * half), step, of(half)};
  if (tensor.shape().size() == 2) {
    shape.push_back(tensor.shape()[1]);
    strides.push_back(tensor.strides()[1]);
  }
  HOLDALL_ASSIGN(const Tensor view, seen(tensor, std::move(shape), std::move(strides)));
  HOLDALL_ASSIGN(Blob data, view.data());
  return Tensor::dense(tensor.dtype(), tensor.shape(), std::move(data));
}

Result<Tensor> without_rows(const Tensor& tensor, std::uint64_t skipped) {
  if (skipped == 0) return tensor;
  if (tensor.shape().size() != 2 || tensor.shape()[0] <= skipped) {
    return corrupt(text("{} has no rows behind the first {}", to_string(tensor.shape()), skipped));
  }
  const std::vector<std::int64_t> strides = tensor.strides();
  return seen(tensor, {tensor.shape()[0] - skipped, tensor.shape()[1]}, strides,
              skipped * static_cast<std::uint64_t>(strides[0]));
}

class TensorConverter {
 public:
  explicit TensorConverter(Conversion& conversion) : conversion_(conversion) {
    const std::int64_t heads = conversion.setting({"num_attention_heads", "n_head", "n_heads"}).value_or(0);
    heads_ = static_cast<std::uint64_t>(std::max<std::int64_t>(heads, 0));
    key_heads_ =
        static_cast<std::uint64_t>(std::max<std::int64_t>(conversion.setting({"num_key_value_heads"}).value_or(heads), 0));
  }

  Status run() {
    for (const NamedTensor& entry : conversion_.model.tensors()) HOLDALL_TRY(add(entry));
    if (computed_ != 0) {
      conversion_.builder.warnings.push_back(text("{} tensors are left out: llama.cpp computes them", computed_));
    }
    return {};
  }

 private:
  Status add(const NamedTensor& entry) {
    const std::optional<Place> place = place_in(conversion_.architecture, entry.name);
    const bool is_placed = place && (place->change != Change::kClassifier || conversion_.classifies());
    // A tied output is the embedding, which llama.cpp takes where there is no other.
    if ((!is_placed || place->name == "output.weight") && has_twin(entry)) return {};
    if (!is_placed) {
      conversion_.losses.push_back({entry.name, text("llama.cpp's {} has no place for it", conversion_.architecture.name)});
      return {};
    }
    if (place->change == Change::kComputed) return ++computed_, Status();
    if (place->change == Change::kPooler && !conversion_.classifies()) {
      conversion_.builder.warnings.push_back(text("'{}' is left out: llama.cpp's embeddings are those before it", entry.name));
      return {};
    }
    if (!taken_.insert(place->name).second) {
      return invalid_argument(text("'{}' and a tensor before it would both be called '{}'", entry.name, place->name));
    }
    Result<Tensor> tensor = changed(entry.tensor, place->change);
    if (!tensor) return std::move(tensor).error().with(text("tensor '{}'", entry.name));
    HOLDALL_ASSIGN(Tensor made, as_read(*tensor, *place, entry.name));
    if (place->name == "token_embd.weight") conversion_.rows = made.shape().empty() ? 0 : made.shape()[0];
    conversion_.builder.add(std::move(made), entry.file);
    conversion_.renamed.push_back(text("{}={}", entry.name, place->name));
    conversion_.names.push_back(place->name);
    return {};
  }

  // Whether the same elements have another name too, which has a place.
  bool has_twin(const NamedTensor& entry) const {
    const auto& all = conversion_.model.tensors();
    return std::any_of(all.begin(), all.end(), [&](const NamedTensor& other) {
      return &other != &entry && place_in(conversion_.architecture, other.name) &&
             other.tensor.storage() == entry.tensor.storage() && other.tensor.shape() == entry.tensor.shape() &&
             other.tensor.strides() == entry.tensor.strides() && other.tensor.layout().offset == entry.tensor.layout().offset;
    });
  }

  Result<Tensor> changed(const Tensor& tensor, Change change) const {
    switch (change) {
      case Change::kTransposed:
        return transposed(tensor);
      case Change::kHeads:
        return interleaved(tensor, heads_);
      case Change::kKeyHeads:
        return interleaved(tensor, key_heads_);
      case Change::kPositions:
        return without_rows(tensor, conversion_.first_position());
      default:
        return tensor;
    }
  }

  // llama.cpp computes with vectors, norms and tables of positions as float32 alone, with matrices of float32, float16,
  // bfloat16.
  Result<Tensor> as_read(const Tensor& tensor, const Place& place, const std::string& name) {
    const bool is_fixed = tensor.shape().size() < 2 || place.change == Change::kFloat32 || place.change == Change::kPositions;
    if (is_fixed) conversion_.fixed.push_back({place.name, "llama.cpp reads it as float32"});
    const DType dtype = tensor.dtype();
    const bool may_stay = dtype == DType::kFloat32 || dtype == DType::kFloat16 || dtype == DType::kBFloat16;
    if (dtype == DType::kFloat32 || (may_stay && !is_fixed)) return tensor;
    if (!is_exact_cast(dtype, DType::kFloat32)) {
      conversion_.losses.push_back({name, text("llama.cpp reads no {}: it becomes float32", holdall::name(dtype))});
    }
    return cast(tensor, DType::kFloat32);
  }

  Conversion& conversion_;
  std::uint64_t heads_ = 0, key_heads_ = 0;
  std::set<std::string> taken_;
  std::size_t computed_ = 0;
};

}  // namespace

Status convert_tensors(Conversion& conversion) { return TensorConverter(conversion).run(); }

}  // namespace holdall::gguf

#include "holdall/formats/gguf/gguf_header.h"

#include <algorithm>
#include <numeric>

#include "holdall/base/checked.h"
#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/formats/gguf/header_input.h"

namespace holdall::gguf {
namespace {

// A node, its place in a list and what a text takes beside its bytes.
constexpr std::uint64_t kItemMemory = 24;

class HeaderReader {
 public:
  HeaderReader(const Source& source, Arena& arena, const Limits& limits)
      : input_(source, limits), arena_(arena), limits_(limits) {}

  Result<Header> run() {
    HOLDALL_TRY(read_start());
    header_.pairs.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(pairs_, 1024)));
    for (std::uint64_t i = 0; i < pairs_; ++i) HOLDALL_TRY(read_pair());
    HOLDALL_TRY(read_alignment());
    header_.tensors.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(tensors_, 1024)));
    for (std::uint64_t i = 0; i < tensors_; ++i) HOLDALL_TRY(read_tensor());
    HOLDALL_TRY(place_tensors());
    return std::move(header_);
  }

 private:
  Status read_start() {
    HOLDALL_ASSIGN(const std::span<const std::byte> magic, input_.take(4));
    const bool reversed = as_text(magic) == "FUGG";  // what some big-endian files begin with
    if (as_text(magic) != "GGUF" && !reversed) return corrupt("the file does not begin with 'GGUF'").at(0).in(input_.name());
    HOLDALL_ASSIGN(header_.version, input_.number<std::uint32_t>());
    if ((header_.version & 0xffff) == 0) {
      header_.order = ByteOrder::kBig;
      input_.set_order(ByteOrder::kBig);
      header_.version = __builtin_bswap32(header_.version);
    }
    if (header_.version == 0 || header_.version > 3) {
      return unsupported(text("GGUF version {}; 1 to 3 are known", header_.version)).at(4).in(input_.name());
    }
    input_.set_wide(header_.version > 1);
    HOLDALL_ASSIGN(tensors_, input_.count());
    if (tensors_ > limits_.tensors) {
      return over_limit(text("{} tensors, {} are allowed", tensors_, limits_.tensors)).in(input_.name());
    }
    HOLDALL_ASSIGN(pairs_, input_.count());
    const auto least = checked_add(*checked_multiply(tensors_, 20), std::min<std::uint64_t>(pairs_, UINT64_MAX / 16) * 9);
    if (!least || *least > input_.remaining()) {
      return corrupt(
                 text("{} tensors and {} keys need more than the {} bytes that remain", tensors_, pairs_, input_.remaining()))
          .at(8)
          .in(input_.name());
    }
    return {};
  }

  Status read_pair() {
    Pair pair;
    pair.offset = input_.position();
    HOLDALL_ASSIGN(pair.key, input_.string());
    if (pair.key.empty()) return corrupt("a key of no characters").at(pair.offset).in(input_.name());
    if (!keys_.insert(pair.key).second) return corrupt(text("'{}' stands twice", pair.key)).at(pair.offset).in(input_.name());
    const auto read = [&]() -> Status {
      HOLDALL_ASSIGN(const ValueType type, value_type());
      HOLDALL_ASSIGN(pair.value, value(type, pair.type, 1));
      return {};
    };
    if (Status done = read(); !done) return std::move(done).error().with(text("key '{}'", pair.key));
    if (arena_.memory() > limits_.value_bytes) {
      return over_limit(text("values of more than {} bytes", limits_.value_bytes)).at(pair.offset).in(input_.name());
    }
    header_.pairs.push_back(std::move(pair));
    return {};
  }

  Result<ValueType> value_type() {
    const std::uint64_t at = input_.position();
    HOLDALL_ASSIGN(const std::uint32_t number, input_.number<std::uint32_t>());
    if (number >= kValueTypes)
      return corrupt(text("a value of type {}; {} types are known", number, kValueTypes)).at(at).in(input_.name());
    return static_cast<ValueType>(number);
  }

  Result<NodeId> value(ValueType type, std::string& type_name, unsigned depth) {
    if (type == ValueType::kArray) return array(type_name, depth);
    type_name = name(type);
    return scalar(type);
  }

  template <class T>
  Result<NodeId> integer() {
    HOLDALL_ASSIGN(const T number, input_.number<T>());
    if constexpr (std::is_same_v<T, std::uint64_t>) {
      if (number > static_cast<std::uint64_t>(INT64_MAX)) return arena_.big_integer(std::to_string(number));
    }
    return arena_.integer(static_cast<std::int64_t>(number));
  }

  Result<NodeId> boolean() {
    const std::uint64_t at = input_.position();
    HOLDALL_ASSIGN(const std::uint8_t byte, input_.number<std::uint8_t>());
    if (byte > 1) return corrupt(text("{} is no bool", byte)).at(at).in(input_.name());
    return arena_.boolean(byte != 0);
  }

  Result<NodeId> scalar(ValueType type) {
    switch (type) {
      case ValueType::kUInt8:
        return integer<std::uint8_t>();
      case ValueType::kInt8:
        return integer<std::int8_t>();
      case ValueType::kUInt16:
        return integer<std::uint16_t>();
      case ValueType::kInt16:
        return integer<std::int16_t>();
      case ValueType::kUInt32:
        return integer<std::uint32_t>();
      case ValueType::kInt32:
        return integer<std::int32_t>();
      case ValueType::kUInt64:
        return integer<std::uint64_t>();
      case ValueType::kInt64:
        return integer<std::int64_t>();
      case ValueType::kBool:
        return boolean();
      case ValueType::kFloat32: {
        HOLDALL_ASSIGN(const float number, input_.number<float>());
        return arena_.real(number);
      }
      case ValueType::kFloat64: {
        HOLDALL_ASSIGN(const double number, input_.number<double>());
        return arena_.real(number);
      }
      default: {
        HOLDALL_ASSIGN(const std::string text, input_.string());
        return arena_.string(text);
      }
    }
  }

  Result<NodeId> array(std::string& type_name, unsigned depth) {
    const std::uint64_t at = input_.position();
    if (depth > limits_.depth) {
      return over_limit(text("arrays nested {} deep, {} are allowed", depth, limits_.depth)).at(at).in(input_.name());
    }
    HOLDALL_ASSIGN(const ValueType type, value_type());
    HOLDALL_ASSIGN(const std::uint64_t count, input_.count());
    const auto least = checked_multiply(count, least_bytes(type, input_.wide()));
    if (!least || *least > input_.remaining()) {
      return corrupt(text("an array of {} elements of {}, {} bytes remain", count, name(type), input_.remaining()))
          .at(at)
          .in(input_.name());
    }
    if (arena_.memory() + count * kItemMemory > limits_.value_bytes) {
      return over_limit(text("values of more than {} bytes", limits_.value_bytes)).at(at).in(input_.name());
    }
    std::vector<NodeId> items;
    items.reserve(static_cast<std::size_t>(count));
    std::string element(type == ValueType::kArray ? "[int32]" : name(type));
    for (std::uint64_t i = 0; i < count; ++i) {
      std::string one;
      HOLDALL_ASSIGN(const NodeId item, value(type, one, depth + 1));
      // Arrays of arrays of several types: the first type is told.
      if (i == 0) element = std::move(one);
      items.push_back(item);
    }
    type_name = "[" + element + "]";
    return arena_.list(items);
  }

  Status read_alignment() {
    for (const Pair& pair : header_.pairs) {
      if (pair.key != kAlignmentKey) continue;
      const Value value = arena_.at(pair.value);
      const std::int64_t found = pair.type == name(ValueType::kUInt32) ? value.as_int() : 0;
      if (found <= 0 || (found & (found - 1)) != 0 || found > static_cast<std::int64_t>(kMostAlignment)) {
        return corrupt(text("'{}' is no power of two of at most {} as uint32", kAlignmentKey, kMostAlignment))
            .at(pair.offset)
            .in(input_.name());
      }
      header_.alignment = static_cast<std::uint64_t>(found);
    }
    return {};
  }

  Status read_tensor() {
    TensorInfo tensor;
    tensor.offset = input_.position();
    HOLDALL_ASSIGN(tensor.name, input_.string());
    if (!names_.insert(tensor.name).second) {
      return corrupt(text("tensor '{}' stands twice", tensor.name)).at(tensor.offset).in(input_.name());
    }
    if (Status read = read_geometry(tensor); !read) {
      return std::move(read).error().at(tensor.offset).in(input_.name()).with(text("tensor '{}'", tensor.name));
    }
    header_.tensors.push_back(std::move(tensor));
    return {};
  }

  Status read_geometry(TensorInfo& tensor) {
    HOLDALL_ASSIGN(const std::uint32_t dimensions, input_.number<std::uint32_t>());
    if (dimensions > kMostDimensions) return corrupt(text("{} dimensions, {} are allowed", dimensions, kMostDimensions));
    std::vector<std::uint64_t> sizes(dimensions);
    for (std::uint64_t& size : sizes) {
      HOLDALL_ASSIGN(size, input_.count());
    }
    tensor.shape = Shape(sizes.rbegin(), sizes.rend());
    HOLDALL_ASSIGN(const std::uint32_t type, input_.number<std::uint32_t>());
    const std::optional<DType> dtype = dtype_of_ggml(type);
    if (!dtype) return unsupported(text("type {} is none of ggml's", type));
    tensor.dtype = *dtype;
    HOLDALL_ASSIGN(tensor.bytes, dense_bytes(*dtype, tensor.shape));
    HOLDALL_ASSIGN(tensor.begin, input_.number<std::uint64_t>());  // relative, until place_tensors()
    if (tensor.begin % header_.alignment != 0) {
      return corrupt(text("offset {} is not a multiple of {}", tensor.begin, header_.alignment));
    }
    return {};
  }

  Status place_tensors() {
    header_.data_begin = *checked_align(input_.position(), header_.alignment);
    const std::uint64_t size = input_.size();
    const auto about = [&](const TensorInfo& tensor, std::string what) {
      return corrupt(std::move(what)).at(tensor.offset).in(input_.name()).with(text("tensor '{}'", tensor.name));
    };
    for (TensorInfo& tensor : header_.tensors) {
      const auto begin = checked_add(header_.data_begin, tensor.begin);
      const bool lies = begin && (tensor.bytes == 0 ? *begin <= size + header_.alignment : fits(*begin, tensor.bytes, size));
      if (!lies) {
        return about(tensor, text("its {} bytes at offset {} of the data do not lie within the file's {} bytes", tensor.bytes,
                                  tensor.begin, size));
      }
      tensor.begin = *begin;
    }
    std::vector<std::uint32_t> order(header_.tensors.size());
    std::iota(order.begin(), order.end(), 0U);
    const auto& all = header_.tensors;
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return std::pair(all[a].begin, all[a].bytes) < std::pair(all[b].begin, all[b].bytes);
    });
    for (std::size_t i = 1; i < order.size(); ++i) {
      const TensorInfo& before = all[order[i - 1]];
      const TensorInfo& tensor = all[order[i]];
      if (tensor.begin < before.begin + before.bytes && tensor.bytes != 0) {
        return about(tensor, text("it overlaps '{}', which ends at {}", before.name, before.begin + before.bytes));
      }
    }
    return {};
  }

  HeaderInput input_;
  Arena& arena_;
  const Limits& limits_;
  Header header_;
  std::uint64_t tensors_ = 0, pairs_ = 0;
  TextSet keys_, names_;
};

}  // namespace

Result<Header> read_header(const Source& source, Arena& arena, const Limits& limits) {
  return HeaderReader(source, arena, limits).run();
}

}  // namespace holdall::gguf

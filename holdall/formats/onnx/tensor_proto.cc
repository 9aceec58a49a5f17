#include "holdall/formats/onnx/tensor_proto.h"

#include <algorithm>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/core/strided.h"
#include "holdall/formats/onnx/packed_elements.h"
#include "holdall/formats/onnx/proto_walk.h"
#include "holdall/formats/onnx/sparse_source.h"
#include "holdall/formats/onnx/value_decoder.h"

namespace holdall::onnx {
namespace {

constexpr std::uint32_t kTexts = 6;
constexpr std::uint32_t kRaw = 9;
constexpr std::uint64_t kLongestText = 1u << 20;
constexpr std::size_t kMostEntries = 64;

bool is_values(std::uint32_t number) { return (number >= 4 && number <= 7) || (number >= 9 && number <= 11); }

Status add_size(const ProtoReader& message, Shape& shape, std::uint64_t size) {
  if (shape.size() == kMaxRank) return over_limit(text("more than {} dimensions", kMaxRank)).at(message.place());
  if (size > static_cast<std::uint64_t>(INT64_MAX))
    return message.fault(text("a dimension of {}", static_cast<std::int64_t>(size)));
  shape.push_back(size);
  return {};
}

// dims, packed or not.
Status add_sizes(const ProtoReader& message, const ProtoField& field, Shape& shape) {
  if (field.wire == ProtoWire::kVarint) return add_size(message, shape, field.value);
  if (field.wire != ProtoWire::kBytes) return {};
  HOLDALL_ASSIGN(ProtoReader packed, message.message(field));
  while (!packed.at_end()) {
    HOLDALL_ASSIGN(const std::uint64_t size, packed.packed_varint());
    HOLDALL_TRY(add_size(message, shape, size));
  }
  return {};
}

Status add_values(const ProtoReader& message, const ProtoField& field, TensorMessage& tensor) {
  auto found =
      std::find_if(tensor.values.begin(), tensor.values.end(), [&](const Values& each) { return each.number == field.number; });
  if (found == tensor.values.end()) found = tensor.values.insert(found, Values{field.number, 0, 0, {}});
  ++found->fields;
  if (field.wire != ProtoWire::kBytes) return {};
  found->bytes += field.value;
  if (found->first.source() == nullptr || field.number == kRaw) {
    HOLDALL_ASSIGN(found->first, message.blob(field));
  }
  return {};
}

Status add_external(ProtoReader& entry, TensorMessage& tensor) {
  if (tensor.external.size() == kMostEntries) return over_limit(text("more than {} entries of external data", kMostEntries));
  ExternalEntry& made = tensor.external.emplace_back();
  return each_field(entry, [&](const ProtoField& field) -> Status {
    if (!field.is_bytes(1) && !field.is_bytes(2)) return {};
    HOLDALL_ASSIGN(std::string said, entry.text(field, kLongestText));
    (field.number == 1 ? made.key : made.value) = std::move(said);
    return {};
  });
}

Result<Tensor> made_of(DType dtype, const Shape& shape, Blob data) {
  if (!is_ragged(dtype, shape)) return Tensor::dense(dtype, shape, std::move(data));
  HOLDALL_ASSIGN(const std::uint64_t count, element_count(shape));
  HOLDALL_ASSIGN(const std::uint64_t bytes, raw_bytes(dtype, shape));
  if (bytes != data.size()) {
    return corrupt(text("shape {} of {} takes {} bytes, there are {}", to_string(shape), name(dtype), bytes, data.size()))
        .at(data.offset())
        .in(data.name());
  }
  HOLDALL_ASSIGN(const Tensor tensor,
                 Tensor::dense(unpacked_dtype(dtype), shape, Blob(unpacked_source(std::move(data), dtype, count))));
  return tensor.with_logical(std::string(name(dtype)));
}

// Texts of one field, with how many bytes they take in a tensor.
Result<Tensor> texts_of(const Blob& message, const Values& values, std::uint32_t number, const Shape& shape) {
  HOLDALL_ASSIGN(const std::uint64_t count, element_count(shape));
  if (values.fields != count) {
    return corrupt(text("{} texts for shape {}", values.fields, to_string(shape))).at(message.offset()).in(message.name());
  }
  const std::uint64_t size = values.bytes + 8 * count;
  return Tensor::strings(shape, Blob(spelled_out(message, number, {Spelling::Kind::kText, 8}, size)));
}

Result<Tensor> spelled_tensor(const TensorMessage& message, const ElementType& type, const Values& values) {
  HOLDALL_ASSIGN(const std::uint64_t bytes, raw_bytes(type.dtype, message.shape));
  const bool is_fixed = type.field == 4 || type.field == 10;
  if (is_fixed && values.fields == 1 && values.bytes == bytes) return made_of(type.dtype, message.shape, values.first);
  // An entry takes a byte of the file at least, and gives eight of a tensor at most.
  const auto most = checked_multiply(message.whole.size(), 8);
  if (!most || bytes > *most) {
    return corrupt(text("shape {} of {} takes {} bytes, its values {} in the file", to_string(message.shape), name(type.dtype),
                        bytes, message.whole.size()))
        .at(message.whole.offset())
        .in(message.whole.name());
  }
  Spelling spelling{is_fixed ? Spelling::Kind::kFixed : Spelling::Kind::kVarint, 1};
  const unsigned bits = bits_of(type.dtype);
  if (bits == 6) spelling.kind = Spelling::Kind::kSixBits;
  if (bits >= 8) spelling.width = type.field == 4 ? 4 : std::min(bits / 8, 8U);
  return made_of(type.dtype, message.shape, Blob(spelled_out(message.whole, type.field, spelling, bytes)));
}

}  // namespace

const Values* TensorMessage::find(std::uint32_t number) const noexcept {
  for (const Values& each : values)
    if (each.number == number) return &each;
  return nullptr;
}

Result<TensorMessage> read_tensor_message(ProtoReader message) {
  TensorMessage tensor;
  tensor.whole = message.whole();
  HOLDALL_TRY(each_field(message, [&](const ProtoField& field) -> Status {
    if (is_values(field.number)) return add_values(message, field, tensor);
    if (field.number == 1) return add_sizes(message, field, tensor.shape);
    if (field.is_varint(2)) tensor.data_type = field.value;
    if (field.number == 3) tensor.has_segment = true;
    if (field.is_varint(14)) tensor.is_external = field.value == 1;
    if (field.is_bytes(8)) {
      HOLDALL_ASSIGN(tensor.name, message.text(field, kLongestText));
    }
    if (!field.is_bytes(13)) return {};
    HOLDALL_ASSIGN(ProtoReader entry, message.message(field));
    return add_external(entry, tensor);
  }));
  return tensor;
}

Result<std::uint64_t> raw_bytes(DType dtype, std::span<const std::uint64_t> shape) {
  HOLDALL_ASSIGN(const std::uint64_t count, element_count(shape));
  const auto bits = checked_multiply(count, bits_of(dtype));
  if (!bits || *bits > static_cast<std::uint64_t>(INT64_MAX))
    return corrupt(text("shape {} of {} takes more bytes than 63 bits hold", to_string(shape), name(dtype)));
  return *bits / 8 + (*bits % 8 == 0 ? 0 : 1);
}

bool is_ragged(DType dtype, std::span<const std::uint64_t> shape) {
  const auto count = element_count(shape);
  return count && info(dtype).block_elements > 1 && *count % info(dtype).block_elements != 0;
}

Result<Tensor> tensor_of(const TensorMessage& message, const OpenExternal& external) {
  const auto fault = [&](Error error) { return std::move(error).at(message.whole.offset()).in(message.whole.name()); };
  const ElementType* const type = element_type(message.data_type);
  if (type == nullptr) return fault(unsupported(text("its data type is {}", message.data_type)));
  if (message.has_segment) return fault(unsupported("it is a segment of a tensor"));
  if (type->dtype == DType::kString) {
    if (message.is_external || message.find(kRaw) != nullptr) return fault(unsupported("texts are not read from raw data"));
    const Values* const texts = message.find(kTexts);
    return texts_of(message.whole, texts == nullptr ? Values() : *texts, kTexts, message.shape);
  }
  HOLDALL_ASSIGN(const std::uint64_t bytes, raw_bytes(type->dtype, message.shape));
  if (message.is_external) {
    HOLDALL_ASSIGN(Blob data, external(message, bytes));
    return made_of(type->dtype, message.shape, std::move(data));
  }
  if (const Values* const raw = message.find(kRaw)) return made_of(type->dtype, message.shape, raw->first);
  if (const Values* const values = message.find(type->field)) return spelled_tensor(message, *type, *values);
  if (bytes == 0) return made_of(type->dtype, message.shape, Blob::memory(Bytes(), message.whole.name()));
  return fault(corrupt(text("shape {} of {}, and no values", to_string(message.shape), name(type->dtype))));
}

Result<Tensor> attribute_tensor(ProtoReader message, Form form) {
  struct Row {
    Form form;
    std::uint32_t number;
    DType dtype;
    Spelling spelling;
    bool is_scalar;
  };
  static constexpr Row kRows[] = {{Form::kFloat, 2, DType::kFloat32, {Spelling::Kind::kFixed, 4}, true},
                                  {Form::kInt, 3, DType::kInt64, {Spelling::Kind::kVarint, 8}, true},
                                  {Form::kText, 4, DType::kString, {Spelling::Kind::kText, 8}, true},
                                  {Form::kFloats, 7, DType::kFloat32, {Spelling::Kind::kFixed, 4}, false},
                                  {Form::kInts, 8, DType::kInt64, {Spelling::Kind::kVarint, 8}, false},
                                  {Form::kTexts, 9, DType::kString, {Spelling::Kind::kText, 8}, false}};
  const Row& row = *std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& each) { return each.form == form; });
  Values found;
  std::uint64_t count = 0;
  const Blob whole = message.whole();
  HOLDALL_TRY(each_field(message, [&](const ProtoField& field) -> Status {
    if (field.number != row.number) return {};
    ++found.fields;
    if (field.wire != ProtoWire::kBytes) {
      ++count;
      return {};
    }
    found.bytes += field.value;
    if (row.dtype == DType::kString) return {};
    if (row.spelling.kind == Spelling::Kind::kFixed) {
      if (field.value % 4 != 0) return message.fault(text("{} bytes of values of 4", field.value));
      count += field.value / 4;
      return {};
    }
    HOLDALL_ASSIGN(ProtoReader packed, message.message(field));
    for (; !packed.at_end(); ++count) HOLDALL_TRY(packed.packed_varint());
    return {};
  }));
  if (row.dtype == DType::kString) count = found.fields;
  if (row.is_scalar && count != 1) return corrupt(text("{} values, one is needed", count)).at(whole.offset()).in(whole.name());
  const Shape shape = row.is_scalar ? Shape() : Shape{count};
  if (row.dtype == DType::kString) return texts_of(whole, found, row.number, shape);
  return Tensor::dense(row.dtype, shape, Blob(spelled_out(whole, row.number, row.spelling, count * row.spelling.width)));
}

Result<SparseMessage> read_sparse_message(ProtoReader message) {
  SparseMessage sparse;
  HOLDALL_TRY(each_field(message, [&](const ProtoField& field) -> Status {
    if (field.number == 3) return add_sizes(message, field, sparse.shape);
    if (!field.is_bytes(1) && !field.is_bytes(2)) return {};
    HOLDALL_ASSIGN(ProtoReader part, message.message(field));
    const bool is_values = field.number == 1;
    (is_values ? sparse.has_values : sparse.has_indices) = true;
    HOLDALL_ASSIGN(TensorMessage tensor, read_tensor_message(std::move(part)));
    (is_values ? sparse.values : sparse.indices) = std::move(tensor);
    return {};
  }));
  return sparse;
}

Result<Tensor> sparse_tensor_of(const SparseMessage& message, const OpenExternal& external, const Limits& limits) {
  if (!message.has_values) return corrupt("a sparse tensor has no values");
  HOLDALL_ASSIGN(const Tensor values, tensor_of(message.values, external));
  const Blob& whole = message.values.whole;
  const auto fault = [&](std::string what) { return corrupt(std::move(what)).at(whole.offset()).in(whole.name()); };
  if (!is_byte_sized(values.dtype()))
    return unsupported(text("sparse elements of {}", name(values.dtype()))).at(whole.offset()).in(whole.name());
  if (values.shape().size() != 1) return fault(text("sparse values have the shape {}", to_string(values.shape())));
  const std::uint64_t count = values.elements();
  const std::size_t rank = message.shape.size();
  HOLDALL_ASSIGN(const std::uint64_t bytes, dense_bytes(values.dtype(), message.shape));
  const std::uint64_t stored = std::max<std::uint64_t>(values.bytes(), 1);
  if (bytes > limits.expansion_floor && bytes / stored > limits.expansion)
    return over_limit(text("a sparse tensor of {} bytes in {}", bytes, stored)).at(whole.offset()).in(whole.name());
  Tensor indices;
  if (message.has_indices) {
    HOLDALL_ASSIGN(indices, tensor_of(message.indices, external));
    const bool is_linear = indices.shape() == Shape{count};
    if (indices.dtype() != DType::kInt64 || (!is_linear && indices.shape() != Shape{count, rank}))
      return fault(text("sparse indices are {} {} for {} values", name(indices.dtype()), to_string(indices.shape()), count));
  } else if (count != 0) {
    return fault(text("{} sparse values without indices", count));
  }
  return Tensor::dense(values.dtype(), message.shape, Blob(sparse_source(values, indices, message.shape)));
}

}  // namespace holdall::onnx

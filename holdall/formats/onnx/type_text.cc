#include "holdall/formats/onnx/type_text.h"

#include "holdall/base/text.h"
#include "holdall/core/strided.h"
#include "holdall/formats/onnx/onnx_types.h"
#include "holdall/formats/onnx/proto_walk.h"

namespace holdall::onnx {
namespace {

constexpr std::uint32_t kMostNested = 16;
constexpr std::uint64_t kLongestName = 1u << 16;

Result<std::string> shape_text(ProtoReader message) {
  std::string sizes;
  std::size_t rank = 0;
  HOLDALL_TRY(each_part(message, [&](const ProtoField& field, ProtoReader& dimension) -> Status {
    if (field.number != 1) return {};
    if (++rank > kMaxRank) return over_limit(text("more than {} dimensions", kMaxRank)).at(field.at);
    std::string size = "?";
    HOLDALL_TRY(each_field(dimension, [&](const ProtoField& part) -> Status {
      if (part.is_varint(1)) size = std::to_string(part.as_int());
      if (!part.is_bytes(2) || part.value == 0) return {};
      HOLDALL_ASSIGN(size, dimension.text(part, kLongestName));
      return {};
    }));
    sizes += (rank == 1 ? "" : ", ") + size;
    return {};
  }));
  return "[" + sizes + "]";
}

Result<TypeText> tensor_text(ProtoReader& message) {
  TypeText made{"", "unknown"};
  HOLDALL_TRY(each_field(message, [&](const ProtoField& field) -> Status {
    if (field.is_varint(1)) made.type = element_type_name(field.value);
    if (!field.is_bytes(2)) return {};
    HOLDALL_ASSIGN(ProtoReader part, message.message(field));
    HOLDALL_ASSIGN(made.shape, shape_text(std::move(part)));
    return {};
  }));
  return made;
}

}  // namespace

Result<TypeText> type_text(ProtoReader message, const Limits& limits, std::uint32_t depth) {
  if (depth > kMostNested) return over_limit(text("types nest deeper than {} levels", kMostNested));
  TypeText made;
  const auto inner = [&](ProtoReader& part, std::uint32_t number) -> Result<std::string> {
    std::string found, key;
    HOLDALL_TRY(each_field(part, [&](const ProtoField& field) -> Status {
      if (field.is_varint(1)) key = element_type_name(field.value) + ", ";
      if (!field.is_bytes(number)) return {};
      HOLDALL_ASSIGN(ProtoReader type, part.message(field));
      HOLDALL_ASSIGN(const TypeText of, type_text(std::move(type), limits, depth + 1));
      found = of.type + (of.shape.empty() || of.shape == "unknown" ? "" : of.shape);
      return {};
    }));
    return key + found;
  };
  HOLDALL_TRY(each_part(message, [&](const ProtoField& field, ProtoReader& part) -> Status {
    if (field.number == 1 || field.number == 8) {
      HOLDALL_ASSIGN(made, tensor_text(part));
      if (field.number == 8) made.type = text("sparse({})", made.type);
    } else if (field.number == 4 || field.number == 9) {
      HOLDALL_ASSIGN(const std::string of, inner(part, 1));
      made.type = text("{}({})", field.number == 4 ? "sequence" : "optional", of);
    } else if (field.number == 5) {
      HOLDALL_ASSIGN(const std::string of, inner(part, 2));
      made.type = text("map({})", of);
    } else if (field.number == 7) {
      made.type = "opaque";
    }
    return {};
  }));
  return made;
}

}  // namespace holdall::onnx

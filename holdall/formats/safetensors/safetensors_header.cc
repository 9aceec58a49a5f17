#include "holdall/formats/safetensors/safetensors_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

#include "holdall/base/endian.h"
#include "holdall/base/hash_index.h"
#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/codec/json.h"

namespace holdall::safetensors {
namespace {

constexpr std::uint64_t kLengthBytes = 8;
// Of a tensor: "":{"dtype":"U8","shape":[],"data_offsets":[0,1]}
constexpr std::uint64_t kLeastEntry = 50;

struct DTypeRow {
  std::string_view text;
  DType dtype;
};

// In rising order of the reference's enumeration, which its writer sorts by (falling).
constexpr std::array kDTypes = {
    DTypeRow{"BOOL", DType::kBool},
    DTypeRow{"F4", DType::kFloat4E2M1},
    DTypeRow{"F6_E2M3", DType::kFloat6E2M3},
    DTypeRow{"F6_E3M2", DType::kFloat6E3M2},
    DTypeRow{"U8", DType::kUInt8},
    DTypeRow{"I8", DType::kInt8},
    DTypeRow{"F8_E5M2", DType::kFloat8E5M2},
    DTypeRow{"F8_E4M3", DType::kFloat8E4M3FN},
    DTypeRow{"F8_E8M0", DType::kFloat8E8M0FNU},
    DTypeRow{"F8_E4M3FNUZ", DType::kFloat8E4M3FNUZ},
    DTypeRow{"F8_E5M2FNUZ", DType::kFloat8E5M2FNUZ},
    DTypeRow{"I16", DType::kInt16},
    DTypeRow{"U16", DType::kUInt16},
    DTypeRow{"F16", DType::kFloat16},
    DTypeRow{"BF16", DType::kBFloat16},
    DTypeRow{"I32", DType::kInt32},
    DTypeRow{"U32", DType::kUInt32},
    DTypeRow{"F32", DType::kFloat32},
    DTypeRow{"C64", DType::kComplex64},
    DTypeRow{"F64", DType::kFloat64},
    DTypeRow{"I64", DType::kInt64},
    DTypeRow{"U64", DType::kUInt64},
};

using Token = JsonReader::Token;

// Walks the header's JSON once, without making values of it. Offsets of errors are moved to those of the file by the caller.
class HeaderParser {
 public:
  HeaderParser(std::string_view json, std::uint64_t data_begin, const SourceRef& source, const SharedText& file,
               const Limits& limits)
      : reader_(json, options(limits)), source_(source), file_(file), data_size_(source->size() - data_begin), limits_(limits) {
    header_.data_begin = data_begin;
    // Room for as many as there can be: memory that stays untouched, and a list that never moves.
    header_.tensors.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(json.size() / kLeastEntry, limits.tensors)));
  }

  Result<Header> run() {
    HOLDALL_TRY(reader_.next());  // '{', which the caller has seen
    while (true) {
      HOLDALL_ASSIGN(const JsonReader::Item key, reader_.next());
      if (key.token == Token::kEndObject) break;
      if (key.text == kMetadata) {
        HOLDALL_TRY(metadata(key.offset));
      } else {
        HOLDALL_TRY(tensor(std::string(key.text), key.offset));
      }
    }
    HOLDALL_TRY(reader_.next());  // nothing but white space may follow
    return std::move(header_);
  }

 private:
  static JsonOptions options(const Limits& limits) {
    JsonOptions options;
    options.depth = limits.depth;
    options.non_finite = JsonOptions::NonFinite::kRefuse;
    return options;
  }

  static Error twice(std::string_view key, std::uint64_t offset) {
    return corrupt(text("'{}' stands twice in the header", key)).at(offset);
  }

  Status metadata(std::uint64_t offset) {
    if (has_metadata_) return twice(kMetadata, offset);
    has_metadata_ = true;
    HOLDALL_ASSIGN(const JsonReader::Item begun, reader_.next());
    if (begun.token == Token::kNull) return {};
    if (begun.token != Token::kBeginObject) return corrupt("'__metadata__' is no object").at(begun.offset);
    TextSet seen;
    while (true) {
      HOLDALL_ASSIGN(const JsonReader::Item item, reader_.next());
      if (item.token == Token::kEndObject) return {};
      std::string key(item.text);
      if (!seen.insert(key).second) return twice(key, item.offset);
      HOLDALL_ASSIGN(const JsonReader::Item value, reader_.next());
      if (value.token != Token::kString) return corrupt(text("'{}' in '__metadata__' is no text", key)).at(value.offset);
      header_.metadata.emplace_back(std::move(key), std::string(value.text));
    }
  }

  Status tensor(std::string name, std::uint64_t offset) {
    const auto hash_of = [&](std::uint32_t i) { return keyed_hash(header_.tensors[i].name); };
    const auto is_same = [&](std::uint32_t i) { return header_.tensors[i].name == name; };
    const std::uint64_t hash = keyed_hash(name);
    if (names_.find(hash, is_same) != HashIndex::kNone) return twice(name, offset);
    if (header_.tensors.size() == limits_.tensors) {
      return over_limit(text("more than the {} tensors allowed", limits_.tensors)).at(offset);
    }
    auto tensor = fields(offset);
    if (!tensor) return std::move(tensor).error().at(offset).with(text("tensor '{}'", name));
    header_.tensors.push_back({std::move(name), *std::move(tensor), 0, file_});
    names_.add(hash, static_cast<std::uint32_t>(header_.tensors.size() - 1), hash_of);
    return {};
  }

  Result<Tensor> fields(std::uint64_t offset) {
    HOLDALL_ASSIGN(const JsonReader::Item begun, reader_.next());
    if (begun.token != Token::kBeginObject) return corrupt("its entry is no object").at(begun.offset);
    bool has_dtype = false, has_shape = false, has_offsets = false;
    DType type = DType::kUInt8;
    Shape shape, offsets;
    while (true) {
      HOLDALL_ASSIGN(const JsonReader::Item key, reader_.next());
      if (key.token == Token::kEndObject) break;
      bool* const has = key.text == "dtype"          ? &has_dtype
                        : key.text == "shape"        ? &has_shape
                        : key.text == "data_offsets" ? &has_offsets
                                                     : nullptr;
      if (has != nullptr && *has) return twice(key.text, key.offset);
      if (has == &has_dtype) HOLDALL_TRY(dtype(type));
      if (has == &has_shape) HOLDALL_TRY(sizes(shape, "shape"));
      if (has == &has_offsets) HOLDALL_TRY(sizes(offsets, "data_offsets"));
      if (has != nullptr) {
        *has = true;
        continue;
      }
      HOLDALL_ASSIGN(const JsonReader::Item value, reader_.next());  // what the specification does not name is passed over
      HOLDALL_TRY(reader_.skip(value));
    }
    if (!has_dtype || !has_shape || !has_offsets) {
      return corrupt(text("its entry has no '{}'", !has_dtype ? "dtype" : !has_shape ? "shape" : "data_offsets")).at(offset);
    }
    return tensor_at(type, std::move(shape), offsets);
  }

  Status dtype(DType& dtype) {
    HOLDALL_ASSIGN(const JsonReader::Item item, reader_.next());
    if (item.token != Token::kString) return corrupt("its dtype is no text").at(item.offset);
    const auto known = dtype_from_text(item.text);
    if (!known) return unsupported(text("dtype '{}' is not known", item.text)).at(item.offset);
    dtype = *known;
    return {};
  }

  Status sizes(Shape& out, std::string_view what) {
    HOLDALL_ASSIGN(const JsonReader::Item begun, reader_.next());
    if (begun.token != Token::kBeginArray) return corrupt(text("its {} is no array", what)).at(begun.offset);
    while (true) {
      HOLDALL_ASSIGN(const JsonReader::Item item, reader_.next());
      if (item.token == Token::kEndArray) return {};
      std::uint64_t size = 0;
      const char* const end = item.text.data() + item.text.size();
      const auto [stop, error] = std::from_chars(item.text.data(), end, size);
      if (item.token != Token::kInteger || error != std::errc() || stop != end) {
        return corrupt(text("its {} holds what is no size", what)).at(item.offset);
      }
      out.push_back(size);
    }
  }

  // Ranges in the header count from the first byte behind it.
  Result<Tensor> tensor_at(DType dtype, Shape shape, const Shape& offsets) {
    if (offsets.size() != 2) return corrupt(text("its data_offsets are {} numbers, not 2", offsets.size()));
    if (offsets[0] > offsets[1] || offsets[1] > data_size_) {
      return corrupt(text("its data [{}, {}) does not lie within the {} bytes of data", offsets[0], offsets[1], data_size_));
    }
    HOLDALL_ASSIGN(const std::uint64_t bytes, dense_bytes(dtype, shape));
    if (bytes != offsets[1] - offsets[0]) {
      return corrupt(text("{} of {} takes {} bytes, its data_offsets give it {}", to_string(shape), name(dtype), bytes,
                          offsets[1] - offsets[0]));
    }
    HOLDALL_ASSIGN(Blob data, Blob::range(source_, header_.data_begin + offsets[0], bytes));
    return Tensor::dense(dtype, std::move(shape), storages_.add(std::move(data)));
  }

  JsonReader reader_;
  const SourceRef& source_;
  const SharedText& file_;
  std::uint64_t data_size_;
  const Limits& limits_;
  Header header_;
  StoragePool storages_;
  HashIndex names_;  // of header_.tensors
  bool has_metadata_ = false;
};

// The tensors must tile [data_begin, file_size): no byte is in two of them, none in no one.
Status check_tiling(const Header& header, std::uint64_t file_size) {
  const auto& tensors = header.tensors;
  const auto begin = [&](std::uint32_t i) { return tensors[i].tensor.storage()->data.offset(); };
  const auto end = [&](std::uint32_t i) { return begin(i) + tensors[i].tensor.bytes(); };
  std::vector<std::uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return std::pair(begin(a), end(a)) < std::pair(begin(b), end(b)); });
  std::uint64_t reached = header.data_begin;
  std::string_view before = "the header";
  for (const std::uint32_t i : order) {
    const std::string& name = tensors[i].name;
    if (begin(i) > reached) {
      return corrupt(text("{} bytes between {} and tensor '{}' belong to no tensor", begin(i) - reached, before, name))
          .at(reached);
    }
    if (begin(i) < reached) {
      return corrupt(text("tensor '{}' overlaps {}, which ends at {}", name, before, reached)).at(begin(i));
    }
    reached = end(i);
    before = name;
  }
  if (reached != file_size) {
    return corrupt(text("{} bytes behind the last tensor belong to no tensor", file_size - reached)).at(reached);
  }
  return {};
}

}  // namespace

std::string_view dtype_to_text(DType dtype) noexcept {
  for (const DTypeRow& row : kDTypes)
    if (row.dtype == dtype) return row.text;
  return {};
}

std::optional<DType> dtype_from_text(std::string_view text) noexcept {
  for (const DTypeRow& row : kDTypes)
    if (row.text == text) return row.dtype;
  return std::nullopt;
}

int dtype_rank(DType dtype) noexcept {
  for (std::size_t i = 0; i < kDTypes.size(); ++i)
    if (kDTypes[i].dtype == dtype) return static_cast<int>(i);
  return -1;
}

Result<Header> read_header(const SourceRef& source, const SharedText& file, const Limits& limits) {
  const std::uint64_t size = source->size();
  if (size < kLengthBytes) {
    return corrupt(text("{} bytes are too few for the {} of the header's length", size, kLengthBytes)).at(0).in(source->name());
  }
  HOLDALL_ASSIGN(const Bytes length_bytes, read_range(*source, 0, kLengthBytes));
  const auto length = load_le<std::uint64_t>(length_bytes.data());
  if (length > size - kLengthBytes) {
    return corrupt(text("the header's length {} exceeds the {} bytes that follow", length, size - kLengthBytes))
        .at(0)
        .in(source->name());
  }
  const std::uint64_t most = std::min(kMostHeader, limits.header_bytes);
  if (length > most) return over_limit(text("a header of {} bytes, {} are allowed", length, most)).at(0).in(source->name());
  HOLDALL_ASSIGN(const Bytes json, read_range(*source, kLengthBytes, length));
  if (!json.text().starts_with('{')) return corrupt("the header does not start with '{'").at(kLengthBytes).in(source->name());
  auto header = HeaderParser(json.text(), kLengthBytes + length, source, file, limits).run();
  if (!header) return std::move(header).error().shifted(kLengthBytes).in(source->name());
  if (Status tiling = check_tiling(*header, size); !tiling) return std::move(tiling).error().in(source->name());
  return header;
}

}  // namespace holdall::safetensors

#include "holdall/codec/npy.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/json.h"
#include "holdall/codec/python_literal.h"

namespace holdall {
namespace {

using Kind = PythonLiteral::Kind;

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMostDimensions = 64;  // NPY_MAXDIMS
constexpr std::size_t kGrowthDigits = 21;    // room that numpy.save leaves for the first size to grow
constexpr std::uint64_t kMostItem = INT32_MAX;
// NumPy itself takes 10,000 characters; a literal takes up to thirty times its text in memory.
constexpr std::uint64_t kMostHeader = 1'048'576;
// Most headers are 128 bytes in all: one read.
constexpr std::uint64_t kFirstRead = 128;

Error at_literal(const PythonLiteral& literal, std::string what) { return corrupt(std::move(what)).at(literal.offset); }

Result<Shape> shape_of(const PythonLiteral& literal, std::string_view what) {
  if (!literal.is(Kind::kTuple)) return at_literal(literal, text("{} is no tuple", what));
  if (literal.items.size() > kMostDimensions) {
    return at_literal(literal, text("{} has {} sizes, {} are allowed", what, literal.items.size(), kMostDimensions));
  }
  Shape shape;
  for (const PythonLiteral& size : literal.items) {
    if (!size.is(Kind::kInt) || size.integer < 0) return at_literal(size, text("{} holds what is no size", what));
    shape.push_back(static_cast<std::uint64_t>(size.integer));
  }
  return shape;
}

struct Measured {
  std::uint64_t item_bytes = 0;
  bool has_objects = false;
};

Result<Measured> measure(const PythonLiteral& descr);

// (name or (title, name), type[, shape]), as numpy.dtype.descr has it.
Result<Measured> measure_field(const PythonLiteral& field, std::set<std::string>& names) {
  if (!field.is(Kind::kTuple) || field.items.size() < 2 || field.items.size() > 3) {
    return at_literal(field, "a field is no tuple of name, type and shape");
  }
  const PythonLiteral* name = &field.items[0];
  if (name->is(Kind::kTuple) && name->items.size() == 2 && name->items[0].is(Kind::kText)) name = &name->items[1];
  if (!name->is(Kind::kText)) return at_literal(field, "a field's name is no text");
  // Unnamed fields are the gaps of an aligned type.
  if (!name->text.empty() && !names.insert(name->text).second) {
    return at_literal(field, text("two fields have the name '{}'", name->text));
  }
  HOLDALL_ASSIGN(Measured measured, measure(field.items[1]));
  if (field.items.size() == 2) return measured;
  PythonLiteral sizes = field.items[2];
  if (sizes.is(Kind::kInt)) {
    sizes.items.push_back(sizes);
    sizes.kind = Kind::kTuple;
  }
  HOLDALL_ASSIGN(const Shape shape, shape_of(sizes, "a field's shape"));
  for (const std::uint64_t size : shape) {
    const auto bytes = checked_multiply(measured.item_bytes, size);
    if (!bytes || *bytes > kMostItem) return at_literal(field, text("a field takes more than {} bytes", kMostItem));
    measured.item_bytes = *bytes;
  }
  return measured;
}

Result<Measured> measure(const PythonLiteral& descr) {
  if (descr.is(Kind::kText)) {
    auto type = npy_dtype(descr.text);
    if (!type) return std::move(type).error().at(descr.offset);
    return Measured{type->item_bytes, type->form == NpyForm::kObject};
  }
  if (!descr.is(Kind::kList)) return at_literal(descr, "a type is neither a text nor a list of fields");
  Measured whole;
  std::set<std::string> names;
  for (const PythonLiteral& field : descr.items) {
    HOLDALL_ASSIGN(const Measured part, measure_field(field, names));
    whole.item_bytes += part.item_bytes;
    whole.has_objects = whole.has_objects || part.has_objects;
    if (whole.item_bytes > kMostItem) return at_literal(descr, text("an element takes more than {} bytes", kMostItem));
  }
  return whole;
}

Result<NpyDescr> descr_of(const PythonLiteral& literal) {
  HOLDALL_ASSIGN(const Measured measured, measure(literal));
  NpyDescr descr;
  descr.has_objects = measured.has_objects;
  if (literal.is(Kind::kText)) {
    HOLDALL_ASSIGN(descr.type, npy_dtype(literal.text));
    return descr;
  }
  descr.type.form = NpyForm::kRecord;
  descr.type.dtype = DType::kRecord;
  descr.type.item_bytes = measured.item_bytes;
  descr.type.logical = to_python(literal);
  return descr;
}

std::string from_latin1(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    const auto code = static_cast<unsigned char>(letter);
    if (code < 0x80) {
      out += letter;
    } else {
      out += static_cast<char>(0xc0 | code >> 6);
      out += static_cast<char>(0x80 | (code & 0x3f));
    }
  }
  return out;
}

// UTF-8 in Latin-1; empty where a character has no place there.
std::optional<std::string> to_latin1(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto code = static_cast<unsigned char>(text[i]);
    if (code < 0x80) {
      out += text[i];
    } else if ((code == 0xc2 || code == 0xc3) && i + 1 < text.size()) {
      out += static_cast<char>((code & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3f));
    } else {
      return std::nullopt;
    }
  }
  return out;
}

Status parse_header(std::string_view source, NpyHeader& header) {
  HOLDALL_ASSIGN(const PythonLiteral dict, parse_python_literal(source));
  if (!dict.is(Kind::kDict)) return corrupt("the header is no dict");
  std::array<const PythonLiteral*, 3> values{};
  constexpr std::array<std::string_view, 3> kKeys = {"descr", "fortran_order", "shape"};
  for (std::size_t i = 0; i < dict.items.size(); i += 2) {
    const auto key = std::find(kKeys.begin(), kKeys.end(), dict.items[i].text);
    if (key == kKeys.end()) return at_literal(dict.items[i], text("the key '{}' is not known", dict.items[i].text));
    values[static_cast<std::size_t>(key - kKeys.begin())] = &dict.items[i + 1];
  }
  for (std::size_t k = 0; k < kKeys.size(); ++k)
    if (values[k] == nullptr) return corrupt(text("the key '{}' is missing", kKeys[k]));
  HOLDALL_ASSIGN(NpyDescr descr, descr_of(*values[0]));
  header.type = std::move(descr.type);
  header.has_objects = descr.has_objects;
  if (!values[1]->is(Kind::kBool)) return at_literal(*values[1], "'fortran_order' is neither True nor False");
  header.fortran_order = values[1]->integer != 0;
  HOLDALL_ASSIGN(header.shape, shape_of(*values[2], "'shape'"));
  return {};
}

// How many bytes the elements take. Errors: corrupt when that passes `remaining`.
Status measure_data(NpyHeader& header, std::uint64_t remaining) {
  HOLDALL_ASSIGN(const std::uint64_t count, element_count(header.shape));
  if (header.has_objects) return {};
  const auto bytes = checked_multiply(count, header.type.item_bytes);
  if (!bytes || *bytes > remaining) {
    return corrupt(text("{} elements of {} bytes are announced, {} bytes remain", count, header.type.item_bytes, remaining));
  }
  header.data_bytes = *bytes;
  return {};
}

Result<NpyHeader> read_header(const Blob& file, std::uint64_t offset, const Limits& limits) {
  if (offset > file.size()) return corrupt("the header lies behind the end");
  const std::uint64_t remaining = file.size() - offset;
  std::string raw(static_cast<std::size_t>(std::min(remaining, kFirstRead)), '\0');
  HOLDALL_TRY(file.read_at(offset, std::as_writable_bytes(std::span(raw))));
  if (!std::string_view(raw).starts_with(kMagic)) return corrupt("this is no .npy file: the magic number is missing");
  if (raw.size() < 10) return corrupt("the header is cut short");
  NpyHeader header;
  header.version = static_cast<unsigned char>(raw[6]);
  if (header.version < 1 || header.version > 3 || raw[7] != 0) {
    return unsupported(text("version {}.{} of the format is not known", header.version, static_cast<unsigned char>(raw[7])));
  }
  const std::size_t prefix = header.version == 1 ? 10 : 12;
  if (raw.size() < prefix) return corrupt("the header is cut short");
  const std::uint64_t length =
      header.version == 1 ? load_le<std::uint16_t>(raw.data() + 8) : load_le<std::uint32_t>(raw.data() + 8);
  if (length > remaining - prefix)
    return corrupt(text("a header of {} bytes is announced, {} remain", length, remaining - prefix));
  const std::uint64_t most = std::min(limits.header_bytes, kMostHeader);
  if (length > most) return over_limit(text("the header has {} bytes, {} are allowed", length, most));
  header.header_bytes = prefix + length;
  const std::size_t have = raw.size();
  raw.resize(static_cast<std::size_t>(header.header_bytes));
  if (have < raw.size()) {
    HOLDALL_TRY(file.read_at(offset + have, std::as_writable_bytes(std::span(raw).subspan(have))));
  }
  const std::string_view source = std::string_view(raw).substr(prefix);
  for (std::string_view rest = source; header.version == 3 && !rest.empty();) {
    const std::size_t size = utf8_length(rest);
    if (size == 0) return corrupt("the header is not UTF-8").at(header.header_bytes - rest.size());
    rest.remove_prefix(size);
  }
  auto status = parse_header(header.version == 3 ? std::string(source) : from_latin1(source), header);
  if (!status) return std::move(status).error().shifted(prefix);
  HOLDALL_TRY(measure_data(header, remaining - header.header_bytes));
  return header;
}

}  // namespace

bool looks_like_npy(std::span<const std::byte> head) noexcept { return as_text(head).starts_with(kMagic); }

Result<NpyHeader> read_npy_header(const Blob& file, std::uint64_t offset, const Limits& limits) {
  auto header = read_header(file, offset, limits);
  if (!header) return std::move(header).error().at(0).shifted(offset).in(file.name());
  return header;
}

Result<NpyDescr> parse_npy_descr(std::string_view descr) {
  HOLDALL_ASSIGN(const PythonLiteral literal, parse_python_literal(descr));
  return descr_of(literal);
}

std::string npy_quoted(std::string_view typestr) { return text("'{}'", typestr); }

Result<std::string> npy_header(std::string_view descr, std::span<const std::uint64_t> shape, bool fortran_order) {
  std::string sizes = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) sizes += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  sizes += shape.size() == 1 ? ",)" : ")";
  std::string source =
      text("{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}", descr, fortran_order ? "True" : "False", sizes);
  if (!shape.empty()) {
    const std::size_t digits = std::to_string(fortran_order ? shape.back() : shape.front()).size();
    source.append(kGrowthDigits - std::min(kGrowthDigits, digits), ' ');
  }
  const auto framed = [](int version, std::string body) -> std::optional<std::string> {
    const std::size_t prefix = version == 1 ? 10 : 12;
    body.append(kAlignment - (prefix + body.size() + 1) % kAlignment, ' ');
    body += '\n';
    if (body.size() > (version == 1 ? std::uint64_t{UINT16_MAX} : std::uint64_t{UINT32_MAX})) return std::nullopt;
    std::string out(kMagic);
    out += static_cast<char>(version);
    out += '\0';
    char length[4];
    store_le(length, static_cast<std::uint32_t>(body.size()));
    out.append(length, version == 1 ? 2 : 4);
    return out + body;
  };
  const auto latin1 = to_latin1(source);
  for (const int version : {1, 2, 3}) {
    if (version < 3 && !latin1) continue;
    if (auto header = framed(version, version == 3 ? source : *latin1)) return *std::move(header);
  }
  return unsupported(text("a header of {} bytes has no place in the format", source.size()));
}

}  // namespace holdall

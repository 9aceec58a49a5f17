#include "holdall/codec/hdf5_writer.h"

#include <algorithm>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/hdf5_writer_layout.h"
#include "holdall/codec/inflate.h"
#include "holdall/io/joined.h"

namespace holdall {
namespace {

using hdf5_written::Layout;
using hdf5_written::PieceAt;

constexpr std::size_t kMostRank = 32;
// Chunks are of at most this size, one slab of the elements each, so that nothing has to be gathered. The library's own cache
// of chunks has this size.
constexpr std::uint64_t kChunk = 1u << 20;
// Smaller datasets gain nothing by a tree of chunks.
constexpr std::uint64_t kWorthChunks = 4096;

template <class T>
void put(std::string& bytes, T value) {
  char raw[sizeof(T)];
  store_le(raw, value);
  bytes.append(raw, sizeof raw);
}

void pad8(std::string& bytes, std::size_t begin) { bytes.append((8 - (bytes.size() - begin) % 8) % 8, '\0'); }

Status check_name(std::string_view name) {
  if (name.empty() || name == "." || name.find('\0') != std::string_view::npos)
    return invalid_argument(text("'{}' is no name in HDF5", name));
  return {};
}

Status check_path(std::string_view path) {
  for (std::size_t begin = 0, end = 0; end != std::string_view::npos; begin = end + 1) {
    end = path.find('/', begin);
    HOLDALL_TRY(check_name(path.substr(begin, end == std::string_view::npos ? end : end - begin)));
  }
  return {};
}

// Bytes of all elements.
Result<std::uint64_t> bytes_of(const Hdf5Type& type, const Shape& shape) {
  if (shape.size() > kMostRank) return invalid_argument(text("{} dimensions, HDF5 has at most {}", shape.size(), kMostRank));
  HOLDALL_ASSIGN(const std::uint64_t elements, element_count(shape));
  const auto bytes = checked_multiply(elements, type.size);
  if (!bytes) return invalid_argument("the elements take more than 2^64 bytes");
  return *bytes;
}

// How a dataset is cut: whole rows of the innermost dimensions, as many as a chunk holds.
Shape chunk_of(const Shape& shape, std::uint64_t element_bytes) {
  Shape chunk = shape;
  std::uint64_t row = element_bytes;
  for (const std::uint64_t size : shape) row *= size;
  for (std::size_t d = 0; d < shape.size() && row > kChunk; ++d) {
    row /= shape[d];
    chunk[d] = std::clamp<std::uint64_t>(kChunk / std::max<std::uint64_t>(1, row), 1, shape[d]);
    if (chunk[d] > 1) break;
  }
  return chunk;
}

// The chunks of a dataset in their order, each one range of its bytes.
Result<std::vector<hdf5_written::Piece>> cut(const Blob& data, const Shape& shape, const Shape& chunk,
                                             std::uint64_t element_bytes) {
  std::uint64_t bytes = element_bytes;
  for (const std::uint64_t size : chunk) bytes *= size;
  std::size_t cut_dimension = 0;  // the one whose last chunk may be part of one
  while (cut_dimension + 1 < shape.size() && chunk[cut_dimension] == 1) ++cut_dimension;
  const std::uint64_t row = bytes / chunk[cut_dimension];
  std::vector<hdf5_written::Piece> pieces;
  std::vector<std::uint64_t> offsets(shape.size(), 0);
  for (std::uint64_t at = 0; at < data.size();) {
    const std::uint64_t rows = std::min(chunk[cut_dimension], shape[cut_dimension] - offsets[cut_dimension]);
    HOLDALL_ASSIGN(Blob slab, data.slice(at, rows * row));
    pieces.push_back({std::move(slab), bytes - rows * row, offsets});
    at += rows * row;
    for (std::size_t d = cut_dimension + 1; d-- > 0;) {
      offsets[d] += chunk[d];
      if (d == 0 || offsets[d] < shape[d]) break;
      offsets[d] = 0;
    }
  }
  return pieces;
}

Part::Stream deflated(const hdf5_written::Piece& piece, int level) {
  std::vector<Blob> plain = {piece.data};
  if (piece.padding != 0)
    plain.push_back(Blob::memory(Bytes::adopt(std::vector<std::byte>(static_cast<std::size_t>(piece.padding))), "padding"));
  return {[plain = std::move(plain), level](const Sink& sink) { return deflate(plain, DeflateWrap::kZlib, level, sink); }};
}

struct LateText {
  hdf5_written::TextPlace place;
  std::vector<Hdf5Planner::Object> needs;
  std::function<std::string(std::span<const Xxh128>)> make;
};

}  // namespace

struct Hdf5Planner::State {
  Layout layout;
  std::vector<LateText> late;

  bool has_chunks() const {
    return std::any_of(layout.nodes.begin(), layout.nodes.end(),
                       [](const hdf5_written::Node& node) { return !node.chunk.empty(); });
  }
};

Hdf5Value Hdf5Value::text(std::string value, Hdf5Charset charset) {
  Hdf5Value made;
  made.type = hdf5_text(charset);
  made.texts.push_back(std::move(value));
  return made;
}

Hdf5Value Hdf5Value::fixed_texts(std::span<const std::string> values, Hdf5Charset charset) {
  std::size_t width = 1;
  for (const std::string& value : values) width = std::max(width, value.size());
  Hdf5Value made;
  made.type = hdf5_fixed_text(static_cast<std::uint32_t>(width), charset);
  made.shape = {values.size()};
  for (const std::string& value : values) {
    made.bytes += value;
    made.bytes.append(width - value.size(), '\0');
  }
  return made;
}

Hdf5Planner::Hdf5Planner(Options options) : options_(options), state_(std::make_shared<State>()) {}
Hdf5Planner::~Hdf5Planner() = default;

Result<Hdf5Planner::Object> Hdf5Planner::add(std::string_view path) {
  HOLDALL_TRY(check_path(path));
  const std::size_t slash = path.rfind('/');
  Object parent = kRoot;
  if (slash != std::string_view::npos) {
    HOLDALL_ASSIGN(parent, group(path.substr(0, slash)));
  }
  const std::string_view name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  auto& nodes = state_->layout.nodes;
  const auto object = static_cast<Object>(nodes.size());
  if (!by_path_.emplace(path, object).second) return Error(Code::kAlreadyExists, text("there is a '{}' already", path));
  nodes[parent].children.push_back(object);
  nodes.emplace_back();
  nodes.back().name = name;
  return object;
}

Result<Hdf5Planner::Object> Hdf5Planner::group(std::string_view path) {
  if (path.empty()) return kRoot;
  HOLDALL_TRY(check_path(path));
  auto& nodes = state_->layout.nodes;
  Object found = kRoot;
  for (std::size_t begin = 0, end = 0; end < path.size(); begin = end + 1) {
    end = std::min(path.find('/', begin), path.size());
    const auto next = static_cast<Object>(nodes.size());
    const auto [place, is_new] = by_path_.emplace(path.substr(0, end), next);
    if (is_new) {
      nodes[found].children.push_back(next);
      nodes.emplace_back();
      nodes.back().name = path.substr(begin, end - begin);
    }
    found = place->second;
    if (nodes[found].kind != hdf5_written::Node::Kind::kGroup)
      return invalid_argument(text("'{}' leads through a dataset", path));
  }
  return found;
}

Result<Hdf5Planner::Object> Hdf5Planner::dataset(std::string_view path, const Hdf5Type& type, const Shape& shape, Blob data) {
  HOLDALL_ASSIGN(const std::uint64_t bytes, bytes_of(type, shape));
  if (bytes != data.size()) return invalid_argument(text("'{}': {} bytes for a shape that takes {}", path, data.size(), bytes));
  HOLDALL_ASSIGN(const Object object, add(path));
  Layout& layout = state_->layout;
  hdf5_written::Node& node = layout.nodes[object];
  node.kind = hdf5_written::Node::Kind::kDataset;
  node.type = type;
  node.shape = shape;
  node.space = hdf5_written::dataspace_message(shape);
  node.first_piece = layout.pieces.size();
  if (options_.deflate_level != 0 && bytes >= kWorthChunks && !shape.empty()) {
    node.chunk = chunk_of(shape, type.size);
    HOLDALL_ASSIGN(std::vector<hdf5_written::Piece> pieces, cut(data, shape, node.chunk, type.size));
    for (hdf5_written::Piece& piece : pieces) layout.pieces.push_back(std::move(piece));
  } else if (bytes != 0) {
    layout.pieces.push_back({std::move(data), 0, {}});
  }
  node.pieces = layout.pieces.size() - node.first_piece;
  return object;
}

Result<Hdf5Planner::Object> Hdf5Planner::dataset(std::string_view path, Hdf5Value value) {
  if (value.space == Hdf5Value::Space::kSimple && !value.type.has_references) {
    Bytes bytes = Bytes::adopt(std::move(value.bytes));
    return dataset(path, value.type, value.shape, Blob::memory(std::move(bytes), std::string(path)));
  }
  HOLDALL_ASSIGN(const Object object, add(path));
  hdf5_written::Node& node = state_->layout.nodes[object];
  node.kind = hdf5_written::Node::Kind::kDataset;
  node.type = value.type;
  if (value.space == Hdf5Value::Space::kNull) {
    node.space = hdf5_written::null_dataspace_message();
    return object;
  }
  HOLDALL_ASSIGN(const std::uint64_t bytes, bytes_of(value.type, value.shape));
  if (bytes != 16 * value.texts.size())
    return invalid_argument(text("'{}': {} texts for a shape of {}", path, value.texts.size(), bytes / 16));
  node.shape = value.shape;
  node.space = hdf5_written::dataspace_message(value.shape);
  for (std::string& text : value.texts) node.refs.push_back(state_->layout.add_text(std::move(text)));
  return object;
}

// The attribute message [IV.A.2.m] without its elements.
Result<std::string> Hdf5Planner::spelled(std::string_view name, const Hdf5Value& value) {
  HOLDALL_TRY(check_name(name));
  const bool is_null = value.space == Hdf5Value::Space::kNull;
  HOLDALL_ASSIGN(const std::uint64_t bytes, bytes_of(value.type, is_null ? Shape{0} : value.shape));
  const std::uint64_t given = value.type.has_references ? 16 * std::uint64_t{value.texts.size()} : value.bytes.size();
  if (bytes != given) return invalid_argument(text("attribute '{}': {} bytes for a shape that takes {}", name, given, bytes));
  if (name.size() >= kMostMessage || bytes > kMostMessage) {
    return invalid_argument(
        text("attribute '{}' takes {} bytes, an object's header has room for {}", name, bytes, kMostMessage));
  }
  const std::string space = is_null ? hdf5_written::null_dataspace_message() : hdf5_written::dataspace_message(value.shape);
  const bool ascii = is_ascii(name);
  std::string message(1, ascii ? '\1' : '\3');
  message.push_back('\0');
  put(message, static_cast<std::uint16_t>(name.size() + 1));
  put(message, static_cast<std::uint16_t>(value.type.message.size()));
  put(message, static_cast<std::uint16_t>(space.size()));
  if (!ascii) message.push_back('\1');  // UTF-8, which version 1 cannot say; version 3 pads nothing
  for (const std::string& part : {std::string(name) + '\0', value.type.message, space}) {
    const std::size_t begin = message.size();
    message += part;
    if (ascii) pad8(message, begin);
  }
  if (message.size() + bytes > kMostMessage) {
    return invalid_argument(
        text("attribute '{}' takes {} bytes, an object's header has room for {}", name, message.size() + bytes, kMostMessage));
  }
  return message;
}

Status Hdf5Planner::put_attribute(Object object, std::string_view name, std::string message) {
  auto& names = state_->layout.nodes[object].attribute_names;
  const auto place = std::lower_bound(names.begin(), names.end(), name);
  if (place != names.end() && *place == name)
    return Error(Code::kAlreadyExists, text("there is an attribute '{}' already", name));
  names.emplace(place, name);
  state_->layout.nodes[object].attributes.push_back({std::move(message), {}});
  return {};
}

Status Hdf5Planner::attribute(Object object, std::string_view name, const Hdf5Value& value) {
  HOLDALL_ASSIGN(std::string message, spelled(name, value));
  if (!value.type.has_references) return put_attribute(object, name, std::move(message) + value.bytes);
  message.append(16 * value.texts.size(), '\0');
  HOLDALL_TRY(put_attribute(object, name, std::move(message)));
  auto& refs = state_->layout.nodes[object].attributes.back().refs;
  for (const std::string& text : value.texts) refs.push_back(state_->layout.add_text(text));
  return {};
}

Status Hdf5Planner::late_text(Object object, std::string_view name, std::size_t size, std::vector<Object> needs,
                              std::function<std::string(std::span<const Xxh128>)> make) {
  for (const Object need : needs) {
    const hdf5_written::Node& node = state_->layout.nodes[need];
    if (node.kind != hdf5_written::Node::Kind::kDataset || node.pieces > 1 || !node.chunk.empty())
      return internal(text("'{}' has no checksum", node.name));
  }
  HOLDALL_TRY(attribute(object, name, Hdf5Value::text(std::string(size, ' '))));
  state_->late.push_back({state_->layout.nodes[object].attributes.back().refs.front(), std::move(needs), std::move(make)});
  return {};
}

Status Hdf5Planner::finish(PlannedFile& file) && {
  const std::shared_ptr<State> state = std::exchange(state_, std::make_shared<State>());
  by_path_.clear();
  Layout& layout = state->layout;
  HOLDALL_TRY(layout.place());
  const PartId front = file.add(Bytes());
  std::vector<std::size_t> parts(layout.pieces.size());  // by piece
  std::vector<PieceAt> at(layout.pieces.size());
  std::uint64_t end = layout.size();
  for (const hdf5_written::Node& node : layout.nodes) {
    for (std::size_t i = node.first_piece; i < node.first_piece + node.pieces; ++i) {
      if (!node.chunk.empty()) {
        parts[i] = file.add(deflated(layout.pieces[i], options_.deflate_level));
        continue;
      }
      const auto begin = checked_align(end, options_.alignment);
      at[i] = {begin.value_or(0), layout.pieces[i].data.size()};
      const auto next = begin ? checked_add(*begin, at[i].size) : begin;
      if (!next) return invalid_argument("the file would take more than 2^64 bytes");
      end = *next;
      file.align(options_.alignment);
      parts[i] = file.add(layout.pieces[i].data, Checks{.xxh3 = !state->late.empty()});
    }
  }
  if (state->late.empty() && !state->has_chunks()) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(layout.size()));
    layout.encode(at, end, bytes);
    file.parts[front] = Part{Part::Literal{Bytes::adopt(std::move(bytes))}};
    return {};
  }
  Part::Late late{layout.size(), parts, {}};
  late.make = [state, parts](std::span<const Written> written, std::span<std::byte> out) -> Status {
    std::vector<PieceAt> places;
    std::uint64_t whole = out.size();
    for (const PartId part : parts) {
      places.push_back({written[part].offset, written[part].size});
      whole = std::max(whole, written[part].offset + written[part].size);
    }
    for (const LateText& text : state->late) {
      std::vector<Xxh128> hashes;
      for (const Object need : text.needs) {
        const hdf5_written::Node& node = state->layout.nodes[need];
        hashes.push_back(node.pieces == 0 ? xxh3_128({}) : written[parts[node.first_piece]].xxh3);
      }
      std::string made = text.make(hashes);
      if (made.size() != text.place.size) return internal("a late text changed its length");
      state->layout.heaps[text.place.heap].texts[text.place.number - 1] = std::move(made);
    }
    state->layout.encode(places, whole, out);
    return {};
  };
  file.parts[front] = Part{std::move(late)};
  return {};
}

Result<Blob> Hdf5Planner::finish(std::string name) && {
  PlannedFile file;
  HOLDALL_TRY(std::move(*this).finish(file));
  std::vector<Blob> pieces;
  std::uint64_t end = 0;
  for (Part& part : file.parts) {
    if (const auto* literal = std::get_if<Part::Literal>(&part.content)) {
      pieces.push_back(Blob::memory(literal->bytes, name));
    } else if (const auto* data = std::get_if<Part::Data>(&part.content)) {
      pieces.push_back(data->blob);
    } else if (const auto* align = std::get_if<Part::Align>(&part.content)) {
      const auto padding = static_cast<std::size_t>((align->alignment - end % align->alignment) % align->alignment);
      pieces.push_back(Blob::memory(Bytes::adopt(std::string(padding, '\0')), name));
    } else {
      return internal("an HDF5 file with late or compressed parts is no blob");
    }
    end += pieces.back().size();
  }
  return Blob(joined_source(std::move(pieces), std::move(name)));
}

}  // namespace holdall

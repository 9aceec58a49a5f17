#include "holdall/codec/hdf5_messages.h"

#include <algorithm>
#include <utility>

#include "holdall/base/checked.h"

namespace holdall::hdf5 {
namespace {

constexpr std::size_t kMostDims = 32;
constexpr std::size_t kMostFilters = 32;

Result<std::uint8_t> parse_rank(Fields& fields, std::size_t most = kMostDims) {
  HOLDALL_ASSIGN(const std::uint8_t rank, fields.byte());
  if (rank > most) return fields.fault(text("{} dimensions, {} are allowed", rank, most));
  return rank;
}

// What the numbers of filters are known as: the HDF Group's list of registered filters.
std::string filter_name(std::uint16_t id) {
  struct Row {
    std::uint16_t id;
    std::string_view name;
  };
  static constexpr Row kRows[] = {
      {1, "deflate"},     {2, "shuffle"},        {3, "fletcher32"}, {4, "szip"},     {5, "nbit"},
      {6, "scaleoffset"}, {305, "lzo"},          {307, "bzip2"},    {32000, "lzf"},  {32001, "blosc"},
      {32004, "lz4"},     {32008, "bitshuffle"}, {32013, "zfp"},    {32015, "zstd"}, {32026, "blosc2"},
  };
  for (const Row& row : kRows)
    if (row.id == id) return std::string(row.name);
  return text("number {}", id);
}

Status parse_old_layout(Fields& fields, Layout& layout) {
  HOLDALL_ASSIGN(const std::uint8_t rank, parse_rank(fields, kMostDims + 1));
  HOLDALL_ASSIGN(const std::uint8_t kind, fields.byte());
  if (kind > 2) return fields.fault(text("a layout of class {}, 0 to 2 are known", kind));
  layout.kind = static_cast<Layout::Kind>(kind);
  HOLDALL_TRY(fields.skip(5));
  if (layout.kind != Layout::Kind::kCompact) {
    HOLDALL_ASSIGN(layout.address, fields.address());
  }
  Shape dims;
  for (std::uint8_t i = 0; i < rank; ++i) {
    HOLDALL_ASSIGN(const std::uint32_t size, fields.word());
    dims.push_back(size);
  }
  if (layout.kind == Layout::Kind::kCompact) {
    HOLDALL_ASSIGN(const std::uint32_t size, fields.word());
    HOLDALL_ASSIGN(layout.compact, fields.take(size));
  }
  if (layout.kind != Layout::Kind::kChunked) return {};
  if (rank < 1) return fields.fault("a chunk without dimensions");
  layout.element_bytes = dims.back();
  layout.chunk = Shape(dims.begin(), dims.end() - 1);
  return {};
}

Status parse_index(Fields& fields, std::uint8_t flags, Layout& layout) {
  HOLDALL_ASSIGN(const std::uint8_t index, fields.byte());
  if (index < 1 || index > 5) return fields.refused(text("an index of chunks of type {}, 1 to 5 are known", index));
  layout.index = static_cast<ChunkIndex>(index);
  layout.edges_unfiltered = (flags & 1) != 0;
  switch (layout.index) {
    case ChunkIndex::kSingle: {
      if ((flags & 2) == 0) return {};
      HOLDALL_ASSIGN(layout.single_size, fields.length());
      HOLDALL_ASSIGN(layout.single_mask, fields.word());
      return {};
    }
    case ChunkIndex::kFixed:
      return fields.skip(1);
    case ChunkIndex::kExtensible:
      return fields.skip(5);
    case ChunkIndex::kTree2:
      return fields.skip(6);
    default:
      return {};
  }
}

Status parse_chunked(Fields& fields, std::uint8_t version, Layout& layout) {
  std::uint8_t flags = 0;
  unsigned width = 4;
  if (version >= 4) {
    HOLDALL_ASSIGN(flags, fields.byte());
  }
  HOLDALL_ASSIGN(const std::uint8_t rank, parse_rank(fields, kMostDims + 1));
  if (rank < 1) return fields.fault("a chunk without dimensions");
  if (version == 3) {
    HOLDALL_ASSIGN(layout.address, fields.address());
  } else {
    HOLDALL_ASSIGN(width, fields.byte());
    if (width < 1 || width > 8) return fields.fault(text("sizes of {} bytes, 1 to 8 are allowed", width));
  }
  for (std::uint8_t i = 0; i + 1 < rank; ++i) {
    HOLDALL_ASSIGN(const std::uint64_t size, fields.number(width));
    layout.chunk.push_back(size);
  }
  HOLDALL_ASSIGN(layout.element_bytes, fields.number(width));
  if (version == 3) return {};
  HOLDALL_TRY(parse_index(fields, flags, layout));
  HOLDALL_ASSIGN(layout.address, fields.address());
  return {};
}

Status parse_target(Fields& fields, std::uint8_t type, Link& link) {
  HOLDALL_ASSIGN(const std::uint16_t size, fields.half());
  HOLDALL_ASSIGN(const Block value, fields.take(size));
  const std::string_view said = value.bytes.text();
  if (type == 1) {
    link.kind = Link::Kind::kSoft;
    link.target = said;
    return {};
  }
  if (type != 64) return fields.refused(text("the link '{}' is of the unknown type {}", link.name, type));
  // A byte of version and flags, the file's name, the path in it; both end with a NUL.
  link.kind = Link::Kind::kExternal;
  const std::size_t file_end = said.find('\0', 1);
  const std::string_view file =
      said.size() < 2 ? "" : said.substr(1, file_end == std::string_view::npos ? file_end : file_end - 1);
  const std::string_view path = file_end == std::string_view::npos ? "" : said.substr(file_end + 1);
  link.target = text("{}:{}", file, path.substr(0, path.find('\0')));
  return {};
}

}  // namespace

Result<Space> parse_space(Fields fields) {
  Space space;
  HOLDALL_ASSIGN(const std::uint8_t version, fields.version("a dataspace", 1, 2));
  HOLDALL_ASSIGN(const std::uint8_t rank, parse_rank(fields));
  HOLDALL_ASSIGN(const std::uint8_t flags, fields.byte());
  HOLDALL_ASSIGN(const std::uint8_t type, fields.byte());
  if (version == 1) HOLDALL_TRY(fields.skip(4));
  space.is_null = version == 2 && type == 2;
  for (std::uint8_t i = 0; i < rank; ++i) {
    HOLDALL_ASSIGN(const std::uint64_t size, fields.length());
    space.shape.push_back(size);
  }
  if ((flags & 1) == 0) return space;
  const std::uint64_t unbounded =
      fields.widths().length == 8 ? UINT64_MAX : (std::uint64_t{1} << (8 * fields.widths().length)) - 1;
  for (std::uint8_t i = 0; i < rank; ++i) {
    HOLDALL_ASSIGN(const std::uint64_t size, fields.length());
    if (size < space.shape[i]) return fields.fault(text("a size of {}, at most {} are allowed", space.shape[i], size));
    space.most.push_back(size == unbounded ? UINT64_MAX : size);
  }
  return space;
}

Result<Bytes> parse_fill(Fields fields) {
  HOLDALL_ASSIGN(const std::uint8_t version, fields.version("a fill value", 1, 3));
  bool has_value = true;
  if (version < 3) {
    HOLDALL_TRY(fields.skip(2));
    HOLDALL_ASSIGN(const std::uint8_t defined, fields.byte());
    has_value = version == 1 || defined != 0;
  } else {
    HOLDALL_ASSIGN(const std::uint8_t flags, fields.byte());
    has_value = (flags & 0x20) != 0;
  }
  if (!has_value) return Bytes();
  return parse_old_fill(std::move(fields));
}

Result<Bytes> parse_old_fill(Fields fields) {
  HOLDALL_ASSIGN(const std::uint32_t size, fields.word());
  if (size == UINT32_MAX) return Bytes();  // undefined, as a signed size of version 1 says it
  HOLDALL_ASSIGN(Block value, fields.take(size));
  return std::move(value.bytes);
}

Result<std::vector<Filter>> parse_filters(Fields fields) {
  HOLDALL_ASSIGN(const std::uint8_t version, fields.version("a filter pipeline", 1, 2));
  HOLDALL_ASSIGN(const std::uint8_t count, fields.byte());
  if (count > kMostFilters) return fields.fault(text("{} filters, {} are allowed", count, kMostFilters));
  if (version == 1) HOLDALL_TRY(fields.skip(6));
  std::vector<Filter> filters(count);
  for (Filter& filter : filters) {
    HOLDALL_ASSIGN(filter.id, fields.half());
    std::uint16_t name_size = 0;
    if (version == 1 || filter.id >= 256) {
      HOLDALL_ASSIGN(name_size, fields.half());
    }
    HOLDALL_TRY(fields.skip(2));
    HOLDALL_ASSIGN(const std::uint16_t values, fields.half());
    HOLDALL_ASSIGN(const Block said, fields.take(version == 1 ? (name_size + 7u) / 8u * 8u : name_size));
    filter.name = filter_name(filter.id);
    const std::string_view own = said.bytes.text().substr(0, said.bytes.text().find('\0'));
    if (filter.name.starts_with("number") && !own.empty()) filter.name = text("{} ({})", filter.name, own);
    for (std::uint16_t i = 0; i < values; ++i) {
      HOLDALL_ASSIGN(const std::uint32_t value, fields.word());
      filter.values.push_back(value);
    }
    if (version == 1 && values % 2 != 0) HOLDALL_TRY(fields.skip(4));
  }
  return filters;
}

Result<Layout> parse_layout(Fields fields) {
  Layout layout;
  HOLDALL_ASSIGN(const std::uint8_t version, fields.version("a layout", 1, 4));
  if (version < 3) {
    HOLDALL_TRY(parse_old_layout(fields, layout));
    return layout;
  }
  HOLDALL_ASSIGN(const std::uint8_t kind, fields.byte());
  if (kind > (version == 3 ? 2 : 3)) return fields.fault(text("a layout of the unknown class {}", kind));
  layout.kind = static_cast<Layout::Kind>(kind);
  switch (layout.kind) {
    case Layout::Kind::kCompact: {
      HOLDALL_ASSIGN(const std::uint16_t size, fields.half());
      HOLDALL_ASSIGN(layout.compact, fields.take(size));
      break;
    }
    case Layout::Kind::kContiguous: {
      HOLDALL_ASSIGN(layout.address, fields.address());
      HOLDALL_ASSIGN(layout.size, fields.length());
      break;
    }
    case Layout::Kind::kChunked:
      HOLDALL_TRY(parse_chunked(fields, version, layout));
      break;
    case Layout::Kind::kVirtual:
      break;
  }
  return layout;
}

Result<Link> parse_link(Fields fields) {
  Link link;
  HOLDALL_ASSIGN(const std::uint8_t version, fields.version("a link", 1, 1));
  static_cast<void>(version);
  HOLDALL_ASSIGN(const std::uint8_t flags, fields.byte());
  std::uint8_t type = 0;
  if ((flags & 8) != 0) {
    HOLDALL_ASSIGN(type, fields.byte());
  }
  if ((flags & 4) != 0) {
    HOLDALL_ASSIGN(link.created, fields.number(8));
  }
  if ((flags & 16) != 0) HOLDALL_TRY(fields.skip(1));
  HOLDALL_ASSIGN(const std::uint64_t name_size, fields.number(1u << (flags & 3)));
  HOLDALL_ASSIGN(const Block name, fields.take(name_size));
  link.name = name.bytes.text();
  if (type != 0) {
    HOLDALL_TRY(parse_target(fields, type, link));
    return link;
  }
  HOLDALL_ASSIGN(link.address, fields.address());
  return link;
}

namespace {

// `order_bytes`: of the greatest creation order, which is passed over.
Result<Dense> parse_dense(Fields fields, std::string_view of, std::uint64_t order_bytes) {
  Dense dense;
  HOLDALL_ASSIGN(const std::uint8_t version, fields.version(of, 0, 0));
  static_cast<void>(version);
  HOLDALL_ASSIGN(const std::uint8_t flags, fields.byte());
  if ((flags & 1) != 0) HOLDALL_TRY(fields.skip(order_bytes));
  HOLDALL_ASSIGN(dense.heap, fields.address());
  HOLDALL_ASSIGN(dense.by_name, fields.address());
  return dense;
}

}  // namespace

Result<Dense> parse_link_info(Fields fields) { return parse_dense(std::move(fields), "link info", 8); }

Result<Dense> parse_attribute_info(Fields fields) { return parse_dense(std::move(fields), "attribute info", 2); }

}  // namespace holdall::hdf5

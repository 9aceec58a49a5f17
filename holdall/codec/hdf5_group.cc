#include "holdall/codec/hdf5_group.h"

#include <algorithm>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/codec/hdf5_heaps.h"
#include "holdall/codec/hdf5_tree1.h"
#include "holdall/codec/hdf5_tree2.h"

namespace holdall::hdf5 {
namespace {

constexpr std::uint8_t kLinksByName = 5;
constexpr std::uint8_t kAttributesByName = 8;

// Names and addresses of an old group: a B-tree ("TREE") of nodes of symbols ("SNOD").
class SymbolTable {
 public:
  SymbolTable(Metadata& metadata, std::vector<Link>& links) : metadata_(metadata), links_(links) {}

  Status read(const Message& message) {
    Fields fields = metadata_.fields(message.data);
    HOLDALL_ASSIGN(const std::uint64_t tree, fields.address());
    HOLDALL_ASSIGN(const std::uint64_t heap, fields.address());
    HOLDALL_ASSIGN(heap_, LocalHeap::open(metadata_, heap));
    return node(tree, UINT8_MAX);
  }

 private:
  Status node(std::uint64_t address, std::uint16_t below) {
    const Widths widths = metadata_.widths;
    HOLDALL_ASSIGN(OldNode own, open_old_node(metadata_, address, 0, below, std::uint64_t{widths.length} + widths.address));
    for (std::uint16_t i = 0; i < own.used; ++i) {
      HOLDALL_TRY(own.entries.skip(widths.length));
      HOLDALL_ASSIGN(const std::uint64_t child, own.entries.address());
      HOLDALL_TRY(own.level == 0 ? symbols(child) : node(child, own.level));
    }
    return {};
  }

  Status symbols(std::uint64_t address) {
    const Widths widths = metadata_.widths;
    HOLDALL_ASSIGN(Block head, metadata_.read(address, 8));
    Fields fields = metadata_.fields(std::move(head));
    HOLDALL_TRY(fields.expect("SNOD"));
    HOLDALL_ASSIGN(const std::uint8_t version, fields.version("a node of symbols", 1, 1));
    static_cast<void>(version);
    HOLDALL_TRY(fields.skip(1));
    HOLDALL_ASSIGN(const std::uint16_t count, fields.half());
    HOLDALL_ASSIGN(Block body, metadata_.read(address + 8, count * (std::uint64_t{widths.length} + widths.address + 24)));
    Fields entries = metadata_.fields(std::move(body));
    for (std::uint16_t i = 0; i < count; ++i) HOLDALL_TRY(symbol(entries));
    return {};
  }

  Status symbol(Fields& entries) {
    Link link;
    HOLDALL_ASSIGN(const std::uint64_t name, entries.number(metadata_.widths.length));
    HOLDALL_ASSIGN(link.address, entries.address());
    HOLDALL_ASSIGN(const std::uint32_t cached, entries.word());
    HOLDALL_TRY(entries.skip(4));
    HOLDALL_ASSIGN(const std::uint32_t target, entries.word());
    HOLDALL_TRY(entries.skip(12));
    // Names may lie within one another in the heap.
    HOLDALL_ASSIGN(const std::string_view said, heap_.text_at(name));
    HOLDALL_TRY(metadata_.charge(said.size(), link.address));
    link.name = said;
    if (cached == 2) {
      link.kind = Link::Kind::kSoft;
      HOLDALL_ASSIGN(const std::string_view path, heap_.text_at(target));
      HOLDALL_TRY(metadata_.charge(path.size(), link.address));
      link.target = path;
    }
    if (links_.size() >= metadata_.limits().members) {
      return over_limit(text("a group has more than {} links", metadata_.limits().members));
    }
    links_.push_back(std::move(link));
    return {};
  }

  Metadata& metadata_;
  std::vector<Link>& links_;
  LocalHeap heap_;
};

// The one place where the library looks for an object's links or attributes: whoever finds those of another sees what it does
// not, under the same names.
class Storage {
 public:
  enum class Place : std::uint8_t { kHeader, kTable, kHeap };

  Storage(std::string_view what, const Metadata& metadata, const ObjectHeader& header)
      : what_(what), at_(metadata.base() + header.address) {}

  Status add(Place place) {
    const bool is_second = place_ && (place != Place::kHeader || *place_ != place);
    place_ = place;
    return is_second ? corrupt(text("the {} of an object lie in two places", what_)).at(at_) : Status();
  }

  // What a message says of the heap; a second one is passed over by the library.
  Status add(const Dense& dense) {
    if (std::exchange(has_info_, true)) return corrupt(text("two messages say where the {} of an object lie", what_)).at(at_);
    return dense.heap == kUndefined ? Status() : add(Place::kHeap);
  }

 private:
  std::string_view what_;
  std::uint64_t at_;
  std::optional<Place> place_;
  bool has_info_ = false;
};

Status read_dense_links(Metadata& metadata, const Dense& dense, std::vector<Link>& links) {
  if (dense.heap == kUndefined || dense.by_name == kUndefined) return {};
  HOLDALL_ASSIGN(FractalHeap heap, FractalHeap::open(metadata, dense.heap));
  return for_each_record(metadata, dense.by_name, kLinksByName, [&](Fields record) -> Status {
    HOLDALL_TRY(record.skip(4));
    HOLDALL_ASSIGN(const Block id, record.take(heap.id_bytes()));
    HOLDALL_ASSIGN(Block object, heap.object(id.bytes));
    HOLDALL_ASSIGN(Link link, parse_link(metadata.fields(std::move(object))));
    if (links.size() >= metadata.limits().members) {
      return over_limit(text("a group has more than {} links", metadata.limits().members));
    }
    links.push_back(std::move(link));
    return {};
  });
}

// Whether a name comes first, numbers in it counted: "dense_2" before "dense_10".
bool is_before(std::string_view a, std::string_view b) noexcept {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::size_t i = 0;
  while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
  // Back to where the numbers begin that differ.
  std::size_t begin = i;
  while (begin > 0 && is_digit(a[begin - 1])) --begin;
  const auto digits = [&](std::string_view text) {
    std::size_t end = begin;
    while (end < text.size() && is_digit(text[end])) ++end;
    return end - begin;
  };
  const std::size_t of_a = digits(a);
  const std::size_t of_b = digits(b);
  if (of_a > 0 && of_b > 0 && of_a != of_b) return of_a < of_b;
  return a < b;
}

Status put_in_order(std::vector<Link>& links, const ObjectHeader& header, std::uint64_t base) {
  std::sort(links.begin(), links.end(), [](const Link& a, const Link& b) { return a.name < b.name; });
  const auto twice =
      std::adjacent_find(links.begin(), links.end(), [](const Link& a, const Link& b) { return a.name == b.name; });
  if (twice != links.end())
    return corrupt(text("two links of the name '{}' in a group", twice->name)).at(base + header.address);
  std::stable_sort(links.begin(), links.end(), [](const Link& a, const Link& b) { return is_before(a.name, b.name); });
  const bool are_counted = std::all_of(links.begin(), links.end(), [](const Link& link) { return link.created.has_value(); });
  if (are_counted) {
    std::stable_sort(links.begin(), links.end(), [](const Link& a, const Link& b) { return *a.created < *b.created; });
  }
  return {};
}

// A type or a space within an attribute: it may be a reference to a shared one.
Result<Block> own_or_shared(Headers& headers, MessageType type, Block block, unsigned shared) {
  if (shared == 0) return block;
  return headers.shared(type, block);
}

Result<Attribute> parse_attribute(Metadata& metadata, Headers& headers, Block block) {
  Attribute attribute;
  Fields fields = metadata.fields(std::move(block));
  HOLDALL_ASSIGN(const std::uint8_t version, fields.version("an attribute", 1, 3));
  HOLDALL_ASSIGN(std::uint8_t flags, fields.byte());
  if (version == 1) flags = 0;
  HOLDALL_ASSIGN(const std::uint16_t name_bytes, fields.half());
  HOLDALL_ASSIGN(const std::uint16_t type_bytes, fields.half());
  HOLDALL_ASSIGN(const std::uint16_t space_bytes, fields.half());
  if (version == 3) HOLDALL_TRY(fields.skip(1));
  const std::size_t unit = version == 1 ? 8 : 1;
  const auto padded = [&](std::uint16_t size) { return (size + unit - 1) / unit * unit; };
  HOLDALL_ASSIGN(const Block name, fields.take(padded(name_bytes)));
  HOLDALL_ASSIGN(Block type, fields.take(padded(type_bytes)));
  HOLDALL_ASSIGN(Block space, fields.take(padded(space_bytes)));
  attribute.name = name.bytes.text().substr(0, name.bytes.text().find('\0'));
  HOLDALL_ASSIGN(type, own_or_shared(headers, MessageType::kType, std::move(type), flags & 1u));
  Fields type_fields = metadata.fields(std::move(type));
  HOLDALL_ASSIGN(attribute.type, parse_type(type_fields));
  HOLDALL_ASSIGN(space, own_or_shared(headers, MessageType::kSpace, std::move(space), flags & 2u));
  HOLDALL_ASSIGN(attribute.space, parse_space(metadata.fields(std::move(space))));
  HOLDALL_ASSIGN(const std::uint64_t elements, elements_of(attribute.space));
  const auto bytes = checked_multiply(elements, attribute.type->size);
  if (!bytes) return fields.fault(text("the attribute '{}' has 2^64 bytes", attribute.name));
  HOLDALL_ASSIGN(Block data, fields.take(*bytes));
  attribute.data = std::move(data.bytes);
  return attribute;
}

Status read_dense_attributes(Metadata& metadata, Headers& headers, const Dense& dense, std::vector<Attribute>& attributes) {
  if (dense.heap == kUndefined || dense.by_name == kUndefined) return {};
  HOLDALL_ASSIGN(FractalHeap heap, FractalHeap::open(metadata, dense.heap));
  HOLDALL_TRY(for_each_record(metadata, dense.by_name, kAttributesByName, [&](Fields record) -> Status {
    HOLDALL_ASSIGN(const Block id, record.take(heap.id_bytes()));
    HOLDALL_ASSIGN(const std::uint8_t flags, record.byte());
    Block object;
    if ((flags & 2) != 0) {
      // The attribute itself is shared: its id is one of the file's heap of attributes.
      const std::string reference = std::string("\x03\x01", 2) + std::string(id.bytes.text());
      HOLDALL_ASSIGN(object, headers.shared(MessageType::kAttribute, {Bytes::copy(reference), id.at}));
    } else {
      HOLDALL_ASSIGN(object, heap.object(id.bytes));
    }
    HOLDALL_ASSIGN(Attribute attribute, parse_attribute(metadata, headers, std::move(object)));
    if (attributes.size() >= metadata.limits().members) return over_limit("an object has too many attributes");
    attributes.push_back(std::move(attribute));
    return {};
  }));
  std::sort(attributes.begin(), attributes.end(), [](const Attribute& a, const Attribute& b) { return a.name < b.name; });
  return {};
}

Status check_names(const std::vector<Attribute>& attributes, std::uint64_t at) {
  std::vector<std::string_view> names;
  for (const Attribute& attribute : attributes) names.push_back(attribute.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  return twice == names.end() ? Status() : corrupt(text("two attributes of the name '{}'", *twice)).at(at);
}

}  // namespace

Result<std::uint64_t> elements_of(const Space& space) {
  if (space.is_null) return 0;
  return element_count(space.shape);
}

Result<std::optional<std::vector<Link>>> read_links(Metadata& metadata, const ObjectHeader& header) {
  std::vector<Link> links;
  Storage storage("links", metadata, header);
  bool is_group = false;
  for (const Message& message : header.messages) {
    if (message.type == MessageType::kSymbolTable) {
      is_group = true;
      HOLDALL_TRY(storage.add(Storage::Place::kTable));
      HOLDALL_TRY(SymbolTable(metadata, links).read(message));
    } else if (message.type == MessageType::kLinkInfo) {
      is_group = true;
      HOLDALL_ASSIGN(const Dense dense, parse_link_info(metadata.fields(message.data)));
      HOLDALL_TRY(storage.add(dense));
      HOLDALL_TRY(read_dense_links(metadata, dense, links));
    } else if (message.type == MessageType::kLink) {
      is_group = true;
      HOLDALL_TRY(storage.add(Storage::Place::kHeader));
      HOLDALL_ASSIGN(Link link, parse_link(metadata.fields(message.data)));
      links.push_back(std::move(link));
    } else if (message.type == MessageType::kGroupInfo) {
      is_group = true;
    }
  }
  if (!is_group) return std::optional<std::vector<Link>>();
  HOLDALL_TRY(put_in_order(links, header, metadata.base()));
  return std::optional(std::move(links));
}

Result<std::vector<Attribute>> read_attributes(Metadata& metadata, Headers& headers, const ObjectHeader& header) {
  std::vector<Attribute> attributes;
  Storage storage("attributes", metadata, header);
  for (const Message& message : header.messages) {
    if (message.type == MessageType::kAttribute) {
      HOLDALL_TRY(storage.add(Storage::Place::kHeader));
      HOLDALL_ASSIGN(Attribute attribute, parse_attribute(metadata, headers, message.data));
      attributes.push_back(std::move(attribute));
    } else if (message.type == MessageType::kAttributeInfo) {
      HOLDALL_ASSIGN(const Dense dense, parse_attribute_info(metadata.fields(message.data)));
      HOLDALL_TRY(storage.add(dense));
      HOLDALL_TRY(read_dense_attributes(metadata, headers, dense, attributes));
    }
  }
  HOLDALL_TRY(check_names(attributes, metadata.base() + header.address));
  return attributes;
}

}  // namespace holdall::hdf5

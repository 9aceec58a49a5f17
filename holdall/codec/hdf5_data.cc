// Hdf5File: data of data sets as blobs, attributes as values.
#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/hdf5.h"
#include "holdall/codec/hdf5_heaps.h"
#include "holdall/core/small_float.h"

namespace holdall {
namespace {

using hdf5::Class;
using hdf5::Fields;
using hdf5::Type;

// How a global heap begins, and what is searched for it at once.
constexpr std::string_view kHeapMark("GCOL\1", 5);
constexpr std::size_t kTile = 1u << 20;

// A reference into the global heap: elements, address, number.
struct Reference {
  std::uint32_t length = 0;
  std::uint64_t address = hdf5::kUndefined;
  std::uint32_t number = 0;
};

Result<Reference> read_reference(Fields& fields) {
  Reference reference;
  HOLDALL_ASSIGN(reference.length, fields.word());
  HOLDALL_ASSIGN(reference.address, fields.address());
  HOLDALL_ASSIGN(reference.number, fields.word());
  return reference;
}

// The bytes that a reference stands for, of elements of `element` bytes; none where it leads nowhere.
Result<Bytes> referenced(hdf5::GlobalHeap& heap, const Reference& reference, std::uint64_t element) {
  if (reference.length == 0 || reference.address == 0 || reference.address == hdf5::kUndefined) return Bytes();
  HOLDALL_ASSIGN(const hdf5::Block object, heap.object(reference.address, reference.number));
  const std::uint64_t bytes = reference.length * element;
  if (bytes > object.bytes.size()) {
    return corrupt(text("{} bytes of an object of {} in the global heap", bytes, object.bytes.size())).at(object.at);
  }
  return object.bytes.slice(0, static_cast<std::size_t>(bytes));
}

// A text without what pads it.
std::string_view trimmed(const Type& type, std::string_view said) noexcept {
  const unsigned padding = type.text_flags & 15;
  if (padding == 0) return said.substr(0, said.find('\0'));
  const char pad = padding == 2 ? ' ' : '\0';
  const std::size_t last = said.find_last_not_of(pad);
  return last == std::string_view::npos ? std::string_view() : said.substr(0, last + 1);
}

// Elements as values.
class Values {
 public:
  Values(Arena& arena, hdf5::Metadata& metadata) : arena_(arena), metadata_(metadata), heap_(metadata) {}

  Result<NodeId> of(const Type& type, const Shape& shape, std::span<const std::byte> data) {
    return nested(type, shape, 0, data);
  }

 private:
  Result<NodeId> nested(const Type& type, const Shape& shape, std::size_t dim, std::span<const std::byte> data) {
    if (dim == shape.size()) return element(type, data.first(type.size));
    std::vector<NodeId> items;
    const std::size_t bytes = shape[dim] == 0 ? 0 : data.size() / static_cast<std::size_t>(shape[dim]);
    // A list without bytes in it may be of any length.
    if (bytes == 0) return arena_.list();
    for (std::uint64_t i = 0; i < shape[dim]; ++i) {
      HOLDALL_ASSIGN(const NodeId item, nested(type, shape, dim + 1, data.subspan(static_cast<std::size_t>(i) * bytes, bytes)));
      items.push_back(item);
    }
    return arena_.list(items);
  }

  // Many attributes may stand for the same bytes of a heap.
  Result<NodeId> said(std::string_view text) {
    const std::uint64_t most = metadata_.limits().value_bytes;
    if (text.size() > most || arena_.memory() > most - text.size()) return over_limit("attributes take too much memory");
    return is_utf8(text) ? arena_.string(text) : arena_.bytes(text);
  }

  Result<NodeId> variable(const Type& type, std::span<const std::byte> data) {
    Fields fields = metadata_.fields({Bytes::copy(data), 0});
    HOLDALL_ASSIGN(const Reference reference, read_reference(fields));
    HOLDALL_ASSIGN(const Bytes bytes, referenced(heap_, reference, type.is_text ? 1 : type.base->size));
    if (type.is_text) return said(bytes.text().substr(0, bytes.text().find('\0')));
    return nested(*type.base, {reference.length}, 0, bytes.empty() ? std::span<const std::byte>() : bytes.span());
  }

  Result<NodeId> compound(const Type& type, std::span<const std::byte> data) {
    const NodeId dict = arena_.dict();
    for (const hdf5::Member& member : type.members) {
      const auto field = data.subspan(static_cast<std::size_t>(member.offset), member.type->size);
      HOLDALL_ASSIGN(const NodeId value, element(*member.type, field));
      HOLDALL_ASSIGN(const NodeId name, said(member.name));
      arena_.set_item(dict, name, value);
    }
    return dict;
  }

  NodeId integer(const Type& type, std::span<const std::byte> data) {
    const std::uint64_t bits = hdf5::integer_bits(type, data);
    if (type.is_signed || bits <= INT64_MAX) return arena_.integer(static_cast<std::int64_t>(bits));
    return arena_.big_integer(std::to_string(bits));
  }

  Result<NodeId> number(const Type& type, std::span<const std::byte> data) {
    const auto form = hdf5::npy_form(type);
    if (!form || form->form != NpyForm::kPlain) return arena_.bytes(as_text(data));
    std::array<std::byte, 16> raw{};
    std::copy(data.begin(), data.end(), raw.begin());
    if (form->order == ByteOrder::kBig) reverse_units(std::span(raw).first(data.size()), form->unit_bytes);
    switch (form->dtype) {
      case DType::kFloat32:
        return arena_.real(load_le<float>(raw.data()));
      case DType::kFloat64:
        return arena_.real(load_le<double>(raw.data()));
      case DType::kComplex64:
        return arena_.complex({load_le<float>(raw.data()), load_le<float>(raw.data() + 4)});
      case DType::kComplex128:
        return arena_.complex({load_le<double>(raw.data()), load_le<double>(raw.data() + 8)});
      case DType::kFloat16:
        return arena_.real(decode(load_le<std::uint16_t>(raw.data()), kHalf));
      default:
        return arena_.bytes(as_text(data));
    }
  }

  Result<NodeId> element(const Type& type, std::span<const std::byte> data) {
    if (type.is_bool()) return arena_.boolean(data.front() != std::byte{0});
    switch (type.kind) {
      case Class::kInteger:
      case Class::kBitfield:
      case Class::kEnum:
        return type.size <= 8 ? integer(type, data) : arena_.bytes(as_text(data));
      case Class::kString:
        return said(trimmed(type, as_text(data)));
      case Class::kVariable:
        return variable(type, data);
      case Class::kArray:
        return nested(*type.base, type.dims, 0, data);
      case Class::kCompound: {
        const auto form = hdf5::npy_form(type);
        return form && form->form == NpyForm::kPlain ? number(type, data) : compound(type, data);
      }
      case Class::kFloat:
      case Class::kComplex:
        return number(type, data);
      default:
        return arena_.bytes(as_text(data));
    }
  }

  Arena& arena_;
  hdf5::Metadata& metadata_;
  hdf5::GlobalHeap heap_;
};

}  // namespace

struct Hdf5Values::State {
  State(const Hdf5File& of, Arena& into, hdf5::Metadata reading)
      : file(of), arena(into), metadata(std::move(reading)), values(into, metadata) {}
  const Hdf5File& file;
  Arena& arena;
  hdf5::Metadata metadata;
  Values values;
};

Hdf5Values::Hdf5Values(const Hdf5File& file, Arena& arena) : state_(std::make_unique<State>(file, arena, file.metadata())) {}
Hdf5Values::~Hdf5Values() = default;

Result<NodeId> Hdf5Values::of(const hdf5::Attribute& attribute) {
  if (attribute.space.is_null) return state_->arena.null();
  auto value = state_->values.of(*attribute.type, attribute.space.shape, attribute.data);
  if (!value) return std::move(value).error().in(state_->file.source()->name()).with(text("attribute '{}'", attribute.name));
  return value;
}

Result<Blob> Hdf5File::data(const Hdf5Dataset& dataset, std::string_view name) const {
  const auto told = [&](Error error) { return std::move(error).in(source_->name()).with(text("data set '{}'", name)); };
  if (dataset.is_external) return told(unsupported("its data lie in other files, which are not read"));
  const hdf5::Layout& layout = dataset.layout;
  if (layout.kind == hdf5::Layout::Kind::kVirtual) {
    return told(unsupported("it is virtual: its data lie in other data sets, which are not read"));
  }
  if (dataset.type->kind == Class::kVariable && dataset.type->is_text) {
    auto read = texts(dataset, name);
    if (!read) return told(std::move(read).error());
    return read;
  }
  std::string where = text("{}!{}", source_->name(), name);
  if (layout.kind == hdf5::Layout::Kind::kCompact) {
    if (layout.compact.bytes.size() < dataset.bytes) {
      return told(corrupt(text("{} bytes are stored, {} are needed", layout.compact.bytes.size(), dataset.bytes))
                      .at(layout.compact.at));
    }
    return Blob::memory(layout.compact.bytes.slice(0, static_cast<std::size_t>(dataset.bytes)), std::move(where));
  }
  if (layout.kind == hdf5::Layout::Kind::kContiguous) {
    if (layout.address == hdf5::kUndefined || dataset.bytes == 0) {
      return Blob(hdf5::filled_source(dataset.fill, dataset.bytes, std::move(where)));
    }
    const auto at = checked_add(base_, layout.address);
    if (layout.size && *layout.size < dataset.bytes) {
      return told(corrupt(text("{} bytes are stored, {} are needed", *layout.size, dataset.bytes)));
    }
    auto blob = Blob::range(source_, at.value_or(UINT64_MAX), dataset.bytes);
    if (!blob) return told(std::move(blob).error());
    return blob;
  }
  auto source = hdf5::chunked_source({source_, base_, widths_, limits_, layout, dataset.space, dataset.type->size,
                                      hdf5::Pipeline(dataset.filters), dataset.fill, std::move(where), cache_});
  if (!source) return told(std::move(source).error());
  return Blob(*std::move(source));
}

// References into the global heap as bytes.
Result<Blob> Hdf5File::references(const Hdf5Dataset& dataset, std::string_view name) const {
  Hdf5Dataset stored = {dataset.type, dataset.space, dataset.layout, dataset.filters, dataset.fill, false, dataset.bytes};
  auto plain = std::make_shared<Type>(*dataset.type);
  plain->kind = Class::kOpaque;
  plain->is_text = false;
  stored.type = std::move(plain);
  return data(stored, name);
}

// Texts of variable length: read now, for their sizes have to be known.
Result<Blob> Hdf5File::texts(const Hdf5Dataset& dataset, std::string_view name) const {
  HOLDALL_ASSIGN(const Blob stored, references(dataset, name));
  HOLDALL_ASSIGN(Bytes bytes, stored.read(limits_.header_bytes));
  hdf5::Metadata reading = metadata();
  hdf5::GlobalHeap heap(reading);
  Fields fields = reading.fields({std::move(bytes), 0});
  std::string out;
  while (!fields.at_end()) {
    HOLDALL_ASSIGN(const Reference reference, read_reference(fields));
    HOLDALL_ASSIGN(const Bytes object, referenced(heap, reference, 1));
    // The library writes a NUL behind a text that has it counted in.
    const std::string_view said = object.text().substr(0, object.text().find('\0'));
    // Each lies in the file for itself.
    HOLDALL_TRY(reading.charge(said.size(), reference.address));
    std::array<char, 8> length{};
    store_le<std::uint64_t>(length.data(), said.size());
    out.append(length.data(), length.size()).append(said);
  }
  return Blob::memory(Bytes::adopt(std::move(out)), text("{}!{}", source_->name(), name));
}

struct Hdf5Rows::State {
  explicit State(const Hdf5File& of) : file(of), metadata(of.metadata()), heap(metadata) {}

  Status each(Bytes references, const Use& use) {
    Fields fields = metadata.fields({std::move(references), 0});
    while (!fields.at_end()) {
      HOLDALL_ASSIGN(const Reference reference, read_reference(fields));
      if (reference.length == 0 || reference.address == 0 || reference.address == hdf5::kUndefined) continue;
      if (!seen.emplace(reference.address, reference.number).second) continue;
      HOLDALL_ASSIGN(const hdf5::Block object, heap.object(reference.address, reference.number));
      HOLDALL_TRY(use(object.bytes));
    }
    return {};
  }

  // Heaps that begin in the tile, which lies at `at`.
  Status each_heap(std::string_view tile, std::uint64_t at, const Use& use) {
    for (std::size_t i = tile.find(kHeapMark); i != std::string_view::npos; i = tile.find(kHeapMark, i + 1)) {
      if (at + i < file.base_) continue;
      const std::uint64_t address = at + i - file.base_;
      HOLDALL_ASSIGN(const hdf5::Block head, metadata.read_at_most(address, 8 + metadata.widths.length));
      Fields fields = metadata.fields(head);
      const Status skipped = fields.skip(8);
      const auto size = fields.length();
      // What passes the end of the file is no heap.
      if (skipped && size && metadata.holds(address, *size)) HOLDALL_TRY(heap.for_each(address, use));
    }
    return {};
  }

  const Hdf5File& file;
  hdf5::Metadata metadata;
  hdf5::GlobalHeap heap;
  bool all_seen = false;
  std::set<std::pair<std::uint64_t, std::uint32_t>> seen;
};

Status Hdf5Rows::each_anywhere(const Use& use) {
  if (std::exchange(state_->all_seen, true)) return {};
  const Source& source = *state_->file.source_;
  std::vector<std::byte> tile(kTile + kHeapMark.size() - 1);
  for (std::uint64_t at = 0; at < source.size(); at += kTile) {
    const auto some = std::span(tile).first(static_cast<std::size_t>(std::min<std::uint64_t>(tile.size(), source.size() - at)));
    HOLDALL_TRY(source.read_at(at, some));
    HOLDALL_TRY(state_->each_heap(as_text(some), at, use));
  }
  return {};
}

Hdf5Rows::Hdf5Rows(const Hdf5File& file) : state_(std::make_unique<State>(file)) {}
Hdf5Rows::~Hdf5Rows() = default;

Status Hdf5Rows::each(const hdf5::Attribute& attribute, const Use& use) { return state_->each(attribute.data, use); }

Status Hdf5Rows::each(const Hdf5Dataset& dataset, std::string_view name, const Use& use) {
  HOLDALL_ASSIGN(const Blob stored, state_->file.references(dataset, name));
  HOLDALL_ASSIGN(Bytes bytes, stored.read(state_->file.limits_.header_bytes));
  return state_->each(std::move(bytes), use);
}

}  // namespace holdall

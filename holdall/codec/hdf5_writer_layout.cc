#include "holdall/codec/hdf5_writer_layout.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "holdall/base/endian.h"
#include "holdall/base/text.h"

// Sections in brackets are those of the HDF5 file format specification, 3.0.

namespace holdall::hdf5_written {
namespace {

constexpr std::uint64_t kSuperblock = 96;
constexpr std::uint64_t kHeader = 16;
constexpr std::uint64_t kTextHead = 16, kLeastTextHeap = 4096, kMostTexts = 60'000;
constexpr std::uint64_t kSymbol = 40, kSymbolNode = 8 + kSymbols * kSymbol;
constexpr std::uint64_t kTreeHead = 24, kLocalHeap = 32;
constexpr std::uint64_t kNoFreeBlock = 1;
constexpr std::uint16_t kMostMessages = 65'535;

enum class Message : std::uint16_t {
  kDataspace = 0x01,
  kDatatype = 0x03,
  kFillValue = 0x05,
  kLayout = 0x08,
  kFilters = 0x0b,
  kAttribute = 0x0c,
  kSymbolTable = 0x11,
};

std::uint64_t align8(std::uint64_t size) { return (size + 7) & ~std::uint64_t{7}; }

template <class T>
void put(std::string& bytes, T value) {
  char raw[sizeof(T)];
  store_le(raw, value);
  bytes.append(raw, sizeof raw);
}

void put_message(std::string& messages, Message kind, std::string_view data) {
  put(messages, static_cast<std::uint16_t>(kind));
  put(messages, static_cast<std::uint16_t>(align8(data.size())));
  put(messages, static_cast<std::uint32_t>(kind == Message::kDatatype || kind == Message::kFillValue ? 1 : 0));
  messages += data;
  messages.append(align8(data.size()) - data.size(), '\0');
}

void copy(std::byte* to, std::string_view bytes) { std::memcpy(to, bytes.data(), bytes.size()); }

void put_symbol(std::string& bytes, const Node& node, std::uint64_t name) {  // [III.C]
  put(bytes, name);
  put(bytes, node.header);
  const bool is_group = node.kind == Node::Kind::kGroup;
  put(bytes, static_cast<std::uint64_t>(is_group ? 1 : 0));
  put(bytes, is_group ? node.tree : std::uint64_t{0});
  put(bytes, is_group ? node.heap : std::uint64_t{0});
}

// The nodes of a B-tree (III.A.1) over a level of entries that have been written already.
struct Tree {
  std::uint8_t kind = 0;  // 0: groups, 1: chunks
  std::uint64_t fanout = 0;
  std::uint64_t key_bytes = 0;

  std::uint64_t node_bytes() const { return kTreeHead + fanout * 8 + (fanout + 1) * key_bytes; }
  static std::uint64_t above(std::uint64_t entries, std::uint64_t fanout) { return (entries + fanout - 1) / fanout; }
  std::uint64_t nodes(std::uint64_t entries) const {
    std::uint64_t level = std::max<std::uint64_t>(1, above(entries, fanout)), total = level;
    while (level > 1) total += level = above(level, fanout);
    return total;
  }
  std::uint64_t bytes(std::uint64_t entries) const { return nodes(entries) * node_bytes(); }

  // Writes all nodes at `address`, the root first. keys[i] is what stands before child i, and one more behind the last.
  void encode(std::vector<std::string> keys, std::vector<std::uint64_t> children, std::uint64_t address, std::byte* out) const {
    std::uint64_t next = address + bytes(children.size());  // levels are laid out from the last node upwards
    for (std::uint8_t level = 0;; ++level) {
      const std::uint64_t count = std::max<std::uint64_t>(1, above(children.size(), fanout));
      const std::uint64_t first = next -= count * node_bytes();
      std::vector<std::string> upper_keys;
      std::vector<std::uint64_t> upper;
      for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t begin = i * fanout, end = std::min<std::uint64_t>(begin + fanout, children.size());
        std::string node = "TREE";
        put(node, kind);
        put(node, level);
        put(node, static_cast<std::uint16_t>(end - begin));
        put(node, i == 0 ? kNowhere : first + (i - 1) * node_bytes());
        put(node, i + 1 == count ? kNowhere : first + (i + 1) * node_bytes());
        for (std::uint64_t j = begin; j < end; ++j) {
          node += keys[j];
          put(node, children[j]);
        }
        node += keys[end];
        copy(out + first + i * node_bytes(), node);
        upper_keys.push_back(keys[begin]);
        upper.push_back(first + i * node_bytes());
      }
      if (count == 1) return;
      upper_keys.push_back(keys.back());
      keys = std::move(upper_keys);
      children = std::move(upper);
    }
  }
};

constexpr Tree kGroupTree = {0, kChildren, 8};
Tree chunk_tree(const Node& node) { return {1, kChunkChildren, 8 + 8 * (node.shape.size() + 1)}; }

std::uint64_t symbol_nodes(const Node& group) { return Tree::above(group.children.size(), kSymbols); }

std::string layout_message(const Node& node, std::span<const PieceAt> at) {
  std::string data = "\3";
  if (!node.chunk.empty()) {  // [IV.A.2.i]
    put(data, std::uint8_t{2});
    put(data, static_cast<std::uint8_t>(node.shape.size() + 1));
    put(data, node.tree);
    for (const std::uint64_t size : node.chunk) put(data, static_cast<std::uint32_t>(size));
    put(data, node.type.size);
    return data;
  }
  put(data, std::uint8_t{1});
  const bool is_apart = node.refs.empty() && node.pieces != 0 && !at.empty();
  put(data, is_apart ? at[node.first_piece].offset : node.elements);
  put(data, is_apart ? at[node.first_piece].size : std::uint64_t{16} * node.refs.size());
  return data;
}

// One filter, deflate [IV.A.2.l]. Readers pass by the level.
std::string filter_message() {
  std::string data = "\1\1";
  data.append(6, '\0');
  for (const int number : {1, 8, 1, 1})
    put(data, static_cast<std::uint16_t>(number));  // which, bytes of the name, optional, values
  data += std::string_view("deflate\0", 8);
  put(data, std::uint32_t{4});
  put(data, std::uint32_t{0});
  return data;
}

}  // namespace

std::string dataspace_message(const Shape& shape) {  // [IV.A.2.b]
  std::string data = "\1";
  put(data, static_cast<std::uint8_t>(shape.size()));
  put(data, static_cast<std::uint8_t>(shape.empty() ? 0 : 1));
  data.append(5, '\0');
  for (const int what : {0, 1}) {  // sizes, and what they may become
    (void)what;
    for (const std::uint64_t size : shape) put(data, size);
  }
  return data;
}

std::string null_dataspace_message() { return {"\2\0\0\2", 4}; }

TextPlace Layout::add_text(std::string text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  const std::uint64_t bytes = kTextHead + align8(size);
  const auto full = [&](const TextHeap& heap) {
    return heap.used + bytes > kLeastTextHeap - kTextHead || heap.texts.size() >= kMostTexts;
  };
  if (heaps.empty() || full(heaps.back())) heaps.emplace_back();
  TextHeap& heap = heaps.back();
  heap.used += bytes;
  heap.texts.push_back(std::move(text));
  return {static_cast<std::uint32_t>(heaps.size() - 1), static_cast<std::uint32_t>(heap.texts.size()), size};
}

Status Layout::place() {
  std::uint64_t at = kSuperblock;
  const auto take = [&](std::uint64_t bytes) { return std::exchange(at, at + align8(bytes)); };
  for (TextHeap& heap : heaps) {
    // What is left over is an object of its own, which takes as much as a head.
    heap.size = std::max(kLeastTextHeap, heap.used + kTextHead);
    heap.address = take(heap.size);
  }
  for (Node& node : nodes) {
    if (message_count(node) > kMostMessages)
      return invalid_argument(text("'{}' has {} attributes, which no object has", node.name, node.attributes.size()));
    node.header = take(kHeader + messages(node, {}).size());
    if (node.kind == Node::Kind::kGroup) {
      std::sort(node.children.begin(), node.children.end(),
                [&](std::uint32_t a, std::uint32_t b) { return nodes[a].name < nodes[b].name; });
      node.tree = take(kGroupTree.bytes(symbol_nodes(node)));
      node.symbols = take(symbol_nodes(node) * kSymbolNode);
      std::uint64_t names = 8;
      for (const std::uint32_t child : node.children) names += align8(nodes[child].name.size() + 1);
      node.heap = take(kLocalHeap + names);
    } else if (!node.refs.empty()) {
      node.elements = take(16 * node.refs.size());
    } else if (!node.chunk.empty()) {
      node.tree = take(chunk_tree(node).bytes(node.pieces));
    }
  }
  size_ = at;
  return {};
}

std::uint64_t Layout::message_count(const Node& node) const {
  const std::uint64_t own = node.kind == Node::Kind::kGroup ? 1 : node.chunk.empty() ? 4 : 5;
  return own + node.attributes.size();
}

// Wanted before what it refers to has its place: its size does not depend on that.
std::string Layout::messages(const Node& node, std::span<const PieceAt> at) const {
  std::string all;
  std::string data;
  if (node.kind == Node::Kind::kGroup) {
    put(data, node.tree);
    put(data, node.heap);
    put_message(all, Message::kSymbolTable, data);
  } else {
    put_message(all, Message::kDataspace, node.space);
    put_message(all, Message::kDatatype, node.type.message);
    // No fill value, space taken late (chunks: as they come).
    put_message(all, Message::kFillValue, std::string_view(node.chunk.empty() ? "\2\2\2\1\0\0\0\0" : "\2\3\2\1\0\0\0\0", 8));
    put_message(all, Message::kLayout, layout_message(node, at));
    if (!node.chunk.empty()) put_message(all, Message::kFilters, filter_message());
  }
  for (const Attribute& attribute : node.attributes) {
    std::string message = attribute.message;
    auto* refs = reinterpret_cast<std::byte*>(message.data() + message.size() - 16 * attribute.refs.size());
    encode_refs(attribute.refs, refs);
    put_message(all, Message::kAttribute, message);
  }
  return all;
}

void Layout::encode(std::span<const PieceAt> at, std::uint64_t end, std::span<std::byte> out) const {
  std::fill(out.begin(), out.end(), std::byte{0});
  encode_superblock(end, out.data());
  for (const TextHeap& heap : heaps) encode_heap(heap, out.data());
  for (const Node& node : nodes) {
    const std::string body = messages(node, at);
    std::string head = "\1";  // [IV.A.1.a]
    head.push_back('\0');
    put(head, static_cast<std::uint16_t>(message_count(node)));
    put(head, std::uint32_t{1});
    put(head, static_cast<std::uint32_t>(body.size()));
    copy(out.data() + node.header, head);
    copy(out.data() + node.header + kHeader, body);
    if (node.kind == Node::Kind::kGroup) {
      encode_group(node, out.data());
    } else if (!node.refs.empty()) {
      encode_refs(node.refs, out.data() + node.elements);
    } else if (!node.chunk.empty()) {
      encode_chunks(node, at, out.data());
    }
  }
}

void Layout::encode_superblock(std::uint64_t end, std::byte* out) const {  // [II.A]
  std::string bytes("\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0", 16);
  put(bytes, static_cast<std::uint16_t>(kSymbols / 2));
  put(bytes, static_cast<std::uint16_t>(kChildren / 2));
  put(bytes, std::uint32_t{0});
  for (const std::uint64_t address : {std::uint64_t{0}, kNowhere, end, kNowhere}) put(bytes, address);
  put_symbol(bytes, nodes.front(), 0);
  copy(out, bytes);
}

void Layout::encode_group(const Node& node, std::byte* out) const {
  std::string names(8, '\0');  // the empty name stands first
  std::vector<std::string> keys(1, std::string(8, '\0'));
  std::vector<std::uint64_t> symbol_addresses;
  for (std::uint64_t i = 0; i < symbol_nodes(node); ++i) {
    const std::uint64_t begin = i * kSymbols, end = std::min<std::uint64_t>(begin + kSymbols, node.children.size());
    std::string bytes = "SNOD";  // [III.B]
    put(bytes, std::uint16_t{1});
    put(bytes, static_cast<std::uint16_t>(end - begin));
    std::string key;
    for (std::uint64_t j = begin; j < end; ++j) {
      const Node& child = nodes[node.children[j]];
      key.clear();
      put(key, static_cast<std::uint64_t>(names.size()));
      put_symbol(bytes, child, names.size());
      names += child.name;
      names.append(align8(child.name.size() + 1) - child.name.size(), '\0');
    }
    keys.push_back(key);
    symbol_addresses.push_back(node.symbols + i * kSymbolNode);
    copy(out + symbol_addresses.back(), bytes);
  }
  kGroupTree.encode(std::move(keys), std::move(symbol_addresses), node.tree, out);
  std::string heap("HEAP\0\0\0\0", 8);  // [III.D]
  for (const std::uint64_t number : {static_cast<std::uint64_t>(names.size()), kNoFreeBlock, node.heap + kLocalHeap})
    put(heap, number);
  copy(out + node.heap, heap + names);
}

void Layout::encode_chunks(const Node& node, std::span<const PieceAt> at, std::byte* out) const {
  std::vector<std::string> keys;
  std::vector<std::uint64_t> addresses;
  for (std::size_t i = node.first_piece; i < node.first_piece + node.pieces; ++i) {
    std::string key;
    put(key, static_cast<std::uint32_t>(at[i].size));
    put(key, std::uint32_t{0});
    for (const std::uint64_t offset : pieces[i].offsets) put(key, offset);
    put(key, std::uint64_t{0});
    keys.push_back(std::move(key));
    addresses.push_back(at[i].offset);
  }
  std::string last(8, '\0');
  for (std::size_t d = 0; d < node.chunk.size(); ++d)
    put(last, pieces[node.first_piece + node.pieces - 1].offsets[d] + node.chunk[d]);
  put(last, static_cast<std::uint64_t>(node.type.size));
  keys.push_back(std::move(last));
  chunk_tree(node).encode(std::move(keys), std::move(addresses), node.tree, out);
}

void Layout::encode_heap(const TextHeap& heap, std::byte* out) const {  // [III.E]
  std::string bytes("GCOL\1\0\0\0", 8);
  put(bytes, heap.size);
  for (std::size_t i = 0; i < heap.texts.size(); ++i) {
    put(bytes, static_cast<std::uint16_t>(i + 1));
    put(bytes, std::uint16_t{1});
    put(bytes, std::uint32_t{0});
    put(bytes, static_cast<std::uint64_t>(heap.texts[i].size()));
    bytes += heap.texts[i];
    bytes.append(align8(heap.texts[i].size()) - heap.texts[i].size(), '\0');
  }
  put(bytes, std::uint64_t{0});
  put(bytes, heap.size - heap.used);
  copy(out + heap.address, bytes);
}

void Layout::encode_refs(std::span<const TextPlace> refs, std::byte* out) const {
  for (const TextPlace& ref : refs) {
    store_le(out, ref.size);
    store_le(out + 4, ref.size == 0 ? std::uint64_t{0} : heaps[ref.heap].address);
    store_le(out + 12, ref.size == 0 ? 0u : ref.number);
    out += 16;
  }
}

}  // namespace holdall::hdf5_written

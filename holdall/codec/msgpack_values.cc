// MessagePack as values of an arena, without recursion.
#include <utility>
#include <vector>

#include "holdall/base/text.h"
#include "holdall/base/utf8.h"
#include "holdall/codec/msgpack.h"

namespace holdall {
namespace {

using Kind = MsgpackItem::Kind;

// Longer bytes stay on disk.
constexpr std::uint64_t kMostResident = 4096;
constexpr std::size_t kNodesBetweenChecks = 65'536;

class Values {
 public:
  Values(Arena& arena, MsgpackReader& reader, const MsgpackOptions& options)
      : arena_(arena), reader_(reader), options_(options), before_(arena.memory()), check_at_(arena.size()) {}

  Result<NodeId> run() {
    do {
      if (reader_.at_end()) return reader_.fault("the data end where a value should stand");
      HOLDALL_ASSIGN(const MsgpackItem item, reader_.next());
      HOLDALL_TRY(check_memory(item));
      HOLDALL_ASSIGN(const NodeId node, made(item));
      HOLDALL_TRY(place(item, node));
      while (!open_.empty() && open_.back().left == 0) open_.pop_back();
    } while (!open_.empty());
    return root_;
  }

 private:
  // A container being filled: its node, items or pairs still to come and, within a pair, the key.
  struct Open {
    NodeId container = kNoNode;
    std::uint64_t left = 0;
    bool is_map = false;
    NodeId key = kNoNode;
  };

  Error at(Error error, const MsgpackItem& item) const { return std::move(error).at(item.at).in(reader_.name()); }

  Result<NodeId> made(const MsgpackItem& item) {
    switch (item.kind) {
      case Kind::kNil:
        return arena_.null();
      case Kind::kBool:
        return arena_.boolean(item.integer != 0);
      case Kind::kInteger:
        if (!item.is_negative && item.integer > INT64_MAX) return arena_.big_integer(std::to_string(item.integer));
        return arena_.integer(static_cast<std::int64_t>(item.integer));
      case Kind::kFloat:
        return arena_.real(item.real);
      case Kind::kText: {
        HOLDALL_ASSIGN(const std::string text, reader_.text(item));
        if (!is_utf8(text)) return at(corrupt("a text is not UTF-8"), item);
        return arena_.string(text);
      }
      case Kind::kBytes: {
        HOLDALL_ASSIGN(Blob blob, reader_.blob(item));
        if (item.size > kMostResident) return arena_.bytes(std::move(blob));
        HOLDALL_ASSIGN(const Bytes bytes, blob.read());
        return arena_.bytes(bytes.text());
      }
      case Kind::kArray:
        return arena_.list();
      case Kind::kMap:
        return arena_.dict();
      case Kind::kExtension:
        break;
    }
    if (!options_.extension) return at(unsupported(text("an extension of type {} is not known", item.extension)), item);
    return options_.extension(reader_, item);
  }

  // Puts what was made where the innermost open container waits for it, and opens it where it is one.
  Status place(const MsgpackItem& item, NodeId node) {
    const bool is_map = item.is(Kind::kMap);
    const bool is_container = is_map || item.is(Kind::kArray);
    if (open_.empty()) {
      root_ = node;
    } else if (Open& inner = open_.back(); inner.is_map && inner.key == kNoNode) {
      if (is_container || item.is(Kind::kExtension)) return at(unsupported("the key of a map is no plain value"), item);
      inner.key = node;
      return {};
    } else if (inner.is_map) {
      const std::size_t before = arena_.at(inner.container).size();
      arena_.set_item(inner.container, inner.key, node);
      if (arena_.at(inner.container).size() == before) return at(corrupt("a key stands twice in one map"), item);
      inner.key = kNoNode;
      --inner.left;
    } else {
      arena_.append(inner.container, node);
      --inner.left;
    }
    if (!is_container) return {};
    if (open_.size() >= options_.limits.depth) {
      return at(over_limit(text("values are nested deeper than the {} levels allowed", options_.limits.depth)), item);
    }
    open_.push_back({node, item.size, is_map, kNoNode});
    return {};
  }

  Status check_memory(const MsgpackItem& item) {
    const bool is_long = (item.is(Kind::kText) || item.is(Kind::kBytes)) && item.size > kMostResident;
    if (arena_.size() < check_at_ && !is_long) return {};
    check_at_ = arena_.size() + kNodesBetweenChecks;
    const std::uint64_t taken = arena_.memory() - before_ + (item.is(Kind::kText) ? item.size : 0);
    if (taken > options_.limits.value_bytes) {
      return at(over_limit(text("values take {} bytes, more than the {} allowed", taken, options_.limits.value_bytes)), item);
    }
    return {};
  }

  Arena& arena_;
  MsgpackReader& reader_;
  const MsgpackOptions& options_;
  std::uint64_t before_;
  std::size_t check_at_;
  std::vector<Open> open_;
  NodeId root_ = kNoNode;
};

}  // namespace

Result<NodeId> read_msgpack(Arena& arena, MsgpackReader& reader, const MsgpackOptions& options) {
  return Values(arena, reader, options).run();
}

}  // namespace holdall

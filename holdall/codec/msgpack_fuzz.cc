// Any bytes as MessagePack: every item lies within them, and values end where the items do.
#include <cstdint>
#include <cstdlib>

#include "holdall/codec/msgpack.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  const Blob blob = Blob::memory(Bytes::copy(std::span(reinterpret_cast<const std::byte*>(data), size)), "fuzz");
  MsgpackReader items(blob);
  while (!items.at_end()) {
    const auto item = items.next();
    if (!item) break;
    if (item->is(MsgpackItem::Kind::kText) && items.text(*item).value().size() != item->size) std::abort();
    if (item->is(MsgpackItem::Kind::kExtension)) {
      auto within = items.within(*item);
      if (!within || within->remaining() != item->size) std::abort();
    }
  }
  Arena arena;
  MsgpackReader reader(blob);
  MsgpackOptions options;
  options.extension = [&](const MsgpackReader& of, const MsgpackItem& item) -> Result<NodeId> {
    HOLDALL_ASSIGN(Blob bytes, of.blob(item));
    return arena.bytes(std::move(bytes));
  };
  const auto root = read_msgpack(arena, reader, options);
  if (root && *root >= arena.size()) std::abort();
  return 0;
}

// Any bytes as a table: what opens is walked and looked up; keys rise, and a table written of them is read back.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "holdall/codec/sstable.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  const auto bytes = Bytes::copy(std::span(reinterpret_cast<const std::byte*>(data), size));
  Limits limits;
  limits.header_bytes = 1u << 20;
  const auto table = SortedTable::open(memory_source(bytes, "fuzz"), limits);
  if (!table) return 0;
  SortedTableWriter writer;
  std::uint64_t count = 0;
  std::string before;
  const Status walked = table->for_each([&](std::string_view key, std::string_view value, std::uint64_t) -> Status {
    if (count != 0 && key <= before) std::abort();
    before = key;
    ++count;
    writer.add(key, value);
    return {};
  });
  (void)table->find(before);
  (void)table->check_metaindex();
  if (!walked) return 0;
  const auto again = SortedTable::open(memory_source(Bytes::adopt(std::move(writer).finish()), "again"), {});
  if (!again) std::abort();
  std::uint64_t left = count;
  (void)again->for_each([&](std::string_view, std::string_view, std::uint64_t) -> Status { return --left, Status(); });
  if (left != 0) std::abort();
  return 0;
}

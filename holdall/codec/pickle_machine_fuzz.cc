// Any bytes through the pickle machine: read from memory and through a window alike; what it gives can be written as protocols
// 2 and 4 or is refused, and what was written reads back as as many imports.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "holdall/codec/pickle.h"

namespace {

using namespace holdall;

// Bytes that are not resident, so that the machine looks at them through its window.
class Windowed : public Source {
 public:
  explicit Windowed(SourceRef whole) : whole_(std::move(whole)) {}
  std::uint64_t size() const noexcept override { return whole_->size(); }
  const std::string& name() const noexcept override { return whole_->name(); }
  Status read_at(std::uint64_t offset, std::span<std::byte> out) const override { return whole_->read_at(offset, out); }

 private:
  SourceRef whole_;
};

void require(bool good) {
  if (!good) std::abort();
}

PickleOptions options() {
  PickleOptions made;
  made.limits.opcodes = 100'000;
  made.limits.memo = 10'000;
  made.limits.depth = 200;
  made.limits.value_bytes = 16u << 20;
  made.keep_on_disk_from = 64;
  return made;
}

void write_and_read_again(const Arena& arena, const PickleProgram& program, int protocol) {
  PickleWriteOptions how;
  how.protocol = protocol;
  how.lost = [](const std::string& where, const std::string& what) { require(!where.empty() && !what.empty()); };
  auto written = write_pickle(arena.at(program.root), how);
  if (!written) {
    require(written.error().code() == Code::kUnsupported || written.error().code() == Code::kCorrupt);
    return;
  }
  PickleOptions wide = options();
  wide.limits.depth = 100'000;
  wide.limits.opcodes *= 100;
  wide.limits.value_bytes *= 64;
  Arena again;
  const auto reread = run_pickle(again, memory_source(Bytes::adopt(*std::move(written)), "again"), 0, wide);
  require(!reread.error || reread.error->code() == Code::kLimit);
  if (!reread.error) require(reread.protocol <= protocol && again.at(reread.root).kind() != ValueKind::kTensor);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto whole = memory_source(Bytes::copy(std::string_view(reinterpret_cast<const char*>(data), size)), "input");
  Arena arena;
  const auto program = run_pickle(arena, whole, 0, options());
  Arena beside;
  const auto windowed = run_pickle(beside, std::make_shared<Windowed>(whole), 0, options());
  require(program.end == windowed.end && program.opcodes == windowed.opcodes && arena.size() == beside.size());
  require(program.error.has_value() == windowed.error.has_value());
  if (program.error) {
    require(program.error->to_string() == windowed.error->to_string());
    return 0;
  }
  write_and_read_again(arena, program, 2);
  write_and_read_again(arena, program, 4);
  return 0;
}

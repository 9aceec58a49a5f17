#include "holdall/codec/hdf5_tree2.h"

#include <algorithm>
#include <utility>

#include "holdall/base/checked.h"

namespace holdall::hdf5 {
namespace {

constexpr std::uint64_t kNodePrefix = 4 + 1 + 1;
constexpr std::uint64_t kSum = 4;
constexpr std::uint16_t kDeepest = 32;

struct Child {
  std::uint64_t address = kUndefined;
  std::uint64_t records = 0;
};

class Walk {
 public:
  Walk(Metadata& metadata, std::uint8_t type, const std::function<Status(Fields)>& use)
      : metadata_(metadata), type_(type), use_(use) {}

  Status run(std::uint64_t address) {
    const Widths widths = metadata_.widths;
    HOLDALL_ASSIGN(Block block,
                   metadata_.read_checked(address, 4 + 1 + 1 + 4 + 2 + 2 + 1 + 1 + widths.address + 2 + widths.length + kSum));
    Fields fields = metadata_.fields(std::move(block));
    HOLDALL_TRY(fields.expect("BTHD"));
    HOLDALL_ASSIGN(const std::uint8_t version, fields.version("a B-tree of version 2", 0, 0));
    static_cast<void>(version);
    HOLDALL_ASSIGN(const std::uint8_t type, fields.byte());
    if (type != type_) return fields.fault(text("a B-tree of type {}, {} was expected", type, type_));
    HOLDALL_ASSIGN(node_bytes_, fields.word());
    HOLDALL_ASSIGN(record_bytes_, fields.half());
    HOLDALL_ASSIGN(const std::uint16_t depth, fields.half());
    HOLDALL_TRY(fields.skip(2));
    Child root;
    HOLDALL_ASSIGN(root.address, fields.address());
    HOLDALL_ASSIGN(root.records, fields.half());
    if (depth > kDeepest || record_bytes_ == 0 || node_bytes_ < kNodePrefix + kSum + record_bytes_) {
      return fields.fault(text("a B-tree of depth {}, nodes of {} and records of {} bytes", depth, node_bytes_, record_bytes_));
    }
    measure(depth);
    if (root.address == kUndefined) return {};
    return depth == 0 ? leaf(root) : inner(root, depth);
  }

 private:
  // Bytes of the count of a child's records, and of the count of all under a child of a node of depth `i`.
  void measure(std::uint16_t depth) {
    const std::uint64_t in_leaf = (node_bytes_ - kNodePrefix - kSum) / record_bytes_;
    count_bytes_ = bytes_for(in_leaf);
    std::uint64_t under = in_leaf;
    total_bytes_.assign(1, 0);
    for (std::uint16_t i = 1; i <= depth; ++i) {
      const std::uint64_t pointer = metadata_.widths.address + count_bytes_ + total_bytes_.back();
      const std::uint64_t room = node_bytes_ - kNodePrefix - kSum;
      const std::uint64_t here = room > pointer ? (room - pointer) / (record_bytes_ + pointer) : 0;
      const auto product = checked_multiply(here + 1, under);
      under = product ? checked_add(*product, here).value_or(UINT64_MAX) : UINT64_MAX;
      total_bytes_.push_back(bytes_for(under));
    }
  }

  Result<Fields> open(const Child& node, std::string_view signature, std::uint64_t size) {
    if (size > node_bytes_) {
      return corrupt(text("a node of {} records takes {} bytes, it has {}", node.records, size, node_bytes_))
          .at(metadata_.base() + node.address);
    }
    HOLDALL_ASSIGN(Block block, metadata_.read_checked(node.address, size));
    Fields fields = metadata_.fields(std::move(block));
    HOLDALL_TRY(fields.expect(signature));
    HOLDALL_TRY(fields.skip(2));
    return fields;
  }

  Status leaf(const Child& node) {
    HOLDALL_ASSIGN(Fields fields, open(node, "BTLF", kNodePrefix + node.records * record_bytes_ + kSum));
    for (std::uint64_t i = 0; i < node.records; ++i) {
      HOLDALL_ASSIGN(Block record, fields.take(record_bytes_));
      HOLDALL_TRY(use_(metadata_.fields(std::move(record))));
    }
    return {};
  }

  Status inner(const Child& node, std::uint16_t depth) {
    const std::uint64_t pointer = metadata_.widths.address + count_bytes_ + total_bytes_[depth - 1u];
    const std::uint64_t size = kNodePrefix + node.records * record_bytes_ + (node.records + 1) * pointer + kSum;
    HOLDALL_ASSIGN(Fields fields, open(node, "BTIN", size));
    HOLDALL_ASSIGN(Block block, fields.take(node.records * record_bytes_));
    Fields records = metadata_.fields(std::move(block));
    for (std::uint64_t i = 0; i <= node.records; ++i) {
      Child child;
      HOLDALL_ASSIGN(child.address, fields.address());
      HOLDALL_ASSIGN(child.records, fields.number(count_bytes_));
      HOLDALL_TRY(fields.skip(total_bytes_[depth - 1u]));
      HOLDALL_TRY(depth == 1 ? leaf(child) : inner(child, static_cast<std::uint16_t>(depth - 1)));
      if (i == node.records) break;
      HOLDALL_ASSIGN(Block record, records.take(record_bytes_));
      HOLDALL_TRY(use_(metadata_.fields(std::move(record))));
    }
    return {};
  }

  Metadata& metadata_;
  std::uint8_t type_;
  const std::function<Status(Fields)>& use_;
  std::uint32_t node_bytes_ = 0;
  std::uint16_t record_bytes_ = 0;
  unsigned count_bytes_ = 0;
  std::vector<unsigned> total_bytes_;  // by depth
};

}  // namespace

Status for_each_record(Metadata& metadata, std::uint64_t address, std::uint8_t type,
                       const std::function<Status(Fields record)>& use) {
  return Walk(metadata, type, use).run(address);
}

}  // namespace holdall::hdf5

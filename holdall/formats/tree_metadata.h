// `holdall.tree`: the JSON document that carries what a container cannot say natively (nesting, flags, tied tensors, dtypes and
// meanings that the container lacks, checksums), kept where the container keeps metadata. Other readers pass over it.
//
//   {"version":1,
//    "names":"tree" or "flat",          the tensors' names come from the tree, or are the container's own
//    "tree":document,                   codec/document.h; a {"$tensor":name} is a name in the container
//    "metadata":document, "config":document,
//    "tensors":{name:{"same":other | "view":other,"offset":N,"strides":[…],   shares memory with `other` (offset in elements)
//                     "dtype":…,"shape":[…],                                  what it is, where the container stores other
//                     "logical":…}},
//    "lost":[name, …],                  tensors of the tree that the container could not hold: read back as null
//    "framework":"pt",                  whose tensors they are; where the container's metadata says it as "format", that is the
//                                       writer's own doing
//    "xxh3":"32 digits a tensor",       XXH3-128 of each tensor's bytes in the container, tensors by name in byte order
//    "seal":"32 digits"}                XXH3-128 over names, dtypes and shapes of all tensors in the container, then this text
//
// Only what is needed is there; a flat dict of plain tensors needs nothing but checksums.
// Thread-safety: free functions over immutable models. Ownership: results own their texts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/formats/format.h"

namespace holdall {

inline constexpr std::string_view kTreeKey = "holdall.tree";

// How a container stores model.tensors()[entry]: under the same name, with this dtype and shape (which may be others that take
// the same bytes: bfloat16 as uint16).
struct StoredAs {
  std::uint32_t entry = 0;
  DType dtype = DType::kUInt8;
  Shape shape;
  bool keeps_logical = false;  // the container says Tensor::logical() itself
};

struct TreeOptions {
  // The tree, ties and meanings; without them the text has checksums only (a shard whose index has the tree).
  enum class Scope : std::uint8_t { kAll, kChecksumsOnly } scope = Scope::kAll;
  bool checksums = false;
  bool metadata = false;       // Model::metadata(), for containers that cannot keep it as it is
  bool config = true;          // Model::config()
  std::string framework = {};  // whose tensors they are, said where there is anything else to say
  bool views = true;           // tensors that share memory, for containers that cannot keep that themselves
};

struct TreeText {
  // The text with zeros where checksums and seal go; empty where there is nothing to say.
  std::string json;
  // Byte offset in `json` of the 32 digits of stored[i]; empty without checksums.
  std::vector<std::size_t> checksums;
  std::string table;         // what the seal is over beside the text
  std::vector<Loss> losses;  // memory shared in a way that is not kept

  // The text with these checksums (hashes[i] for stored[i]) and the seal filled in; its length does not change. Without
  // checksums `hashes` is empty.
  std::string finished(std::span<const Xxh128> hashes) const;
};

// A tensor's line of TreeText::table, whose lines stand by name in byte order; the seal of a text that ends before its digits.
std::string tree_table_line(std::string_view name, DType dtype, std::span<const std::uint64_t> shape);
std::string tree_seal(std::string_view table, std::string_view json);

// `stored` in the order in which a reader will list the container's tensors. Errors: those of reading bytes values.
Result<TreeText> write_tree(const Model& model, std::span<const StoredAs> stored, const TreeOptions& options);

// The part of a file that is the text, as the container spells it; made when the checksums of `parts`, one for each of
// `stored`, are known, at once where it has none. `spelled` gives texts of one length texts of one length; null: as it is.
using TreeSpelling = std::string (*)(std::string_view);
Part tree_part(TreeText tree, std::vector<PartId> parts, TreeSpelling spelled = nullptr);

// Whether a text has the frame of a holdall.tree (its start and its seal), wherever it was found.
bool looks_like_tree(std::string_view text) noexcept;

// A tensor as read from a container, before the tree has given it back its meaning; its index means nothing.
using StoredTensor = NamedTensor;

// The model of a container's tensors. `json` is its holdall.tree, empty where there is none. The builder brings metadata, side
// files, origin and warnings. A text that is broken or does not fit the tensors (the file was changed by others since) is set
// aside with a warning: the tensors are then flat. Errors: corrupt for a name met twice.
Result<Model> restore_tree(ModelBuilder builder, std::vector<StoredTensor> stored, std::string_view json, const Limits& limits);

// Adds to `faults` what restore_tree() would set the text aside for, and every tensor whose bytes do not have the checksum that
// the text holds; counts the checksums compared. Reads the bytes of all tensors that have one.
void verify_tree(const std::vector<StoredTensor>& stored, std::string_view json, const Context& context, Faults& faults);

}  // namespace holdall

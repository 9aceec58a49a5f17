// StorageTable: what the persistent ids of a torch pickle name, each storage once.
//
// An id is ("storage", class, key, location, elements), in legacy files with a sixth part that makes it a view of another
// storage: (key of the view, offset, elements). torch takes the class that comes first for a key.
// Thread-safety: one thread. Ownership: shares the blobs that it hands out.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "holdall/base/endian.h"
#include "holdall/base/hash_index.h"
#include "holdall/base/plain_vector.h"
#include "holdall/formats/format.h"
#include "holdall/formats/torch_archive.h"
#include "holdall/objects/interpret.h"

namespace holdall {

// The parts of a storage's persistent id that matter here.
struct StorageId {
  std::string key;
  DType dtype = DType::kUInt8;
  bool untyped = false;
  std::uint64_t elements = 0;
  std::uint64_t item_bytes = 1;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> view;  // offset and elements
};

// Errors: corrupt for what is no such id, unsupported for a storage class that is not known.
Result<StorageId> read_storage_id(Value id);
// A key as text: torch has written strings and integers. Empty for anything else.
std::string key_text(Value key);

// The record of the storage that a persistent id names in an archive whose storages lie in `folder` ("data"); nullptr where the
// id names none or the archive lacks it. `said` is what the id says.
const ZipMember* storage_record(const TorchArchive& archive, std::string_view folder, Value id, StorageId& said);

// Records of storages that hold more bytes than the pickle claims, each by the first claim.
class StorageSizes {
 public:
  // Refers to the archive, which must outlive it.
  explicit StorageSizes(const TorchArchive& archive) : archive_(archive), seen_(archive.zip().members().size()) {}
  void check(const ZipMember& member, std::uint64_t claimed);
  void report(Faults& faults) const;

 private:
  const TorchArchive& archive_;
  std::vector<bool> seen_;
  std::vector<Error> faults_;
};

class StorageTable {
 public:
  // Finds the bytes of a storage by its key; `bytes` is what its id claims.
  using Find = std::function<Result<Blob>(const std::string& key, std::uint64_t bytes)>;

  StorageTable(ByteOrder order, Find find) : order_(order), find_(std::move(find)) {}

  // InterpretOptions::storage. Errors: those of read_storage_id and of Find; corrupt for a storage with fewer bytes than its id
  // claims, naming both.
  Result<TypedStorage> resolve(Value id, std::optional<DType> element);

 private:
  struct Known {
    std::uint64_t elements = 0;
    std::uint64_t key_begin = 0;  // in keys_
    std::uint32_t key_size = 0;
    std::uint32_t storage = 0;  // in pool_: its bytes as they are
    DType dtype = DType::kUInt8;
    bool untyped = false;
  };
  std::string_view key_of(const Known& known) const noexcept { return {keys_.begin() + known.key_begin, known.key_size}; }
  Result<std::uint32_t> known(const StorageId& id);
  Result<StorageRef> swapped(std::uint32_t known, std::size_t unit);

  ByteOrder order_;
  Find find_;
  StoragePool pool_;
  PlainVector<Known> known_;
  PlainVector<char> keys_;
  HashIndex by_key_;                                                     // of known_
  std::map<std::pair<std::uint32_t, std::size_t>, StorageRef> swapped_;  // by the width whose bytes are reversed
};

}  // namespace holdall

// TarStream: the members of torch's tar files, which are pickles with raw numbers and elements between them
// (torch/serialization.py, legacy_load in _legacy_load).
//
//   storages  the count; for each (key, location, class), then int64 elements and the elements; a list of views
//             (key, key of the storage, offset, elements)
//   tensors   the count; for each (key, key of its storage, class), then int32 dimensions, four bytes of no meaning, int64
//             sizes, int64 strides, int64 offset
//
// Thread-safety: one thread. Ownership: shares its source.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/base/limits.h"
#include "holdall/codec/pickle.h"
#include "holdall/io/source.h"

namespace holdall::pytorch {

struct TarStorage {
  std::string key;
  std::string module;  // of its class
  std::string name;
  std::string location;
  std::uint64_t elements = 0;
  std::uint64_t offset = 0;  // of its elements in the member
  std::uint64_t bytes = 0;
};

// Offset and size count elements of the storage.
struct TarView {
  std::string key;
  std::string root;
  std::uint64_t offset = 0;
  std::uint64_t elements = 0;
};

struct TarTensor {
  std::string key;
  std::string storage;
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
  std::int64_t offset = 0;
};

class TarStream {
 public:
  // Sees every pickle that was run, the failing one too. Its arena is gone with the next.
  using See = std::function<void(const Arena&, const PickleProgram&)>;

  TarStream(SourceRef source, const Limits& limits, See see = {});

  // Errors of all: corrupt, unsupported for a class that is not known, limit; those of the functions, at the place of what they
  // were given.
  Status storages(const std::function<Status(const TarStorage&)>& use_storage,
                  const std::function<Status(const TarView&)>& use_view);
  Status tensors(const std::function<Status(const TarTensor&)>& use);
  Status only_pickle();

  // Behind what has been read.
  std::uint64_t position() const noexcept { return position_; }
  // Whether a pickle itself broke off.
  bool failed() const noexcept { return failed_; }

 private:
  Result<Value> run(std::string_view what);
  Result<std::uint64_t> count(std::string_view what);
  Status one_storage(const std::function<Status(const TarStorage&)>& use);
  Status views(const std::function<Status(const TarView&)>& use);
  Status one_tensor(const std::function<Status(const TarTensor&)>& use);
  Error fault(std::uint64_t at, std::string what) const;

  SourceRef source_;
  Limits limits_;
  See see_;
  std::unique_ptr<Arena> arena_;  // of the last pickle
  std::uint64_t position_ = 0;
  bool failed_ = false;
};

}  // namespace holdall::pytorch

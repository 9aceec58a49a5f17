// A chunked HDF5 data set as a source of its elements, row-major: chunks are found, read and decoded when they are asked for.
//
// Rows of chunks along the outermost dimension ("bands") are contiguous in the decoded bytes: a read of whole bands decodes
// each of their chunks once, straight into place, so several threads may each take bands of their own (Source::unit()). Reads
// of parts go through a small cache that all data sets of a file share. Thread-safety: all may be called from several threads.
// Ownership: a source shares the file's source and the cache.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <utility>

#include "holdall/codec/hdf5_chunk_index.h"
#include "holdall/codec/hdf5_filters.h"

namespace holdall::hdf5 {

// Decoded bands, those used last.
class BandCache {
 public:
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // whose band, and which
  // A number for whoever puts bands in, never given twice: bands outlive sources.
  std::uint64_t new_owner() noexcept { return owners_.fetch_add(1); }
  std::shared_ptr<const Buffer> find(const Key& key);
  void put(const Key& key, std::shared_ptr<const Buffer> band);
  void drop(const Key& key);

 private:
  struct Entry {
    Key key;
    std::shared_ptr<const Buffer> band;
  };
  std::mutex mutex_;
  std::list<Entry> entries_;  // used last first
  std::uint64_t bytes_ = 0;
  std::atomic<std::uint64_t> owners_ = 0;
};

struct ChunkedFacts {
  SourceRef file;
  std::uint64_t base = 0;  // of addresses, in the file
  Widths widths;
  Limits limits;
  Layout layout;
  Space space;
  std::uint64_t element_bytes = 0;
  Pipeline pipeline;
  Bytes fill;
  std::string name;
  std::shared_ptr<BandCache> cache;
};

// Errors: corrupt; unsupported (filters, here and not when it is read). Errors of its reads: corrupt, limit (a data set of more
// than 4 GiB whose chunks have less than a thousandth of that), io.
Result<SourceRef> chunked_source(ChunkedFacts facts);

// `size` bytes of a value repeated; zeros where it is empty.
SourceRef filled_source(Bytes value, std::uint64_t size, std::string name);

}  // namespace holdall::hdf5

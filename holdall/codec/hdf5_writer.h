// Writing HDF5 (format specification 3.0) as a plan, by the structures that every version of the reference library since 1.0
// reads and goes on writing in: superblock 0, object headers of version 1, groups as symbol tables, attributes in the headers,
// texts of variable length in global heaps, contiguous datasets, or chunks by gzip where the planner is told to compress.
//
// All metadata stand in front; the elements of the datasets follow, each at a multiple of the alignment.
// Thread-safety: one thread. Ownership: a planner owns what it was given; what it makes shares it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/codec/hdf5_writer_type.h"
#include "holdall/io/plan.h"

namespace holdall {

// The elements of an attribute or of a small dataset, in memory.
struct Hdf5Value {
  enum class Space : std::uint8_t { kSimple, kNull };  // kNull: there is a type and no element (h5py.Empty)

  Hdf5Type type;
  Shape shape = {};                     // empty: one element
  std::string bytes = {};               // row-major; not for texts of variable length
  std::vector<std::string> texts = {};  // those
  Space space = Space::kSimple;

  // One text of variable length, as h5py writes a str (UTF-8) or bytes (ASCII).
  static Hdf5Value text(std::string value, Hdf5Charset charset = Hdf5Charset::kUtf8);
  // A row of texts as wide as the longest of them, as NumPy's "S": what Keras writes lists of names as.
  static Hdf5Value fixed_texts(std::span<const std::string> values, Hdf5Charset charset = Hdf5Charset::kAscii);
};

class Hdf5Planner {
 public:
  struct Options {
    std::uint64_t alignment = 64;  // of the elements of datasets, a power of two
    int deflate_level = 0;         // 1 to 9: datasets that are worth it are cut into chunks and compressed
  };
  using Object = std::uint32_t;
  static constexpr Object kRoot = 0;
  // Bytes that a message of an object's header has at most; an attribute takes one.
  static constexpr std::uint64_t kMostMessage = 65'528;

  explicit Hdf5Planner(Options options);
  Hdf5Planner() : Hdf5Planner(Options()) {}
  ~Hdf5Planner();

  // Paths are names divided by '/', without one in front; groups on the way are made where they are not there yet.
  // Errors: invalid argument (a name that is empty, "." or has a NUL; a path through a dataset), already exists.
  Result<Object> group(std::string_view path);
  // Errors also: invalid argument where shape × type is not data.size() bytes, or for more than 32 dimensions.
  Result<Object> dataset(std::string_view path, const Hdf5Type& type, const Shape& shape, Blob data);
  Result<Object> dataset(std::string_view path, Hdf5Value value);
  // Errors: already exists; invalid argument where it does not fit into an object's header (kMostMessage), whose texts of
  // variable length lie elsewhere.
  Status attribute(Object object, std::string_view name, const Hdf5Value& value);
  // A text attribute of `size` bytes that is made once the elements of `needs`, which are contiguous datasets, have been
  // written; it is given their XXH3-128 in this order.
  Status late_text(Object object, std::string_view name, std::size_t size, std::vector<Object> needs,
                   std::function<std::string(std::span<const Xxh128>)> make);

  // Adds the file to a plan's, which must hold nothing else. The planner is empty afterwards.
  Status finish(PlannedFile& file) &&;
  // The whole file as one blob, for a container. Errors: internal where it is compressed or has late texts.
  Result<Blob> finish(std::string name) &&;

 private:
  struct State;
  Result<Object> add(std::string_view path);
  Result<std::string> spelled(std::string_view name, const Hdf5Value& value);
  Status put_attribute(Object object, std::string_view name, std::string message);

  Options options_;
  std::map<std::string, Object, std::less<>> by_path_;
  std::shared_ptr<State> state_;
};

}  // namespace holdall

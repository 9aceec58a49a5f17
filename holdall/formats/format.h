// Format: one row a file format. A format turns a bundle into a model and a model into a plan; it never sees a path it was not
// given, a descriptor or a mapping, and never another format: parts inside parts are opened through the context.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/codec/json.h"
#include "holdall/core/model.h"
#include "holdall/io/bundle.h"
#include "holdall/io/plan.h"
#include "holdall/objects/verdict.h"

namespace holdall {

// How sure a format is that a bundle is its own.
enum class Match : std::uint8_t {
  kNo,
  kMaybe,    // nothing contradicts it: text or a pickle that anyone could have written
  kLikely,   // structure fits, no unique mark
  kCertain,  // a unique mark
};

class ZipArchive;

// Lazily read evidence about a bundle, read once for all formats. It refers to bundle and limits, which must outlive it.
class Peek {
 public:
  Peek(const Bundle& bundle, const Limits& limits);
  Peek(const Bundle&&, const Limits&) = delete;
  Peek(const Bundle&, const Limits&&) = delete;
  Peek(const Bundle&&, const Limits&&) = delete;
  const Bundle& bundle() const noexcept { return bundle_; }
  const Limits& limits() const noexcept { return limits_; }
  bool is_folder() const noexcept { return bundle_.kind() == Bundle::Kind::kFolder; }
  // The first bytes of a file, at most 4096; empty for a folder.
  std::span<const std::byte> head();
  // The last bytes of a file, at most 4096.
  std::span<const std::byte> tail();
  std::uint64_t size() const noexcept;  // of a file; 0 for a folder
  // Member names of a ZIP archive; empty when the file is none or its directory cannot be read.
  std::span<const std::string_view> zip_members();
  // Names of the files in a tar archive, as far as it is good; empty when the file is none.
  const std::vector<std::string>& tar_members();
  // The first bytes of a file after undoing gzip, zlib, bz2, xz, lzma, lz4 or zstd compression; head() when it is not
  // compressed.
  std::span<const std::byte> inflated_head();
  // Why the bytes could not be read, where they could not: detection then ends with this error instead of a guess.
  const std::optional<Error>& failure() const noexcept { return failure_; }

 private:
  const Bundle& bundle_;
  const Limits& limits_;
  bool head_read_ = false, tail_read_ = false, zip_read_ = false, tar_read_ = false, inflated_read_ = false;
  std::vector<std::byte> head_, tail_, inflated_;
  std::shared_ptr<const ZipArchive> archive_;
  std::vector<std::string_view> members_;  // in the archive, or in head_
  std::vector<std::string> tar_members_;
  std::optional<Error> failure_;
};

// One way in which a file is not whole.
struct Fault {
  std::string where;
  std::optional<std::uint64_t> offset;
  std::string what;
};
struct Faults {
  std::vector<Fault> list;
  std::uint64_t crc32 = 0;  // checksums compared, by kind
  std::uint64_t crc32c = 0;
  std::uint64_t digests = 0;  // XXH3-128 that Holdall stored, and SHA-256
  void add(const Error& error);
};

// What a format may ask of the others and of the caller.
struct Context {
  Limits limits;
  // Which tensors the caller is going to load. Where it is all of them, what must be decoded to come by the structure is kept
  // for it: their blobs then give up their bytes (Source::give_up()).
  enum class Wanted : std::uint8_t { kSome, kAll } wanted = Wanted::kSome;
  unsigned depth = 0;  // of containers in containers
  // Where verify() says how many bytes it has just compared with a checksum, for progress; absent: nobody listens. May be
  // called from several threads. Errors: cancelled.
  std::function<Status(std::uint64_t bytes)> checked = {};
  Status advance(std::uint64_t bytes) const { return checked ? checked(bytes) : Status(); }
  // Where acts() says how large a part within another is that it is going to look at; absent: the parts may come to any size.
  // Errors: limit.
  std::function<Status(std::uint64_t bytes)> unfolded = {};
  Status unfold(std::uint64_t bytes) const { return unfolded ? unfolded(bytes) : Status(); }
  // Opens a part of a bundle as whatever it is. Errors: unsupported, limit when nested deeper than Limits::containers.
  Result<Model> open(const Bundle& bundle) const;
  Status verify(const Bundle& bundle, Faults& faults) const;
  Status acts(const Bundle& bundle, Findings& findings) const;
  // The same for a part that is given to one format's own loader, whatever the part looks like.
  Status acts_as(std::string_view format, const Bundle& bundle, Findings& findings) const;
};

struct WriteOptions {
  std::uint64_t shard_bytes = 0;  // 0: one file
  std::uint64_t alignment = 0;    // 0: the format's own
  bool checksums = true;          // store XXH3-128 where the container has no checksum of its own
  bool compress = false;
  bool config_beside = false;  // the folder being written keeps Model::config() in a file of its own
  std::string name;            // file name being written, without folders: "model.pt"
};

// A model as the program that a format's files are for wants it (GGUF: llama.cpp): its names, shapes, dtypes and metadata.
struct AdaptOptions {
  std::optional<DType> dtype;  // what the tensors are going to be cast to, for a program that is told so
  Limits limits;
};
struct Adapted {
  Model model;
  std::vector<std::string> renamed;  // "old=new"
  std::vector<Loss> losses;          // what that program has no place for
  std::vector<Loss> fixed;           // tensors whose dtype the program says, and why
};

struct Format {
  std::string_view id;                           // stable: command line, errors, documents
  std::string_view title;                        // for `holdall formats`: "one line about the files"
  std::span<const std::string_view> extensions;  // for writing, with the dot; reading looks at content
  bool folder;                                   // is written as a folder, side files and all
  Match (*match)(Peek&);
  Result<Model> (*read)(const Bundle&, const Context&);  // tensor bytes stay on disk
  Status (*verify)(const Bundle&, const Context&,
                   Faults&);  // beyond what read() checks; an Error is for what cannot be read at all
  Status (*acts)(const Bundle&, const Context&, Findings&);  // what the framework's own loader would run
  Result<Plan> (*plan)(const Model&, const WriteOptions&);   // null: read only
  // Empty where the model is none that it knows; null: takes models as they are.
  Result<std::optional<Adapted>> (*adapt)(const Model&, const AdaptOptions&) = nullptr;
};

// Every row, in the order of formats.inc.
std::span<const Format* const> all_formats() noexcept;
const Format* format_by_id(std::string_view id) noexcept;
// By the longest extension that fits a file name; nullptr when none does.
const Format* format_by_extension(std::string_view path) noexcept;
// The format whose match is surest (the earlier row wins a tie). Errors: unsupported, saying what the head looks like.
Result<const Format*> detect(const Bundle& bundle, const Limits& limits);
// The document of `formats --json`: [{"id","title","extensions","folder","read","write"}]
void write_formats(JsonWriter& writer);

}  // namespace holdall

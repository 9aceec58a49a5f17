// TorchArchive: the records of a ZIP archive that torch's own writer laid out (torch 1.6 on; TorchScript's since 1.0; .pt2).
//
// Every record lies under one prefix, the folder of the first member (caffe2/serialize/inline_container.cc):
//   byteorder           "little" or "big" (2.1 on; little without it)
//   version             "3\n"; 1 to 10 are read (.data/version in TorchScript's and .pt2)
//   .format_version, .storage_alignment (2.7 on), .data/serialization_id (2.1 on)
// What else is there is its format's business.
// Thread-safety: immutable. Ownership: shares the archive.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "holdall/base/endian.h"
#include "holdall/codec/zip.h"

namespace holdall {

// The folder of the first of `names`; empty when that lies in none.
std::string_view torch_prefix(std::string_view first_name) noexcept;

// The name of a bundle's file, without folders.
std::string file_name(const Bundle& bundle);

class TorchArchive {
 public:
  // Errors: those of ZipArchive::open; unsupported for a version outside [1, 10]; corrupt for an empty archive, a first member
  // in no folder, or a byte order that is neither.
  static Result<TorchArchive> open(const Bundle& bundle, const Limits& limits);

  const ZipArchive& zip() const noexcept { return *zip_; }
  const std::string& prefix() const noexcept { return prefix_; }
  ByteOrder byte_order() const noexcept { return order_; }
  // 0: the archive does not say.
  int version() const noexcept { return version_; }
  bool has(std::string_view record) const;
  // A record under the prefix. Errors: not found, naming the member.
  Result<Blob> record(std::string_view name) const;
  // The same as a source, for the pickle machine; small ones are checked against their CRC-32 first.
  Result<SourceRef> program(std::string_view name) const;
  // A record that holds a word or a number, without white space at its end. Errors: not found; limit (1024 bytes).
  Result<std::string> word(std::string_view name) const;
  // The record that a member is: its name behind the prefix, empty for a member elsewhere.
  std::string_view record_of(std::string_view member) const noexcept;
  // Whether a record is one of those listed above, which every archive of torch may have.
  static bool is_frame(std::string_view record) noexcept;

 private:
  std::shared_ptr<const ZipArchive> zip_;
  std::string prefix_;
  ByteOrder order_ = ByteOrder::kLittle;
  int version_ = 0;
};

}  // namespace holdall

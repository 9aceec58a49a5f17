// TorchArchive: the records of a file that torch.save wrote as a ZIP archive (torch 1.6 on).
//
// Every record lies under one prefix, the folder of the first member (caffe2/serialize/inline_container.cc):
//   data.pkl            the pickled object; storages are persistent ids
//   data/KEY            the bytes of a storage
//   byteorder           "little" or "big" (2.1 on; little without it)
//   version             "3\n"; 1 to 10 are read (.data/version in TorchScript's)
//   .format_version, .storage_alignment (2.7 on), .data/serialization_id (2.1 on)
//   holdall.metadata    Holdall's own: metadata and config of models that came from other formats, as a JSON document
// Thread-safety: immutable. Ownership: shares the archive.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "holdall/base/endian.h"
#include "holdall/codec/zip.h"

namespace holdall::pytorch {

inline constexpr std::string_view kMetadataRecord = "holdall.metadata";
inline constexpr int kOldestVersion = 1;
inline constexpr int kNewestVersion = 10;

// The folder of the first of `names`; empty when that lies in none.
std::string_view prefix_of(std::string_view first_name) noexcept;

class TorchArchive {
 public:
  // Errors: those of ZipArchive::open; unsupported for a TorchScript archive and for a version outside [1, 10]; corrupt for a
  // missing data.pkl or a byte order that is neither.
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
  Result<SourceRef> program() const;
  // "zip, pickle protocol 2, torch >= 2.1": what the records give away.
  std::string detail(int pickle_protocol) const;
  // Whether this is a record of the archive that stands in the list above, storages apart: of those torch reads what the pickle
  // names.
  bool is_known(std::string_view member) const;

 private:
  std::shared_ptr<const ZipArchive> zip_;
  std::string prefix_;
  ByteOrder order_ = ByteOrder::kLittle;
  int version_ = 0;
};

}  // namespace holdall::pytorch

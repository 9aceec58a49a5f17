// Data of tensors in files beside the model.
//
// external_data: "location", a path relative to the model's folder; "offset" and "length" in decimal, of bytes of that file;
// "checksum", the SHA-1 of all of the file. Other keys are passed over, as onnx does. A location stays in the folder: it is not
// absolute, has no "..", and no link leads out (open_own_part).
// Specification: docs/ExternalData.md and docs/ExternalDataSecurity.md of ONNX.
//
// Thread-safety: one thread. Ownership: shares the files it has opened.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "holdall/formats/onnx/tensor_proto.h"
#include "holdall/io/bundle.h"

namespace holdall::onnx {

struct ExternalPlace {
  std::string location;  // without "./" in front
  std::uint64_t offset = 0;
  std::optional<std::uint64_t> length;
  std::string checksum;  // lower case; empty: none
};
// Errors: corrupt (no location, a key twice, a number that is none).
Result<ExternalPlace> external_place(const TensorMessage& message);

class ExternalFiles {
 public:
  explicit ExternalFiles(const Bundle& bundle) : bundle_(bundle) {}

  // Errors: those of external_place() and of open_own_part(); corrupt where the range passes the end of the file or has
  // other than `bytes` bytes.
  Result<Blob> open(const TensorMessage& message, std::uint64_t bytes);

  struct File {
    SourceRef source;
    std::string checksum;  // that a tensor gives for it; empty: none does
  };
  // By location.
  const std::map<std::string, File>& files() const noexcept { return files_; }

 private:
  const Bundle& bundle_;
  std::map<std::string, File> files_;
};

}  // namespace holdall::onnx

// Verify: is a model file whole?
//
// Thread-safety: functions may be called from several threads. Ownership: reports own their texts.
#pragma once

#include <string>

#include "holdall/codec/json.h"
#include "holdall/ops/open.h"

namespace holdall {

struct VerifyOptions {
  OpenOptions open = {};
  Progress progress = {};  // counts bytes whose checksums were compared, of those of the files
};

struct VerifyReport {
  std::string path;
  std::string format;
  std::uint64_t tensors = 0;
  std::uint64_t bytes = 0;  // of the files
  Faults faults;            // and how many checksums of each kind were compared
  bool sound() const noexcept { return faults.list.empty(); }
};

// Every structural rule and every checksum that the format has. A file that is corrupt is a report with faults, not an error.
// So is one whose name ends like a model's and whose content no format knows. Errors: not found, denied, io, unsupported (no
// format knows it), limit, cancelled.
Result<VerifyReport> verify_model(const std::string& path, const VerifyOptions& options = {});
Result<VerifyReport> verify_model(const Bundle& bundle, const VerifyOptions& options = {});

// The document of `verify --json`: {"sound","checked":{"crc32","crc32c","digests"},"faults":[{"where","offset","what"}]}
void write_verification(JsonWriter& writer, const VerifyReport& report);

}  // namespace holdall

// Scan: may a stranger's file be loaded by the framework that wrote it? Judged by exact allow-lists of what the file itself
// would make that framework call; never by matching strings, and never by what is installed here.
//
// Thread-safety: functions may be called from several threads. Ownership: reports own their texts.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "holdall/codec/json.h"
#include "holdall/formats/format.h"
#include "holdall/trust/policy.h"

namespace holdall {

struct ScanOptions {
  Limits limits = {};
  Policy policy = {};
  unsigned threads = 0;  // 0: chosen by the machine
  // Called with files done and files in all, from one thread at a time; false cancels.
  std::function<bool(std::uint64_t done, std::uint64_t total)> progress = {};
};

// One file that was looked at. Members of archives are named in the findings only.
struct ScannedFile {
  std::string path;  // relative to the path scanned; that path itself for a single file
  // A format's id, or what the file is beside a model: "json", "text", "python", "image", "zip", "tar", "archives", "tensors" …
  std::string kind;
  Verdict verdict = Verdict::kInert;
};

struct ScanReport {
  std::string path;
  Verdict verdict = Verdict::kInert;  // the worst of the findings and files
  Findings findings;                  // worst first, in the order of files within one severity
  Findings allowed;                   // what the policy allows: not among the findings, and without a part in the verdict
  std::vector<ScannedFile> files;     // but what is inert of those that git keeps in .git
};

// The worse of two: malicious, then unreadable (it may hide anything), then forbidden, then code, then inert.
Verdict worse(Verdict a, Verdict b) noexcept;
// Of all findings; inert when there are none.
Verdict verdict_of(const Findings& findings) noexcept;

// Judges a file or every file of a folder; a link to a folder outside of it is unreadable. An empty file is inert beside
// others, and unreadable where it is all that was asked about or its name promises a model. Never fails: what cannot be opened
// or understood to its last byte is `unreadable`, with a finding that says why. Memory: bounded by `limits`, whatever the sizes
// that the files claim.
ScanReport scan_path(const std::string& path, const ScanOptions& options = {});
// The same for bytes that are not a path's (standard input).
ScanReport scan_bundle(const Bundle& bundle, const ScanOptions& options = {});
// Reports in the order of `paths`; the files of all of them are judged in parallel.
std::vector<ScanReport> scan_paths(std::span<const std::string> paths, const ScanOptions& options = {});

// Errors: unsafe, naming what was found, for a report that is not inert: whoever holds to a policy goes no further.
Status require_inert(const ScanReport& report);

// {"path","verdict","findings":[…],"allowed":[…],"files":[{"path","kind","verdict"}]}; "allowed" where there are such
void write_scan(JsonWriter& writer, const ScanReport& report);
// [{"severity","rule","file","where","what","subject","remedy"}]; no subject where a finding is about nothing that has a name,
// no file where it is about no single file of those scanned.
void write_findings(JsonWriter& writer, const Findings& findings);

}  // namespace holdall

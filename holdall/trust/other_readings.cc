#include "holdall/trust/other_readings.h"

#include <algorithm>
#include <array>
#include <optional>

#include "holdall/base/endian.h"
#include "holdall/base/text.h"
#include "holdall/codec/zip.h"
#include "holdall/codec/zip_find.h"
#include "holdall/trust/contents.h"

namespace holdall {
namespace {

constexpr std::string_view kHdf5 = "\x89HDF\r\n\x1a\n";
constexpr std::uint64_t kFirstUserBlock = 512;

class OtherReadings {
 public:
  OtherReadings(const Bundle& file, const Context& context, const Policy& policy, Findings& findings)
      : source_(file.main()), context_(context), policy_(policy), findings_(findings) {
    ++context_.depth;
  }

  void archive() {
    const auto found = zip_at_end(*source_);
    if (!found) return;
    if (found->begin > 0) {
      judge_slice(found->begin, found->end);
    } else if (!judge_members()) {
      add("a ZIP archive stands at the end, which readers that begin there open instead");
    }
  }

  // An archive with HDF5's mark where a user block could end, as a member that is stored may have it: which of the two it was
  // judged as, it is judged as the other, too.
  void archive_and_hdf5() {
    for (std::uint64_t at = kFirstUserBlock; at < source_->size(); at *= 2) {
      if (!stands_at(*source_, at, kHdf5)) continue;
      judge_members();
      const Result<SourceRef> inner = slice(at, source_->size());
      if (!inner) return;
      const Bundle part = Bundle::of(*inner);
      const Result<const Format*> format = detect(part, context_.limits);
      if (format) {
        if (Status status = (*format)->acts(part, context_, findings_); !status) add(status.error().to_string());
      }
      return;
    }
  }

  void hdf5(std::string_view kind) {
    for (std::uint64_t at = kFirstUserBlock; at < source_->size(); at *= 2) {
      if (!stands_at(*source_, at, kHdf5)) continue;
      const Result<SourceRef> inner = slice(at, source_->size());
      const Result<const Format*> format =
          inner ? detect(Bundle::of(*inner), context_.limits) : Result<const Format*>(inner.error());
      if (format && (*format)->id == kind) return;  // it was read so
      return judge_slice(at, source_->size());
    }
  }

 private:
  Result<SourceRef> slice(std::uint64_t begin, std::uint64_t end) const {
    return slice_source(source_, begin, end - begin, text("{}@{}", source_->name(), begin));
  }

  void judge_slice(std::uint64_t begin, std::uint64_t end) {
    const Result<SourceRef> inner = slice(begin, end);
    if (inner && context_.depth <= context_.limits.containers) {
      judge_contents(Bundle::of(*inner), context_, policy_, findings_);
    } else {
      add(text("another file begins at byte {}", begin));
    }
  }

  // What each member does; whether they are texts alone, as behind a TFLite model, whose labels are in an archive.
  bool judge_members() {
    const auto archive = ZipArchive::open(source_, context_.limits, ZipArchive::Before::kAnything);
    if (!archive || context_.depth > context_.limits.containers) return false;
    bool texts = true;
    for (const ZipMember& member : (*archive)->members()) {
      const auto blob = (*archive)->blob(member);
      const auto bytes =
          blob ? slice_source(blob->source(), blob->offset(), blob->size(), blob->name()) : Result<SourceRef>(blob.error());
      const std::string kind = bytes ? judge_contents(Bundle::of(*bytes), context_, policy_, findings_) : std::string();
      texts = texts && kind == "text";
    }
    return texts;
  }

  void add(std::string what) {
    findings_.push_back({Verdict::kUnreadable, Rule::kNotUnderstood, source_->name(), std::move(what)});
  }

  const SourceRef& source_;
  Context context_;
  const Policy& policy_;
  Findings& findings_;
};

}  // namespace

void judge_other_readings(const Bundle& file, std::string_view kind, const Context& context, const Policy& policy,
                          Findings& findings) {
  // Of an archive every member is judged, and a ZIP archive that opens is read alike from both ends.
  const bool begins_archive = stands_at(*file.main(), 0, "PK\3\4") || stands_at(*file.main(), 0, "PK\5\6");
  if (kind == "tar" || kind == "archives") return;
  OtherReadings readings(file, context, policy, findings);
  if (begins_archive && ZipArchive::open(file, context.limits)) return readings.archive_and_hdf5();
  readings.archive();
  if (!stands_at(*file.main(), 0, kHdf5)) readings.hdf5(kind);
}

}  // namespace holdall

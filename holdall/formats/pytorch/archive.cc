#include "holdall/formats/pytorch/archive.h"

#include <charconv>

#include "holdall/base/text.h"

namespace holdall::pytorch {

namespace {

// Records that hold a word or a number.
constexpr std::uint64_t kMostWord = 1024;
// Programs up to this size are checked against their CRC-32 before they are run.
constexpr std::uint64_t kCheckedProgram = 64u << 20;

Result<std::string> word(const ZipArchive& zip, std::string_view member) {
  HOLDALL_ASSIGN(const Blob blob, zip.blob(member));
  HOLDALL_ASSIGN(const Bytes bytes, blob.read(kMostWord));
  std::string_view text = bytes.text();
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return std::string(text);
}

Result<int> read_version(const ZipArchive& zip, const std::string& prefix) {
  for (const std::string_view record : {".data/version", "version"}) {
    const std::string member = prefix + "/" + std::string(record);
    if (zip.find(member) == nullptr) continue;
    HOLDALL_ASSIGN(const std::string digits, word(zip, member));
    int version = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), version);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
      return corrupt(text("the version '{}' is no number", digits)).in(zip.source()->name() + "!" + member);
    }
    if (version < kOldestVersion || version > kNewestVersion) {
      return unsupported(text("file version {}, {} to {} are read", version, kOldestVersion, kNewestVersion))
          .in(zip.source()->name() + "!" + member);
    }
    return version;
  }
  return 0;
}

}  // namespace

std::string_view prefix_of(std::string_view first_name) noexcept {
  const std::size_t slash = first_name.find('/');
  return slash == std::string_view::npos ? std::string_view() : first_name.substr(0, slash);
}

Result<TorchArchive> TorchArchive::open(const Bundle& bundle, const Limits& limits) {
  const SourceRef& source = bundle.main();
  TorchArchive archive;
  HOLDALL_ASSIGN(archive.zip_, ZipArchive::open(bundle, limits));
  const auto& members = archive.zip_->members();
  if (members.empty()) return corrupt("an empty archive").in(source->name());
  archive.prefix_ = prefix_of(members.front().name);
  if (archive.prefix_.empty()) {
    return corrupt(text("the first member '{}' lies in no folder", members.front().name)).in(source->name());
  }
  if (archive.has("constants.pkl")) {
    return unsupported("a TorchScript archive, which torch.jit.save wrote; such files are not read yet").in(source->name());
  }
  if (!archive.has("data.pkl")) {
    return corrupt(text("there is no member '{}/data.pkl'", archive.prefix_)).in(source->name());
  }
  HOLDALL_ASSIGN(archive.version_, read_version(*archive.zip_, archive.prefix_));
  if (archive.has("byteorder")) {
    HOLDALL_ASSIGN(const std::string order, word(*archive.zip_, archive.prefix_ + "/byteorder"));
    if (order != "little" && order != "big") {
      return corrupt(text("the byte order '{}' is neither 'little' nor 'big'", order))
          .in(source->name() + "!" + archive.prefix_ + "/byteorder");
    }
    if (order == "big") archive.order_ = ByteOrder::kBig;
  }
  return archive;
}

bool TorchArchive::has(std::string_view record) const { return zip_->find(text("{}/{}", prefix_, record)) != nullptr; }

Result<Blob> TorchArchive::record(std::string_view name) const { return zip_->blob(text("{}/{}", prefix_, name)); }

Result<SourceRef> TorchArchive::program() const {
  HOLDALL_ASSIGN(const Blob blob, record("data.pkl"));
  if (blob.size() <= kCheckedProgram) {
    HOLDALL_TRY(for_each_tile(blob, 1u << 20, [](std::uint64_t, std::span<const std::byte>) { return Status(); }));
  }
  return slice_source(blob.source(), blob.offset(), blob.size(), blob.name());
}

std::string TorchArchive::detail(int pickle_protocol) const {
  std::string_view writer = "1.6";
  if (has("byteorder") || has(".data/serialization_id")) writer = "2.1";
  if (has(".format_version")) writer = "2.7";
  std::string detail = text("zip, pickle protocol {}, torch >= {}", pickle_protocol, writer);
  if (order_ == ByteOrder::kBig) detail += ", big-endian";
  return detail;
}

bool TorchArchive::is_known(std::string_view member) const {
  if (!member.starts_with(prefix_) || member.size() <= prefix_.size() + 1 || member[prefix_.size()] != '/') return false;
  const std::string_view record = member.substr(prefix_.size() + 1);
  for (const std::string_view known : {"data.pkl", "byteorder", "version", ".format_version", ".storage_alignment",
                                       ".data/serialization_id", ".data/version"}) {
    if (record == known) return true;
  }
  return record == kMetadataRecord;
}

}  // namespace holdall::pytorch

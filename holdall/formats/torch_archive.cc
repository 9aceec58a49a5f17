#include "holdall/formats/torch_archive.h"

#include <charconv>

#include "holdall/base/text.h"

namespace holdall {

namespace {

constexpr int kOldestVersion = 1;
constexpr int kNewestVersion = 10;
constexpr std::uint64_t kMostWord = 1024;
// Programs up to this size are checked against their CRC-32 before they are run.
constexpr std::uint64_t kCheckedProgram = 64u << 20;

Result<int> read_version(const TorchArchive& archive) {
  for (const std::string_view record : {".data/version", "version"}) {
    if (!archive.has(record)) continue;
    const std::string member = text("{}!{}/{}", archive.zip().source()->name(), archive.prefix(), record);
    HOLDALL_ASSIGN(const std::string digits, archive.word(record));
    int version = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), version);
    if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
      return corrupt(text("the version '{}' is no number", digits)).in(member);
    }
    if (version < kOldestVersion || version > kNewestVersion) {
      return unsupported(text("file version {}, {} to {} are read", version, kOldestVersion, kNewestVersion)).in(member);
    }
    return version;
  }
  return 0;
}

}  // namespace

std::string_view torch_prefix(std::string_view first_name) noexcept {
  const std::size_t slash = first_name.find('/');
  return slash == std::string_view::npos ? std::string_view() : first_name.substr(0, slash);
}

std::string file_name(const Bundle& bundle) {
  if (!bundle.names().empty()) return bundle.names().front();
  const std::string& path = bundle.path();
  return path.substr(path.rfind('/') + 1);
}

Result<TorchArchive> TorchArchive::open(const Bundle& bundle, const Limits& limits) {
  const SourceRef& source = bundle.main();
  TorchArchive archive;
  HOLDALL_ASSIGN(archive.zip_, ZipArchive::open(bundle, limits));
  const auto& members = archive.zip_->members();
  if (members.empty()) return corrupt("an empty archive").in(source->name());
  archive.prefix_ = torch_prefix(members.front().name);
  if (archive.prefix_.empty()) {
    return corrupt(text("the first member '{}' lies in no folder", members.front().name)).in(source->name());
  }
  HOLDALL_ASSIGN(archive.version_, read_version(archive));
  if (archive.has("byteorder")) {
    HOLDALL_ASSIGN(const std::string order, archive.word("byteorder"));
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

Result<SourceRef> TorchArchive::program(std::string_view name) const {
  HOLDALL_ASSIGN(const Blob blob, record(name));
  if (blob.size() <= kCheckedProgram) {
    HOLDALL_TRY(for_each_tile(blob, 1u << 20, [](std::uint64_t, std::span<const std::byte>) { return Status(); }));
  }
  return slice_source(blob.source(), blob.offset(), blob.size(), blob.name());
}

Result<std::string> TorchArchive::word(std::string_view name) const {
  HOLDALL_ASSIGN(const Blob blob, record(name));
  HOLDALL_ASSIGN(const Bytes bytes, blob.read(kMostWord));
  std::string_view text = bytes.text();
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\r')) text.remove_suffix(1);
  return std::string(text);
}

std::string_view TorchArchive::record_of(std::string_view member) const noexcept {
  if (!member.starts_with(prefix_) || member.size() <= prefix_.size() + 1 || member[prefix_.size()] != '/') return {};
  return member.substr(prefix_.size() + 1);
}

bool TorchArchive::is_frame(std::string_view record) noexcept {
  for (const std::string_view known :
       {"byteorder", "version", ".format_version", ".storage_alignment", ".data/serialization_id", ".data/version"}) {
    if (record == known) return true;
  }
  return false;
}

}  // namespace holdall

// Fuzzes TarArchive: opens any bytes as an archive, whose members must lie in the file one behind the other. A first byte of 1
// has the checksum of every block made right before, so that mutations reach what a checksum would refuse.
#include <cstdlib>
#include <string>

#include "holdall/base/text.h"
#include "holdall/codec/tar.h"

namespace {

constexpr std::size_t kBlock = 512;

void mend(std::string& file) {
  for (std::size_t at = 0; at + kBlock <= file.size(); at += kBlock) {
    if (file.compare(at + 257, 5, "ustar") != 0) continue;
    file.replace(at + 148, 8, 8, ' ');
    unsigned sum = 0;
    for (std::size_t i = 0; i < kBlock; ++i) sum += static_cast<unsigned char>(file[at + i]);
    file.replace(at + 148, 7, holdall::text("{:06o}{}", sum, '\0'));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace holdall;
  if (size == 0) return 0;
  std::string file(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] == 1) mend(file);
  const SourceRef source = memory_source(Bytes::adopt(std::move(file)), "fuzz");
  Limits limits;
  limits.header_bytes = 1u << 20;
  std::optional<Error> fault;
  const TarArchive seen = TarArchive::up_to_fault(source, limits, fault);
  const auto archive = TarArchive::open(source, limits);
  if (archive.has_value() == fault.has_value()) std::abort();
  if (fault && fault->message().empty()) std::abort();
  std::uint64_t end = 0;
  for (const TarMember& member : seen.members()) {
    if (member.header_offset < end || member.data_offset < member.header_offset + kBlock) std::abort();
    end = member.data_offset + member.size;
    if (end > source->size() || !seen.open_member(member)) std::abort();
    if (archive && !member.is_folder && archive->find(member.name) == nullptr) std::abort();
  }
  return 0;
}

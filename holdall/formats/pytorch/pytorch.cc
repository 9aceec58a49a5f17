// The row of the format: which of torch's files this is, and who reads it.
#include "holdall/formats/pytorch/reading.h"
#include "holdall/formats/pytorch/writing.h"

#include "holdall/codec/tar.h"
#include "holdall/formats/program_check.h"

namespace holdall {

namespace pytorch {

namespace {

enum class Kind : std::uint8_t { kNone, kArchive, kTar, kLegacy, kIndex, kFolder };

Kind kind_of_members(std::span<const std::string_view> members) {
  if (members.empty()) return Kind::kNone;
  const std::string prefix(torch_prefix(members.front()));
  if (prefix.empty()) return Kind::kNone;
  bool has_program = false;
  const std::string constants = prefix + "/constants.pkl", program = prefix + "/data.pkl";
  for (const std::string_view member : members) {
    if (member == constants) return Kind::kNone;  // TorchScript's
    has_program = has_program || member == program;
  }
  return has_program ? Kind::kArchive : Kind::kNone;
}

// The index of a folder that holds shards and nothing that makes it another format's; empty where there is none.
std::string index_in(const Bundle& folder) {
  for (const std::string& name : folder.names())
    if (name.ends_with(".bin.index.json") && name.find('/') == std::string::npos) return name;
  return {};
}

// torch asks for the header's checksum alone; a damaged header is still a tar's where nothing else is.
bool is_tar(std::span<const std::byte> head) { return is_legacy(head) ? begins_tar(head) : looks_like_tar(head); }

Kind kind_of(Peek& peek) {
  if (peek.is_folder()) return index_in(peek.bundle()).empty() ? Kind::kNone : Kind::kFolder;
  // torch too looks for a tar before it looks for pickles.
  if (is_torch_tar(peek.tar_members())) return Kind::kTar;
  if (is_legacy(peek.head())) return Kind::kLegacy;
  if (is_index(peek.head())) return Kind::kIndex;
  return kind_of_members(peek.zip_members());
}

Match match(Peek& peek) {
  switch (kind_of(peek)) {
    case Kind::kNone:
      return Match::kNo;
    case Kind::kFolder:  // with a config beside it it is another format's
      return Match::kMaybe;
    default:
      return Match::kCertain;
  }
}

// The file that a bundle is, or the index of a folder of shards.
Result<Bundle> file_of(const Bundle& bundle) {
  if (bundle.kind() == Bundle::Kind::kFile) return bundle;
  const std::string index = index_in(bundle);
  if (index.empty()) return unsupported("a folder without pytorch_model.bin.index.json").in(bundle.path());
  return bundle.part(index);
}

// Reading goes by the head alone: whatever is no tar, no legacy file and no index is an archive.
Kind kind_by_head(const Bundle& file, const Context& context) {
  Peek peek(file, context.limits);
  if (is_tar(peek.head())) return Kind::kTar;
  if (is_legacy(peek.head())) return Kind::kLegacy;
  return is_index(peek.head()) ? Kind::kIndex : Kind::kArchive;
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const Bundle file, file_of(bundle));
  switch (kind_by_head(file, context)) {
    case Kind::kTar:
      return read_tar(file, context);
    case Kind::kLegacy:
      return read_legacy(file, context);
    case Kind::kIndex:
      return read_shards(file, context);
    default:
      return read_archive(file, context);
  }
}

Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const Bundle file, file_of(bundle));
  switch (kind_by_head(file, context)) {
    case Kind::kTar:
      return verify_tar(file, context, faults);
    case Kind::kLegacy:
      return verify_legacy(file, context, faults);
    case Kind::kIndex:
      return verify_shards(file, context, faults);
    default:
      return verify_archive(file, context, faults);
  }
}

// torch.load looks at four bytes: what does not begin as an archive is a tar by its first header, or a row of pickles, whatever
// they are. A tar that begins a pickle as well is one to whoever looks for no tar.
Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const Bundle file, file_of(bundle));
  Peek peek(file, context.limits);
  if (is_tar(peek.head())) {
    Status judged = judge_tar(file, context, findings);
    if (begins_program(file.main(), context.limits)) HOLDALL_TRY(judge_legacy(file, context, findings));
    return judged;
  }
  if (is_index(peek.head())) return judge_shards(file, context, findings);
  return as_text(peek.head()).starts_with("PK\x03\x04") ? judge_archive(file, context, findings)
                                                        : judge_legacy(file, context, findings);
}

constexpr std::string_view kExtensions[] = {".pt", ".pth", ".bin", ".ckpt"};

}  // namespace

}  // namespace pytorch

extern const Format k_pytorch_format;
constinit const Format k_pytorch_format = {
    .id = "pytorch",
    .title = ".pt .pth .bin .ckpt: zip (1.6+), legacy pickles, tar (before 0.1.10); sharded with pytorch_model.bin.index.json",
    .extensions = pytorch::kExtensions,
    .folder = false,
    .match = pytorch::match,
    .read = pytorch::read,
    .verify = pytorch::verify,
    .acts = pytorch::acts,
    .plan = pytorch::plan,
};

}  // namespace holdall

#include "holdall/trust/contents.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>

#include "holdall/base/among.h"
#include "holdall/base/ascii.h"
#include "holdall/base/endian.h"
#include "holdall/base/printable.h"
#include "holdall/base/text.h"
#include "holdall/codec/compress.h"
#include "holdall/codec/tar.h"
#include "holdall/codec/zip.h"
#include "holdall/codec/zip_find.h"
#include "holdall/formats/program_check.h"
#include "holdall/objects/stray.h"
#include "holdall/trust/chunks.h"
#include "holdall/trust/components.h"
#include "holdall/trust/git_store.h"
#include "holdall/trust/guises.h"
#include "holdall/trust/other_readings.h"
#include "holdall/trust/prose.h"
#include "holdall/trust/scan.h"
#include "holdall/trust/side_file.h"
#include "holdall/trust/text_files.h"

namespace holdall {
namespace {

// So much of a compressed stream that breaks off is looked at.
constexpr std::size_t kBrokenHead = 1u << 20;

void add_not_understood(const Error& error, Findings& findings) {
  const bool leads_out = error.code() == Code::kUnsafe;
  findings.push_back({leads_out ? Verdict::kMalicious : Verdict::kUnreadable,
                      leads_out ? Rule::kArchivePath : Rule::kNotUnderstood, error.path(), error.to_string()});
}

// A guess by form alone gives way to a side file that is understood, unless what was found acts all the same. Words of a text
// may import and change each other.
bool is_doubtful(const Format& format, const Bundle& file, const Limits& limits, const Findings& findings) {
  const auto is_noise = [](const Finding& finding) {
    return finding.severity == Verdict::kUnreadable || (finding.severity == Verdict::kCode && is_no_import(finding));
  };
  Peek peek(file, limits);
  if (findings.empty() || format.match(peek) != Match::kMaybe) return false;
  if (guises_of(format).pickle) {
    const Wording wording = wording_of(file.main(), limits);
    if (wording == Wording::kUnread) return false;
    if (is_text(*file.main())) return wording == Wording::kProse;
  }
  return std::all_of(findings.begin(), findings.end(), is_noise);
}

Result<SourceRef> member_source(const ZipArchive& archive, const ZipMember& member) {
  HOLDALL_ASSIGN(const Blob blob, archive.blob(member));
  return slice_source(blob.source(), blob.offset(), blob.size(), blob.name());
}

bool is_folder(const ZipMember& member) noexcept { return member.name.ends_with('/'); }
bool is_folder(const TarMember& member) noexcept { return member.is_folder; }

void judge_member(Result<Bundle> opened, const Context& context, const Policy& policy, Findings& findings) {
  if (!opened) return add_not_understood(opened.error(), findings);
  const Bundle member = std::move(*opened);
  if (Status status = context.unfold(member.main()->size()); !status) {
    return add_not_understood(std::move(status).error().in(member.path()), findings);
  }
  judge_contents(member, context, policy, findings);
}

// What an archive holds, as the folder that it becomes: "./a//b" is "a/b".
Tree tree_of(const std::string& archive, const Bundle::Parts& parts) {
  std::map<std::string, const std::function<Result<SourceRef>()>*, std::less<>> files;
  for (const auto& [name, open] : parts) files[std::filesystem::path(name).lexically_normal().string()] = &open;
  Tree tree{archive + "!", {}, {}};
  for (const auto& file : files) tree.names.push_back(file.first);
  tree.open = [files = std::move(files)](std::string_view name) -> Result<SourceRef> {
    const auto found = files.find(name);
    if (found == files.end()) return not_found(text("there is no '{}'", printable(name)));
    return (*found->second)();
  };
  return tree;
}

// Each file of an archive, which reaches those beside it: a model may be several.
template <class Members, class Open>
void judge_members(const std::string& archive, const Members& members, const Open& open, const Context& context,
                   const Policy& policy, Findings& findings) {
  const auto parts = std::make_shared<Bundle::Parts>();
  for (const auto& member : members) (*parts)[member.name] = [&open, &member] { return open(member); };
  for (const auto& member : members) {
    if (is_folder(member)) continue;
    Result<SourceRef> source = open(member);
    judge_member(source ? Result<Bundle>(Bundle::of(std::move(*source), member.name, parts)) : source.error(), context, policy,
                 findings);
  }
  const Tree tree = tree_of(archive, *parts);
  judge_components(tree, context.limits, findings);
  judge_chunks(tree, chunk_indexes(tree), context, policy, findings);
}

// torch.package imports modules of the archive itself before those that are installed: what a pickle in it names may be any of
// them.
void judge_package(const ZipArchive& archive, Findings& findings) {
  const auto ends = [&](std::string_view tail) {
    return std::any_of(archive.members().begin(), archive.members().end(),
                       [&](const ZipMember& member) { return member.name.ends_with(tail); });
  };
  if (ends("/.data/extern_modules") && ends(".py"))
    findings.push_back({Verdict::kCode, Rule::kPackagedPython, archive.source()->name(),
                        "torch.package runs the Python that the archive holds"});
}

// Of an archive numpy.load() takes any member that says that it is an array, and unpickles what it holds as objects. Weights
// are none.
void judge_array_within(const SourceRef& member, const Context& context, Findings& findings) {
  if (!stands_at(*member, 0, "\x93NUMPY")) return;
  Findings own;
  if (Status status = context.acts(Bundle::of(member), own); !status && own.empty())
    return add_not_understood(status.error(), findings);
  for (Finding& finding : own)
    if (finding.severity == Verdict::kCode || finding.severity == Verdict::kMalicious) findings.push_back(std::move(finding));
}

// torch finds its records whatever their letters' case is, and takes the last of several; others do not.
void judge_case(const ZipArchive& archive, Findings& findings) {
  constexpr std::array<std::string_view, 4> kRecords = {"data.pkl", "constants.pkl", "version", "byteorder"};
  std::map<std::string, std::string_view> records;  // by their names in small letters
  for (const ZipMember& member : archive.members()) {
    const std::string name = ascii_lower(member.name);
    if (!is_among(kRecords, std::string_view(name).substr(name.rfind('/') + 1))) continue;
    const auto [other, is_new] = records.emplace(name, member.name);
    if (is_new) continue;
    findings.push_back({Verdict::kUnreadable, Rule::kNotUnderstood, archive.source()->name(),
                        text("torch takes '{}' and '{}' for one", printable(other->second), printable(member.name))});
    return;
  }
}

// What a format leaves alone in its archive another loader goes by: skops its schema, torch.package its modules, TorchServe its
// manifest. TorchScript's own Python is not Python's.
void judge_texts_within(const Bundle& file, const Context& context, Findings& findings) {
  Peek peek(file, context.limits);
  if (peek.zip_members().empty() || peek.failure()) return;
  const auto archive = ZipArchive::open(file, context.limits);
  if (!archive) return;
  judge_package(**archive, findings);
  judge_case(**archive, findings);
  for (const ZipMember& member : (*archive)->members()) {
    const bool is_script = member.name.find("/code/__torch__") != std::string::npos && member.name.ends_with(".py");
    if (is_folder(member) || is_script) continue;
    const Result<SourceRef> source = member_source(**archive, member);
    if (!source) continue;  // which the format tells
    if (Status spent = context.unfold((*source)->size()); !spent) return add_not_understood(spent.error(), findings);
    judge_array_within(*source, context, findings);
    if (const auto found = text_file(**source, (*source)->name(), context.limits))
      findings.insert(findings.end(), found->findings.begin(), found->findings.end());
  }
}

std::string judge_archive(const ZipArchive& archive, const Context& context, const Policy& policy, Findings& findings) {
  judge_package(archive, findings);
  judge_members(
      archive.source()->name(), archive.members(), [&](const ZipMember& member) { return member_source(archive, member); },
      context, policy, findings);
  return "zip";
}

std::string judge_tar(const TarArchive& archive, const Context& context, const Policy& policy, Findings& findings) {
  // The name of its first member is where a pickle would begin.
  if (begins_program(archive.source(), context.limits)) {
    Arena arena;
    const PickleProgram program = run_pickle(arena, archive.source(), 0, {.limits = context.limits});
    judge_program(arena, program, archive.source(), context, findings);
  }
  judge_members(
      archive.source()->name(), archive.members(), [&](const TarMember& member) { return archive.open_member(member); },
      context, policy, findings);
  return "tar";
}

// Byte by byte: a decoder keeps back what it has when it fails.
std::vector<std::byte> decoded_before_fault(const SourceRef& file, Compression compression) {
  const auto decoder = make_decoder(file, compression);
  std::vector<std::byte> head;
  std::byte next{};
  while (head.size() < kBrokenHead) {
    const auto got = decoder->pull(std::span(&next, 1));
    if (!got || *got == 0) break;
    head.push_back(next);
  }
  return head;
}

// A compressed stream, with its end. Within another part each step is paid for before the next: streams in streams grow by
// powers.
Result<SourceRef> decoded_to_end(const SourceRef& file, Compression compression, const Context& context) {
  if (context.depth <= 1) return decompressed(file, compression, context.limits);
  static constexpr std::uint64_t kStep = 1u << 24;
  HOLDALL_ASSIGN(SourceRef decoded, decompressed_stream(file, compression, context.limits));
  const auto pay = [&](std::uint64_t bytes) -> Status {
    Status spent = context.unfold(bytes);
    return spent ? std::move(spent) : Status(std::move(spent).error().in(decoded->name()));
  };
  std::uint64_t paid = 0;
  for (std::byte last{};; paid += kStep) {
    HOLDALL_ASSIGN(const std::size_t got, decoded->read_up_to(paid + kStep - 1, std::span(&last, 1)));
    if (got == 0) break;
    HOLDALL_TRY(pay(kStep));
  }
  HOLDALL_TRY(decoded->find_end());
  HOLDALL_TRY(pay(decoded->size() - paid));
  return decoded;
}

// What a compressed stream holds, where the file is one; false where it is none.
bool judge_compressed(const Bundle& file, const Context& context, const Policy& policy, Findings& findings, std::string& kind) {
  Peek peek(file, context.limits);
  const Compression compression = detect_compression(peek.head());
  if (compression == Compression::kNone) return false;
  Result<SourceRef> decoded = decoded_to_end(file.main(), compression, context);
  if (!decoded) {
    // zlib and lzma have no mark of their own: what does not decode was something else.
    if (compression == Compression::kZlib || compression == Compression::kLzma) return false;
    add_not_understood(decoded.error(), findings);
    // A loader that decodes as it reads comes to what the beginning holds before it meets the fault.
    if (auto head = decoded_before_fault(file.main(), compression); !head.empty()) {
      judge_contents(Bundle::of(memory_source(Bytes::adopt(std::move(head)), file.main()->name())), context, policy, findings);
    }
  } else {
    judge_contents(Bundle::of(std::move(*decoded)), context, policy, findings);
  }
  kind = std::string(name(compression));
  return true;
}

// What joblib and others come to when they decode a file by its first bytes, though it breaks off or is text, too.
void judge_decoded_beginning(const Bundle& file, const Context& context, const Policy& policy, Findings& findings) {
  Peek peek(file, context.limits);
  const Compression compression = detect_compression(peek.head());
  if (compression == Compression::kNone) return;
  auto head = decoded_before_fault(file.main(), compression);
  if (head.empty()) return;
  if (head.size() >= kBrokenHead)
    findings.push_back({Verdict::kUnreadable, Rule::kNotLookedAt, file.main()->name(),
                        text("it decodes as {}, too, to more than {} bytes", name(compression), kBrokenHead)});
  if (Status spent = context.unfold(head.size()); !spent) return add_not_understood(spent.error(), findings);
  Findings own;
  judge_contents(Bundle::of(memory_source(Bytes::adopt(std::move(head)), file.main()->name())), context, policy, own);
  for (Finding& finding : own) {
    const bool acts = finding.severity == Verdict::kCode || finding.severity == Verdict::kMalicious;
    if (acts && !is_no_import(finding)) findings.push_back(std::move(finding));
  }
}

// What other programs would take the file for.
void judge_guises(const Bundle& file, const Guises& known, const Context& context, const Policy& policy, Findings& findings) {
  if (!known.pickle) judge_leading_program(file, context, findings);
  if (context.depth >= context.limits.containers) return;
  Context inner = context;
  ++inner.depth;
  if (!known.pickle) judge_decoded_beginning(file, inner, policy, findings);
  Peek peek(file, context.limits);
  if (known.tar || !looks_like_tar(peek.head())) return;
  std::optional<Error> fault;
  judge_tar(TarArchive::up_to_fault(file.main(), context.limits, fault), inner, policy, findings);
  if (fault) add_not_understood(*fault, findings);
}

// A container of files of any kind; empty where the file is none.
std::string judge_container(const Bundle& file, const Context& context, const Policy& policy, Findings& findings) {
  if (context.depth >= context.limits.containers) return {};
  Context inner = context;
  ++inner.depth;
  std::string kind;
  if (judge_compressed(file, inner, policy, findings, kind)) return kind;
  Peek peek(file, context.limits);
  if (!peek.zip_members().empty() && !peek.failure()) {
    if (const auto archive = ZipArchive::open(file, context.limits)) return judge_archive(**archive, inner, policy, findings);
  }
  if (looks_like_tar(peek.head())) {
    if (const auto archive = TarArchive::open(file.main(), context.limits)) return judge_tar(*archive, inner, policy, findings);
  }
  return {};
}

// Several archives that are no archive together; false where the file is something else.
bool judge_row(const Bundle& file, const Context& context, const Policy& policy, Findings& findings) {
  if (context.depth >= context.limits.containers) return false;
  Context inner = context;
  ++inner.depth;
  const std::vector<SourceRef> archives = zips_in_a_row(file, context.limits);
  for (const SourceRef& archive : archives) judge_member(Bundle::of(archive), inner, policy, findings);
  return !archives.empty();
}

// A file that a format takes for its own by name alone, as one with the data of an ONNX model, may be anything besides.
void judge_named(const Format& format, const Bundle& file, const Context& context, const Policy& policy, Findings& findings) {
  Peek peek(file, context.limits);
  if (format.match(peek) != Match::kMaybe) return;
  if (const auto side = text_file(*file.main(), file.main()->name(), context.limits))
    findings.insert(findings.end(), side->findings.begin(), side->findings.end());
  judge_container(file, context, policy, findings);
}

std::string judge_from_start(const Bundle& file, const Context& context, const Policy& policy, Findings& findings) {
  const Source& source = *file.main();
  if (judge_row(file, context, policy, findings)) return "archives";
  const Result<const Format*> format = detect(file, context.limits);
  Findings own;
  if (format) {
    if (Status status = (*format)->acts(file, context, own); !status) {
      add_not_understood(status.error(), own);
      judge_stray(file.main(), 0, context.limits, own);
    }
    if (!is_doubtful(**format, file, context.limits, own)) {
      judge_format(**format, source.name(), policy, own);
      judge_texts_within(file, context, own);
      judge_named(**format, file, context, policy, own);
      findings.insert(findings.end(), own.begin(), own.end());
      judge_guises(file, guises_of(**format), context, policy, findings);
      return std::string((*format)->id);
    }
  }
  if (is_git_store(file.main())) {
    judge_leading_program(file, context, findings);  // what an object decodes to begins as no loader's file does
    return "git";
  }
  if (std::optional<SideFile> side = side_file(source, source.name(), context.limits)) {
    findings.insert(findings.end(), side->findings.begin(), side->findings.end());
    judge_guises(file, {}, context, policy, findings);
    if (side->is_loose) judge_stray(file.main(), 0, context.limits, findings);
    return side->kind;
  }
  if (std::string kind = judge_container(file, context, policy, findings); !kind.empty()) return kind;
  if (format) {
    findings.insert(findings.end(), own.begin(), own.end());
  } else {
    add_not_understood(format.error(), findings);
    judge_stray(file.main(), 0, context.limits, findings);
  }
  return {};
}

}  // namespace

void judge_format(const Format& format, const std::string& where, const Policy& policy, Findings& findings) {
  if (policy.allows_format(format.id)) return;
  findings.push_back({Verdict::kForbidden, Rule::kPolicyFormat, where, text("the policy does not allow {}", format.id)});
}

std::string judge_contents(const Bundle& file, const Context& context, const Policy& policy, Findings& findings) {
  std::string kind = judge_from_start(file, context, policy, findings);
  judge_other_readings(file, kind, context, policy, findings);
  return kind;
}

}  // namespace holdall

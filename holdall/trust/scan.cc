#include "holdall/trust/scan.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <new>
#include <set>

#include "holdall/base/text.h"
#include "holdall/codec/zip.h"
#include "holdall/formats/program_check.h"
#include "holdall/io/parallel.h"
#include "holdall/trust/chunks.h"
#include "holdall/trust/components.h"
#include "holdall/trust/contents.h"
#include "holdall/trust/git_store.h"
#include "holdall/trust/guises.h"
#include "holdall/trust/tensor_data.h"

namespace holdall {
namespace {

// A file of at most this many bytes is read once.
constexpr std::uint64_t kSmallFile = 1u << 16;

struct Item {
  std::size_t report;  // index of the path it belongs to
  std::string path;    // to open
  std::string shown;   // relative to the path scanned
  bool asked = false;  // the path scanned itself, not a file of a folder
};

int rank(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kInert:
      return 0;
    case Verdict::kCode:
      return 1;
    case Verdict::kForbidden:
      return 2;
    case Verdict::kUnreadable:
      return 3;
    case Verdict::kMalicious:
      return 4;
  }
  return 3;
}

Finding not_understood(const Error& error, const std::string& path) {
  return {Verdict::kUnreadable, Rule::kNotUnderstood, path, error.to_string()};
}

// A finding is one sentence, whatever a file makes it quote: longer ones lose their middle.
void cut_long(std::string& what) {
  constexpr std::size_t kMost = 1000, kEnd = 200;
  if (what.size() <= kMost) return;
  const auto boundary = [&](std::size_t at) {
    while (at > 0 && (static_cast<unsigned char>(what[at]) & 0xc0) == 0x80) --at;
    return at;
  };
  const std::size_t from = boundary(kMost - kEnd), to = boundary(what.size() - kEnd);
  what.replace(from, to - from, text("… ({} bytes) …", to - from));
}

// Findings of a path, each once, worst first; what the policy allows apart.
void conclude(ScanReport& report, const Policy& policy) {
  std::set<std::tuple<Rule, std::string, std::string>> seen;
  Findings unique;
  for (Finding& finding : report.findings) {
    cut_long(finding.what);
    if (!seen.emplace(finding.rule, finding.where, finding.what).second) continue;
    (policy.allows(finding) ? report.allowed : unique).push_back(std::move(finding));
  }
  std::stable_sort(unique.begin(), unique.end(),
                   [](const Finding& a, const Finding& b) { return rank(a.severity) > rank(b.severity); });
  report.findings = std::move(unique);
  report.verdict = verdict_of(report.findings);
  for (const ScannedFile& file : report.files) report.verdict = worse(report.verdict, file.verdict);
}

constexpr std::uint64_t kEndless = UINT64_MAX / 4;

std::uint64_t times(std::uint64_t size, std::uint64_t factor) noexcept {
  return size > kEndless / std::max<std::uint64_t>(factor, 1) ? kEndless : size * factor;
}

// What a file may cost grows with what is stored, not with what it decodes to: a compressed pickle of 200 KB is no gigabyte of
// objects. The factors are more than any program that is stored as it is comes to.
Limits limits_for(std::uint64_t size, Limits limits) noexcept {
  static constexpr std::uint64_t kOpcodes = 1u << 24, kOpcodesPerByte = 256;
  static constexpr std::uint64_t kValues = 1u << 28, kValuesPerByte = 128;
  limits.opcodes = std::min(limits.opcodes, kOpcodes + times(size, kOpcodesPerByte));
  limits.value_bytes = std::min(limits.value_bytes, kValues + times(size, kValuesPerByte));
  return limits;
}

// What the parts within a file may come to in all, so that archives of archives stay as cheap as their file is small: as much
// as one that is compressed once. Small parts cost something, too.
Context context_of(std::uint64_t size, const Limits& limits) {
  static constexpr std::uint64_t kPart = 256;
  const std::uint64_t grown = times(size, limits.expansion);
  auto left = std::make_shared<std::atomic<std::uint64_t>>(std::min(kEndless, limits.expansion_floor) + grown);
  Context context{.limits = limits_for(size, limits)};
  context.unfolded = [left = std::move(left)](std::uint64_t bytes) -> Status {
    const std::uint64_t cost = std::min(bytes, kEndless) + kPart;
    std::uint64_t before = left->load();
    do {
      if (cost > before) return over_limit("the parts within its parts are more than a file of its size has");
    } while (!left->compare_exchange_weak(before, before - cost));
    return {};
  };
  return context;
}

// What the folder as one model does: formats that are folders judge more than single files show.
void judge_folder(const Bundle& folder, const ScanOptions& options, Findings& findings) {
  const Tree tree = tree_of(folder);
  judge_components(tree, options.limits, findings);
  if (const auto indexes = chunk_indexes(tree); !indexes.empty()) {
    const Context context = context_of(folder.total_bytes().value_or(0), options.limits);
    judge_chunks(tree, indexes, context, options.policy, findings);
  }
  const Result<const Format*> format = detect(folder, options.limits);
  if (!format) return;
  judge_format(**format, folder.path(), options.policy, findings);
  Status status = (*format)->acts(folder, Context{.limits = options.limits}, findings);
  // Weights that are missing, or of a kind that no format reads, hide nothing: every file is looked at by itself.
  if (!status && status.error().code() != Code::kNotFound && status.error().code() != Code::kUnsupported) {
    findings.push_back(not_understood(status.error(), folder.path()));
  }
}

// Python beside the weights counts as code once a configuration refers to it.
void mark_referenced_python(ScanReport& report) {
  for (ScannedFile& file : report.files) {
    if (file.kind != "python" || !file.path.ends_with(".py")) continue;
    const std::string module = file.path.substr(file.path.rfind('/') + 1, file.path.size() - file.path.rfind('/') - 4);
    for (const Finding& finding : report.findings) {
      if (finding.rule != Rule::kAutoMap && finding.rule != Rule::kCustomPipeline) continue;
      if (finding.what.find("'" + module + ".") == std::string::npos &&
          finding.what.find("--" + module + ".") == std::string::npos)
        continue;
      file.verdict = worse(file.verdict, Verdict::kCode);
    }
  }
}

// Who asks about a file that is empty is told so: nothing was understood. Beside a model it is a side file like any other, and
// some are empty by what they are.
void refuse_empty(const Bundle& file, Findings& findings) {
  constexpr std::array<std::string_view, 5> kEmpty = {".gitkeep", ".keep", ".nojekyll", "__init__.py", "py.typed"};
  if (file.main()->size() != 0 || !findings.empty()) return;
  const std::string_view name = file.path();
  if (std::find(kEmpty.begin(), kEmpty.end(), name.substr(name.find_last_of('/') + 1)) != kEmpty.end()) return;
  findings.push_back({Verdict::kUnreadable, Rule::kEmptyFile, file.path(), "the file is empty"});
}

Verdict verdict_under(const Policy& policy, const Findings& findings) {
  Verdict verdict = Verdict::kInert;
  for (const Finding& finding : findings)
    if (!policy.allows(finding)) verdict = worse(verdict, finding.severity);
  return verdict;
}

struct Judged {
  ScannedFile file;
  Findings findings;
};

Judged judge_path_within(const Item& item, const ScanOptions& options) {
  Judged judged{{item.shown, {}, Verdict::kInert}, {}};
  const Result<Bundle> bundle = Bundle::open(item.path, options.limits);
  if (bundle) {
    judged.file.kind = judge_contents(bundle->in_memory(kSmallFile), context_of(bundle->main()->size(), options.limits),
                                      options.policy, judged.findings);
    if (item.asked) refuse_empty(*bundle, judged.findings);
  } else {
    judged.findings.push_back(not_understood(bundle.error(), item.path));
  }
  for (Finding& finding : judged.findings) finding.file = item.path;
  judged.file.verdict = verdict_under(options.policy, judged.findings);
  return judged;
}

// One file that is too much for this machine, or for us, costs the others nothing.
Judged judge_path(const Item& item, const ScanOptions& options) {
  const auto failed = [&](Code code, const char* what) {
    return Judged{{item.shown, {}, Verdict::kUnreadable}, {not_understood(Error(code, what), item.path)}};
  };
  try {
    return judge_path_within(item, options);
  } catch (const std::bad_alloc&) {
    return failed(Code::kOutOfMemory, "no memory left to judge it");
  } catch (const std::exception& fault) {
    return failed(Code::kInternal, fault.what());
  }
}

std::string real_path(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::canonical(path, error).string();
}

// Links to folders outside of the one that is scanned: what a loader reads through them is not looked at.
void refuse_links(const Bundle& folder, const std::string& base, Findings& findings) {
  for (const std::string& link : folder.folder_links())
    if (!(real_path(base + link) + "/").starts_with(real_path(base) + "/"))
      findings.push_back({Verdict::kUnreadable, Rule::kNotLookedAt, base + link, "it links to a folder elsewhere"});
}

// The files that links of the folder lead to.
std::set<std::string> linked_files(const Bundle& folder, const std::string& base) {
  std::set<std::string> files;
  for (const std::string& link : folder.links()) files.insert(real_path(base + link));
  return files;
}

// "blobs/6a…": what a cache of the hub keeps under its hash. A link's name ("snapshots/…/model.safetensors") says what it is.
bool is_of_cache(std::string_view name) {
  constexpr std::size_t kShortest = 40;
  const std::filesystem::path path(name);
  const std::string hash = path.filename();
  return path.parent_path().filename() == "blobs" && hash.size() >= kShortest &&
         hash.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// The files behind a path: itself, or all of a folder. What cannot be opened is said in the report.
void list_files(const std::string& path, std::size_t index, const ScanOptions& options, ScanReport& report,
                std::vector<Item>& items) {
  report.path = path;
  const Result<Bundle> bundle = Bundle::open(path, options.limits);
  if (!bundle) {
    report.findings.push_back(not_understood(bundle.error(), path));
  } else if (bundle->kind() == Bundle::Kind::kFile) {
    items.push_back({index, path, path, true});
  } else {
    judge_folder(*bundle, options, report.findings);
    const std::string base = path.ends_with('/') ? path : path + "/";
    refuse_links(*bundle, base, report.findings);
    const std::set<std::string> linked = linked_files(*bundle, base);
    bool is_empty = report.findings.empty();
    for (const std::string& name : bundle->names()) {
      const bool is_link = std::binary_search(bundle->links().begin(), bundle->links().end(), name);
      if (!is_link && is_of_cache(name) && linked.contains(real_path(base + name))) continue;
      items.push_back({index, base + name, name, false});
      is_empty = is_empty && is_of_git(name);
    }
    if (is_empty) report.findings.push_back({Verdict::kUnreadable, Rule::kEmptyFolder, path, "the folder is empty"});
  }
}

// A file that is nothing by itself, or begins as a pickle without being one, is data where a model beside it has tensors in it.
// A model may say so of any file: of those that something else would open, an archive that differs from reader to reader for
// one, it is not believed.
void take_tensor_data(std::span<const Item> items, std::span<Judged> judged, const Limits& limits) {
  const auto is_unknown = [](const Judged& one) {
    const auto says_nothing = [&](const Finding& finding) {
      return is_no_pickle(finding) || (finding.rule == Rule::kNotUnderstood && one.findings.size() == 1);
    };
    const Format* format = format_by_id(one.file.kind);
    const bool may_be = one.file.kind.empty() || (format != nullptr && guises_of(*format).pickle);
    return may_be && !one.findings.empty() && std::all_of(one.findings.begin(), one.findings.end(), says_nothing);
  };
  std::set<std::size_t> reports;
  for (std::size_t i = 0; i < items.size(); ++i)
    if (!items[i].asked && is_unknown(judged[i])) reports.insert(items[i].report);
  if (reports.empty()) return;
  std::set<std::string> data;
  for (std::size_t i = 0; i < items.size(); ++i)
    if (format_by_id(judged[i].file.kind) != nullptr && reports.contains(items[i].report))
      data.merge(tensor_files(items[i].path, limits));
  for (std::size_t i = 0; i < items.size() && !data.empty(); ++i) {
    if (items[i].asked || !is_unknown(judged[i]) || !data.contains(real_path(items[i].path))) continue;
    if (!may_be_tensors(items[i].path, limits)) continue;
    judged[i].findings.clear();
    judged[i].file.kind = "tensors";
    judged[i].file.verdict = Verdict::kInert;
  }
}

}  // namespace

Verdict worse(Verdict a, Verdict b) noexcept { return rank(a) >= rank(b) ? a : b; }

Verdict verdict_of(const Findings& findings) noexcept {
  Verdict verdict = Verdict::kInert;
  for (const Finding& finding : findings) verdict = worse(verdict, finding.severity);
  return verdict;
}

std::vector<ScanReport> scan_paths(std::span<const std::string> paths, const ScanOptions& options) {
  std::vector<ScanReport> reports(paths.size());
  std::vector<Item> items;
  for (std::size_t i = 0; i < paths.size(); ++i) list_files(paths[i], i, options, reports[i], items);
  std::vector<Judged> judged(items.size());
  std::mutex mutex;
  std::uint64_t done = 0;
  const unsigned threads = options.threads == 0 ? worker_count() : options.threads;
  const Status all = parallel_for(items.size(), threads, [&](std::uint64_t i) -> Status {
    judged[i] = judge_path(items[i], options);
    if (!options.progress) return {};
    const std::lock_guard lock(mutex);
    if (options.progress(++done, items.size())) return {};
    return Error(Code::kCancelled, "cancelled");
  });
  take_tensor_data(items, judged, options.limits);
  for (std::size_t i = 0; i < items.size(); ++i) {
    ScanReport& report = reports[items[i].report];
    if (judged[i].file.path.empty()) {  // never reached
      judged[i].file = {items[i].shown, {}, Verdict::kUnreadable};
      judged[i].findings.push_back({Verdict::kUnreadable, Rule::kNotLookedAt, items[i].path, all ? "" : all.error().message()});
    }
    const bool is_told = judged[i].file.verdict != Verdict::kInert || items[i].asked || !is_of_git(items[i].shown);
    if (is_told) report.files.push_back(std::move(judged[i].file));
    for (Finding& finding : judged[i].findings) report.findings.push_back(std::move(finding));
  }
  for (ScanReport& report : reports) {
    conclude(report, options.policy);
    mark_referenced_python(report);
  }
  return reports;
}

ScanReport scan_path(const std::string& path, const ScanOptions& options) {
  return std::move(scan_paths(std::span(&path, 1), options).front());
}

ScanReport scan_bundle(const Bundle& bundle, const ScanOptions& options) {
  if (bundle.kind() == Bundle::Kind::kFolder) return scan_path(bundle.path(), options);
  ScanReport report;
  report.path = bundle.path();
  ScannedFile file{bundle.path(), {}, Verdict::kInert};
  file.kind = judge_contents(bundle, context_of(bundle.main()->size(), options.limits), options.policy, report.findings);
  refuse_empty(bundle, report.findings);
  for (Finding& finding : report.findings) finding.file = bundle.path();
  file.verdict = verdict_under(options.policy, report.findings);
  report.files.push_back(std::move(file));
  conclude(report, options.policy);
  return report;
}

Status require_inert(const ScanReport& report) {
  if (report.verdict == Verdict::kInert) return {};
  std::string message(name(report.verdict));
  if (!report.findings.empty()) message += text(": {}", report.findings.front().what);
  if (report.findings.size() > 1) message += text(" (and {} more)", report.findings.size() - 1);
  return Error(Code::kUnsafe, std::move(message)).in(report.path);
}

void write_findings(JsonWriter& writer, const Findings& findings) {
  writer.begin_array();
  for (const Finding& finding : findings) {
    writer.begin_object().key("severity").string(name(finding.severity)).key("rule").string(name(finding.rule));
    if (!finding.file.empty()) writer.key("file").string(finding.file);
    writer.key("where").string(finding.where).key("what").string(finding.what);
    if (!finding.subject.empty()) writer.key("subject").string(finding.subject);
    writer.key("remedy").string(row(finding.rule).remedy).end_object();
  }
  writer.end_array();
}

void write_scan(JsonWriter& writer, const ScanReport& report) {
  writer.begin_object().key("path").string(report.path).key("verdict").string(name(report.verdict)).key("findings");
  write_findings(writer, report.findings);
  if (!report.allowed.empty()) write_findings(writer.key("allowed"), report.allowed);
  writer.key("files").begin_array();
  for (const ScannedFile& file : report.files) {
    writer.begin_object().key("path").string(file.path).key("kind").string(file.kind);
    writer.key("verdict").string(name(file.verdict)).end_object();
  }
  writer.end_array().end_object();
}

}  // namespace holdall

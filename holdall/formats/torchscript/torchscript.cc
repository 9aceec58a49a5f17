// The row of the format: TorchScript's archives, and what is said of its flatbuffers.
#include <memory>

#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/torch_extra_files.h"
#include "holdall/formats/torchscript/script_archive.h"
#include "holdall/formats/zip_check.h"

namespace holdall {

namespace torchscript {

namespace {

// A flatbuffer of the lite interpreter has this identifier at byte 4 (torch/csrc/jit/serialization/mobile_bytecode.fbs).
bool is_flatbuffer(std::span<const std::byte> head) { return as_text(head).substr(0, 8).ends_with("PTMF") && head.size() >= 8; }

Match match(Peek& peek) {
  if (peek.is_folder()) return Match::kNo;
  if (is_flatbuffer(peek.head())) return Match::kCertain;
  const auto members = peek.zip_members();
  if (members.empty()) return Match::kNo;
  const std::string prefix(torch_prefix(members.front()));
  if (prefix.empty()) return Match::kNo;
  bool has_module = false, has_constants = false, has_json = false, has_version = false;
  const std::string constants = prefix + "/constants.pkl", module = prefix + "/data.pkl", json = prefix + "/model.json",
                    version = prefix + "/version", own_version = prefix + "/.data/version";
  for (const std::string_view member : members) {
    has_json = has_json || member == json;
    has_version = has_version || member == version || member == own_version;
    has_module = has_module || member == module;
    has_constants = has_constants || member == constants;
  }
  return (has_module && has_constants) || (has_json && has_version) ? Match::kCertain : Match::kNo;
}

Result<TorchArchive> open(const Bundle& bundle, const Limits& limits) {
  Peek peek(bundle, limits);
  if (is_flatbuffer(peek.head())) {
    return unsupported("a flatbuffer of torch's lite interpreter; its archives (_use_flatbuffer=False) are read")
        .in(bundle.path());
  }
  HOLDALL_ASSIGN(TorchArchive archive, TorchArchive::open(bundle, limits));
  if (!archive.has(kModelJson) && !archive.has("data.pkl")) {
    return corrupt(text("there is no member '{}/data.pkl'", archive.prefix())).in(bundle.path());
  }
  return archive;
}

Result<Model> read_archive(const TorchArchive& archive, const Bundle& bundle, const Context& context, Faults* faults) {
  return archive.has(kModelJson) ? read_model_json(archive, bundle, context) : read_module(archive, bundle, context, faults);
}

Result<Model> read(const Bundle& bundle, const Context& context) {
  HOLDALL_ASSIGN(const TorchArchive archive, open(bundle, context.limits));
  return read_archive(archive, bundle, context, nullptr);
}

// The pickles that hold no tensors of the model: inputs that were traced, places in the source, bytecode.
Status check_pickles(const TorchArchive& archive, const Context& context, Faults& faults) {
  for (const ZipMember& member : archive.zip().members()) {
    const std::string_view record = archive.record_of(member.name);
    if (!is_pickle_record(record) || record == "data.pkl" || record == "constants.pkl") continue;
    HOLDALL_ASSIGN(const Blob blob, archive.zip().blob(member));
    HOLDALL_ASSIGN(const SourceRef source, slice_source(blob.source(), blob.offset(), blob.size(), blob.name()));
    const auto arena = std::make_unique<Arena>();
    const PickleProgram program = run_pickle(*arena, source, 0, {.limits = context.limits});
    if (program.error) {
      faults.add(Error(*program.error).in(source->name()));
    } else if (program.end != source->size()) {
      faults.add(corrupt(text("{} bytes stand behind the end of the pickle", source->size() - program.end))
                     .at(program.end)
                     .in(source->name()));
    }
  }
  return {};
}

Status verify(const Bundle& bundle, const Context& context, Faults& faults) {
  HOLDALL_ASSIGN(const TorchArchive archive, open(bundle, context.limits));
  const std::size_t before = faults.list.size();
  HOLDALL_TRY(check_zip_members(archive.zip(), context, faults));
  const bool is_whole = faults.list.size() == before;
  if (archive.version() == 0) faults.add(corrupt("there is no version record").in(archive.zip().source()->name()));
  const auto model = read_archive(archive, bundle, context, &faults);
  // What does not match its CRC-32 has been counted already.
  if (!is_whole) return {};
  if (!model) faults.add(model.error());
  return check_pickles(archive, context, faults);
}

Status acts(const Bundle& bundle, const Context& context, Findings& findings) {
  HOLDALL_ASSIGN(const TorchArchive archive, open(bundle, context.limits));
  return judge_module(archive, context, findings);
}

constexpr std::string_view kExtensions[] = {".jit", ".ptl"};

}  // namespace

}  // namespace torchscript

extern const Format k_torchscript_format;
constinit const Format k_torchscript_format = {
    .id = "torchscript",
    .title = ".pt .jit .ptl: archives of torch.jit.save since torch 1.0, and of the lite interpreter",
    .extensions = torchscript::kExtensions,
    .folder = false,
    .match = torchscript::match,
    .read = torchscript::read,
    .verify = torchscript::verify,
    .acts = torchscript::acts,
    .plan = nullptr,
};

}  // namespace holdall

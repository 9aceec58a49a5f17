// Legacy files: five pickles one behind another, then the storages (torch/serialization.py, _legacy_save and _legacy_load).
//
// Elements are little-endian whatever the system pickle says: torch's writer encodes them so on every machine
// (torch/csrc/generic/serialization.cpp).
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/program_check.h"
#include "holdall/formats/pytorch/instantiator.h"
#include "holdall/formats/pytorch/reading.h"
#include "holdall/formats/torch_storages.h"
#include "holdall/objects/stray.h"

namespace holdall::pytorch {

namespace {

constexpr std::string_view kMagic = "119547037146038801333356";  // 0x1950a86a20f9469cfc6c
constexpr std::int64_t kProtocol = 1001;

// The five pickles, in the order of the file.
constexpr std::array<std::string_view, 5> kStreams = {"magic number", "protocol", "system", "object", "storage keys"};
constexpr std::size_t kObject = 3;
constexpr std::size_t kKeys = 4;

struct Streams {
  std::array<PickleProgram, kStreams.size()> programs;
  NodeId object_from = 0;  // the first node of the object's pickle
  std::size_t ran = 0;     // how many of them ran to their end
};

// Runs the pickles up to the first that fails.
Streams run_streams(Arena& arena, const SourceRef& source, const Limits& limits) {
  Streams streams;
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < kStreams.size(); ++i) {
    if (i == kObject) streams.object_from = static_cast<NodeId>(arena.size());
    streams.programs[i] = run_pickle(arena, source, at, {.limits = limits});
    at = streams.programs[i].end;
    if (streams.programs[i].error) break;
    streams.ran = i + 1;
  }
  return streams;
}

Status check_streams(Arena& arena, Streams& streams, const SourceRef& source) {
  if (streams.ran < kStreams.size()) {
    return std::move(*streams.programs[streams.ran].error)
        .with(text("the pickle of the {}", kStreams[streams.ran]))
        .in(source->name());
  }
  const Value magic = arena.at(streams.programs[0].root);
  if (!magic.is(ValueKind::kBigInt) || magic.as_big_int() != kMagic)
    return corrupt("the magic number is wrong").at(0).in(source->name());
  const Value protocol = arena.at(streams.programs[1].root);
  if (!protocol.is(ValueKind::kInt) || protocol.as_int() != kProtocol) {
    return unsupported(text("legacy protocol {}, {} is read", protocol.is(ValueKind::kInt) ? protocol.as_int() : -1, kProtocol))
        .in(source->name());
  }
  if (!arena.at(streams.programs[kKeys].root).is(ValueKind::kList)) {
    return corrupt("the storage keys are no list").at(streams.programs[kObject].end).in(source->name());
  }
  return {};
}

struct Place {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

// Where each storage's elements lie. An item's size is that of the class that names the storage first.
struct Layout {
  TextMap<Place> places;
  std::uint64_t end = 0;
};

Result<TextMap<StorageId>> named_storages(const Arena& arena, const PickleProgram& object) {
  TextMap<StorageId> ids;
  for (const PickleCall& call : object.calls) {
    if (call.kind != PickleCallKind::kPersistent) continue;
    const Value id = persistent_id(arena.at(call.object));
    if (!id.is(ValueKind::kTuple) || id.size() == 0 || key_text(id.item(0)) != "storage") continue;
    HOLDALL_ASSIGN(StorageId storage, read_storage_id(id));
    std::string key = storage.key;
    ids.emplace(std::move(key), std::move(storage));
  }
  return ids;
}

Result<Layout> lay_out(const Arena& arena, const Streams& streams, const SourceRef& source) {
  HOLDALL_ASSIGN(const auto ids, named_storages(arena, streams.programs[kObject]));
  Layout layout;
  layout.end = streams.programs[kKeys].end;
  const Value keys = arena.at(streams.programs[kKeys].root);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string key = key_text(keys.item(i));
    const auto found = ids.find(key);
    if (found == ids.end()) {
      return corrupt(text("the storage '{}' is listed but no tensor names it", key)).at(layout.end).in(source->name());
    }
    HOLDALL_ASSIGN(const Bytes head, read_range(*source, layout.end, sizeof(std::int64_t)));
    const auto elements = load_le<std::int64_t>(head.data());
    const StorageId& id = found->second;
    if (elements < 0 || static_cast<std::uint64_t>(elements) != id.elements) {
      return corrupt(text("the storage '{}' has {} elements, its tensors claim {}", key, elements, id.elements))
          .at(layout.end)
          .in(source->name());
    }
    const auto bytes = checked_multiply(id.elements, id.item_bytes);
    const std::uint64_t offset = layout.end + sizeof(std::int64_t);
    if (!bytes || !fits(offset, *bytes, source->size())) {
      return corrupt(text("the storage '{}' of {} elements of {} bytes passes the end of the file", key, id.elements,
                          id.item_bytes))
          .at(layout.end)
          .in(source->name());
    }
    layout.places[key] = {offset, *bytes};
    layout.end = offset + *bytes;
  }
  return layout;
}

std::string little_endian_note(Value system) {
  const Value little = system.find("little_endian");
  return little.is(ValueKind::kBool) && !little.as_bool() ? ", from a big-endian machine" : "";
}

struct LegacyFile {
  ModelBuilder builder;
  Streams streams;
  Layout layout;
};

Result<LegacyFile> open_legacy(const SourceRef& source, const Limits& limits) {
  LegacyFile file;
  file.streams = run_streams(*file.builder.arena, source, limits);
  HOLDALL_TRY(check_streams(*file.builder.arena, file.streams, source));
  auto layout = lay_out(*file.builder.arena, file.streams, source);
  if (!layout) return std::move(layout).error();
  std::swap(file.layout, *layout);
  return file;
}

}  // namespace

bool is_legacy(std::span<const std::byte> head) noexcept {
  // LONG1 of ten bytes behind the protocol (and a frame from protocol 4 on), or the digits of protocols 0 and 1.
  constexpr std::array<unsigned char, 12> kLong = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
  const std::string_view text = as_text(head);
  const std::string_view pattern(reinterpret_cast<const char*>(kLong.data()), kLong.size());
  const std::size_t at = text.substr(0, 32).find(pattern);
  if (at == 2 || at == 11) return text[0] == '\x80';
  return text.starts_with('L') && text.substr(1).starts_with(kMagic);
}

Result<Model> read_legacy(const Bundle& bundle, const Context& context) {
  const SourceRef& source = bundle.main();
  HOLDALL_ASSIGN(LegacyFile file, open_legacy(source, context.limits));
  Arena& arena = *file.builder.arena;
  StorageTable storages(ByteOrder::kLittle, [&](const std::string& key, std::uint64_t) -> Result<Blob> {
    const auto place = file.layout.places.find(key);
    if (place == file.layout.places.end()) return corrupt(text("the storage '{}' is not in the file", key));
    return Blob::range(source, place->second.offset, place->second.bytes);
  });
  const std::string name = file_name(bundle);
  InterpretOptions options;
  options.limits = context.limits;
  options.arrays_say_so = true;
  options.add = [&](Tensor tensor) { return file.builder.add(std::move(tensor), name); };
  options.storage = [&](Value id, std::optional<DType> element) { return storages.resolve(id, element); };
  const NodeId root = file.streams.programs[kObject].root;
  auto meant = interpret(arena, file.streams.object_from, root, options);
  if (!meant) return std::move(meant).error().in(source->name());
  file.builder.tree = root;
  const std::string detail = text("legacy, pickle protocol {}{}", file.streams.programs[kObject].protocol,
                                  little_endian_note(arena.at(file.streams.programs[2].root)));
  file.builder.origin = {"pytorch", detail, bundle.path(), {name}, source->size(), "pt"};
  if (file.layout.end != source->size()) {
    file.builder.warnings.push_back(text("{} bytes stand behind the last storage", source->size() - file.layout.end));
  }
  return std::move(file.builder).named_by_tree();
}

Status verify_legacy(const Bundle& bundle, const Context& context, Faults& faults) {
  const SourceRef& source = bundle.main();
  auto file = open_legacy(source, context.limits);
  if (!file) {
    faults.add(file.error());
    return {};
  }
  if (file->layout.end != source->size()) {
    faults.add(corrupt(text("{} bytes stand behind the last storage", source->size() - file->layout.end))
                   .at(file->layout.end)
                   .in(source->name()));
  }
  auto model = read_legacy(bundle, context);
  if (!model) faults.add(model.error());
  return {};
}

Status judge_legacy(const Bundle& bundle, const Context& context, Findings& findings) {
  const SourceRef& source = bundle.main();
  Arena arena;
  Streams streams = run_streams(arena, source, context.limits);
  for (std::size_t i = 0; i < std::min(streams.ran + 1, kStreams.size()); ++i) {
    judge_program(arena, streams.programs[i], source, context, findings);
  }
  judge_instantiator(arena, source->name(), findings);
  if (streams.ran < kStreams.size()) return {};
  // Every byte must be a storage's: what stands elsewhere may be a sixth pickle.
  const auto unreadable = [&](std::uint64_t at, std::string what) {
    findings.push_back({Verdict::kUnreadable, Rule::kTrailingBytes, text("{}@{}", source->name(), at), std::move(what)});
    judge_stray(source, at, context.limits, findings);
  };
  if (auto checked = check_streams(arena, streams, source); !checked) {
    unreadable(streams.programs[kKeys].end, checked.error().message());
    return {};
  }
  const auto layout = lay_out(arena, streams, source);
  if (!layout) {
    unreadable(streams.programs[kKeys].end, layout.error().message());
  } else if (layout->end != source->size()) {
    unreadable(layout->end, text("{} bytes stand behind the last storage", source->size() - layout->end));
  }
  return {};
}

}  // namespace holdall::pytorch

// torch/ao/quantization's ConvPackedParamsBase, as ATen/native/quantized/cpu/conv_serialization.h writes it: ("2", tensors, …)
// with the settings as the first tensor, of int16; (3, settings, …) with a list of ints. The settings are the number of
// dimensions; for each of them stride, padding, dilation and output padding; groups; whether it is transposed.
#include "holdall/formats/torchscript/packed_convolutions.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "holdall/base/endian.h"
#include "holdall/formats/torch_storages.h"
#include "holdall/objects/interpret.h"

namespace holdall::torchscript {

namespace {

constexpr std::string_view kQuantized = "__torch__.torch.classes.quantized";
constexpr std::size_t kMostDimensions = 3;
constexpr std::size_t kMostSettings = 1 + 4 * kMostDimensions + 2;
using Settings = std::vector<std::int64_t>;

std::optional<std::uint64_t> size_of(Value value) {
  if (!value.is(ValueKind::kInt) || value.as_int() < 0) return std::nullopt;
  return static_cast<std::uint64_t>(value.as_int());
}

// What a call makes of its first argument: restore_type_tag(list, type), build_tensorlist(list).
Value unwrapped(Value value) {
  if (!value.is(ValueKind::kObject)) return value;
  const Value args = value.of(value.as_object().args);
  return args.is(ValueKind::kTuple) && args.size() > 0 ? args.item(0) : value;
}

// The int16 of _rebuild_tensor_v2(storage, offset, size, stride, …).
Result<std::optional<Settings>> read_tensor(Value tensor, const TorchArchive& archive, std::string_view folder) {
  using None = std::optional<Settings>;
  if (!tensor.is(ValueKind::kObject)) return None();
  const Value args = tensor.of(tensor.as_object().args);
  if (!args.is(ValueKind::kTuple) || args.size() < 4 || !args.item(2).is(ValueKind::kTuple)) return None();
  if (args.item(2).size() != 1 || !args.item(3).is(ValueKind::kTuple) || args.item(3).size() != 1) return None();
  const auto offset = size_of(args.item(1)), size = size_of(args.item(2).item(0)), stride = size_of(args.item(3).item(0));
  if (!offset || !size || *size > kMostSettings || stride != 1) return None();
  StorageId said;
  const ZipMember* member = storage_record(archive, folder, persistent_id(args.item(0)), said);
  constexpr std::uint64_t kItem = sizeof(std::int16_t);
  if (member == nullptr || said.dtype != DType::kInt16 || said.untyped) return None();
  if (member->size / kItem < *size || *offset > member->size / kItem - *size) return None();
  HOLDALL_ASSIGN(const Blob blob, archive.zip().blob(*member));
  HOLDALL_ASSIGN(const SourceRef source, slice_source(blob.source(), blob.offset(), blob.size(), blob.name()));
  std::vector<std::byte> bytes(*size * kItem);
  HOLDALL_TRY(source->read_at(*offset * kItem, bytes));
  Settings settings;
  for (std::size_t i = 0; i < *size; ++i) settings.push_back(load_le<std::int16_t>(bytes.data() + i * kItem));
  return None(std::move(settings));
}

Result<std::optional<Settings>> read_settings(Value state, const TorchArchive& archive, std::string_view folder) {
  if (!state.is(ValueKind::kTuple) || state.size() < 2) return std::optional<Settings>();
  const Value version = state.item(0), list = unwrapped(state.item(1));
  if (!list.is(ValueKind::kList) || list.size() == 0) return std::optional<Settings>();
  if (version.is(ValueKind::kString) && version.as_string() == "2") return read_tensor(list.item(0), archive, folder);
  Settings settings;
  for (std::size_t i = 0; i < std::min(list.size(), kMostSettings); ++i) {
    if (!list.item(i).is(ValueKind::kInt)) return std::optional<Settings>();
    settings.push_back(list.item(i).as_int());
  }
  return std::optional<Settings>(std::move(settings));
}

bool is_possible(const Settings& settings) {
  if (settings.empty() || settings[0] < 1 || settings[0] > static_cast<std::int64_t>(kMostDimensions)) return false;
  const auto dimensions = static_cast<std::size_t>(settings[0]);
  if (settings.size() != 1 + 4 * dimensions + 2) return false;
  const auto has = [&](std::size_t part, std::int64_t least) {
    const auto begin = settings.begin() + static_cast<std::ptrdiff_t>(1 + part * dimensions);
    return std::all_of(begin, begin + static_cast<std::ptrdiff_t>(dimensions), [&](std::int64_t n) { return n >= least; });
  };
  return has(0, 1) && has(1, 0) && has(2, 1) && has(3, 0) && settings[settings.size() - 2] >= 1;
}

bool is_convolution(Value object) {
  if (object.is(ValueKind::kObject)) object = object.of(object.as_object().callee);
  return object.is(ValueKind::kGlobal) && object.global_module() == kQuantized && object.global_name().starts_with("Conv");
}

// What torch hands the class: by BUILD, or as the arguments of REDUCE.
Value given(const Arena& arena, const PickleCall& call) {
  if (call.kind == PickleCallKind::kBuild) return arena.at(call.state);
  const Value object = arena.at(call.object);
  if (call.kind != PickleCallKind::kReduce || !object.is(ValueKind::kObject)) return {};
  const Value args = object.of(object.as_object().args);
  return args.is(ValueKind::kTuple) && args.size() == 1 ? args.item(0) : args;
}

}  // namespace

Status judge_packed_convolutions(const Arena& arena, const PickleProgram& program, const TorchArchive& archive,
                                 std::string_view folder, std::string_view where, Findings& findings) {
  bool divides = false, is_unread = false;
  for (const PickleCall& call : program.calls) {
    if (divides) break;
    if (call.object == kNoNode || !is_convolution(arena.at(call.object))) continue;
    const Value state = given(arena, call);
    if (!state) continue;
    HOLDALL_ASSIGN(const auto settings, read_settings(state, archive, folder));
    divides = settings && !is_possible(*settings);
    is_unread = is_unread || !settings;
  }
  if (divides) {
    findings.push_back({Verdict::kMalicious, Rule::kScriptLibrary, std::string(where),
                        "a quantized convolution has settings by which torch would divide by zero or leave its tensors"});
  } else if (is_unread) {
    findings.push_back({Verdict::kCode, Rule::kScriptLibrary, std::string(where),
                        "a quantized convolution has settings in a form that is not read"});
  }
  return {};
}

}  // namespace holdall::torchscript

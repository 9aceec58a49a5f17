#include "holdall/formats/joblib/joblib_arrays.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "holdall/base/checked.h"
#include "holdall/base/text.h"
#include "holdall/io/fresh_pages.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/interpretation.h"

namespace holdall::joblib {
namespace {

constexpr unsigned kDeepestDType = 16;
constexpr std::size_t kKeptAtOnce = 2u << 20;
// Alignments that are padded to: one byte says how many.
constexpr std::uint64_t kMostPadding = 255;

struct WrapperClass {
  std::string_view module;
  std::string_view name;
  Wrapper wrapper;
};
// By the modules that they have been pickled under: joblib's own, and the copy that scikit-learn carried until 0.22.
constexpr WrapperClass kWrappers[] = {
    {"joblib.numpy_pickle", "NumpyArrayWrapper", Wrapper::kInline},
    {"sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper", Wrapper::kInline},
    {"joblib.numpy_pickle", "NDArrayWrapper", Wrapper::kBeside},
    {"joblib.numpy_pickle_compat", "NDArrayWrapper", Wrapper::kBeside},
    {"sklearn.externals.joblib.numpy_pickle", "NDArrayWrapper", Wrapper::kBeside},
    {"sklearn.externals.joblib.numpy_pickle_compat", "NDArrayWrapper", Wrapper::kBeside},
    {"joblib.numpy_pickle", "ZNDArrayWrapper", Wrapper::kBesideCompressed},
    {"joblib.numpy_pickle_compat", "ZNDArrayWrapper", Wrapper::kBesideCompressed},
    {"sklearn.externals.joblib.numpy_pickle", "ZNDArrayWrapper", Wrapper::kBesideCompressed},
    {"sklearn.externals.joblib.numpy_pickle_compat", "ZNDArrayWrapper", Wrapper::kBesideCompressed},
};

Wrapper wrapper_class(Value global) noexcept {
  if (!global.is(ValueKind::kGlobal)) return Wrapper::kNone;
  for (const WrapperClass& row : kWrappers)
    if (global.global_name() == row.name && global.global_module() == row.module) return row.wrapper;
  return Wrapper::kNone;
}

// Whether NumPy says of a dtype that it has objects: then joblib pickles the array.
bool has_objects(Value dtype, unsigned depth) {
  if (builder_of(dtype) != Builder::kNumpyDType || depth > kDeepestDType) return false;
  const auto args = arguments(dtype);
  std::string code = args.empty() ? std::string() : short_text(args[0]).value_or(std::string());
  if (!code.empty() && std::string_view("<>|=").find(code.front()) != std::string_view::npos) code.erase(0, 1);
  if (code.starts_with('O')) return true;
  const Value state = dtype.of(dtype.as_object().state);
  if (!state.is(ValueKind::kTuple)) return false;
  for (std::size_t i = 0; i < state.size(); ++i) {
    const Value part = state.item(i);
    if (part.is(ValueKind::kTuple) && part.size() == 2 && has_objects(part.item(0), depth + 1)) return true;
    if (!part.is(ValueKind::kDict)) continue;
    for (std::size_t j = 0; j < part.size(); ++j) {
      const Value field = part.mapped(j);
      if (field.is(ValueKind::kTuple) && field.size() > 0 && has_objects(field.item(0), depth + 1)) return true;
    }
  }
  return false;
}

bool is_array_class(Value global) {
  return global.is(ValueKind::kGlobal) && builder_of(global.global_module(), global.global_name()) == Builder::kNumpyArrayClass;
}

// What joblib's wrappers have. Any other would stand before a method of theirs, which reads the array.
bool is_attribute(Value key) {
  constexpr std::string_view kOwn[] = {"allow_mmap", "dtype", "filename", "init_args", "numpy_array_alignment_bytes",
                                       "order",      "shape", "state",    "subclass"};
  return key.is(ValueKind::kString) && std::find(std::begin(kOwn), std::end(kOwn), key.as_string()) != std::end(kOwn);
}

}  // namespace

bool is_wrapper_class(Value global) noexcept { return wrapper_class(global) != Wrapper::kNone; }

// Protocols 0 and 1 call copyreg._reconstructor(class, object, None).
Wrapper wrapper_of(Value object) noexcept {
  if (!object.is(ValueKind::kObject)) return Wrapper::kNone;
  const Value callee = object.of(object.as_object().callee);
  if (const Wrapper found = wrapper_class(callee); found != Wrapper::kNone) return found;
  if (builder_of(object) != Builder::kReconstructor) return Wrapper::kNone;
  const Value args = object.of(object.as_object().args);
  return args.is(ValueKind::kTuple) && args.size() > 0 ? wrapper_class(args.item(0)) : Wrapper::kNone;
}

Result<std::uint64_t> Arrays::behind(NodeId object, std::uint64_t offset) {
  const Value made = arena_.at(object);
  const Wrapper kind = wrapper_of(made);
  if (kind == Wrapper::kNone) return 0;
  const Value state = made.of(made.as_object().state);
  if (!state.is(ValueKind::kDict)) return corrupt("the state of an array's wrapper is no dict");
  for (std::size_t i = 0; i < state.size(); ++i)
    if (!is_attribute(state.key(i))) return corrupt("an array's wrapper has an attribute that joblib gives none");
  if (inline_.size() + objects_.size() + beside_.size() >= limits_.tensors) {
    return over_limit(text("more than {} arrays", limits_.tensors));
  }
  if (kind == Wrapper::kInline) return inline_array(object, state, offset);
  auto file = short_text(state.find("filename"));
  if (!file || file->empty()) return corrupt("the wrapper of an array in another file does not name it");
  beside_.push_back({object, kind, *std::move(file), offset});
  return 0;
}

Result<std::uint64_t> Arrays::inline_array(NodeId object, Value state, std::uint64_t offset) {
  const Value dtype = state.find("dtype");
  const Value subclass = state.find("subclass");
  if (builder_of(dtype) != Builder::kNumpyDType) return corrupt("the dtype of an array's wrapper is no numpy.dtype");
  if (!is_array_class(subclass)) return corrupt("the class of a wrapped array is none of NumPy's");
  const auto sizes = integers(state.find("shape"));
  if (!sizes || std::any_of(sizes->begin(), sizes->end(), [](std::int64_t size) { return size < 0; })) {
    return corrupt("the shape of an array's wrapper is no tuple of sizes");
  }
  if (has_objects(dtype, 0)) return object_array(object, offset);
  const auto order = short_text(state.find("order"));
  if (order != "C" && order != "F") return corrupt("the order of an array's wrapper is neither C nor F");
  Inline found;
  found.object = object;
  found.subclass = subclass.id();
  found.shape.assign(sizes->begin(), sizes->end());
  found.order = *order == "F" ? NumpyOrder::kFortran : NumpyOrder::kC;
  HOLDALL_ASSIGN(found.dtype, numpy_dtype(dtype));
  HOLDALL_ASSIGN(const std::uint64_t padded, padding(state, offset));
  HOLDALL_ASSIGN(const std::uint64_t count, element_count(found.shape));
  const auto bytes = checked_multiply(count, found.dtype.item_bytes);
  const std::uint64_t remaining = stream_->size() - offset;
  if (!bytes || padded > remaining || *bytes > remaining - padded) {
    return corrupt(text("an array of shape {} and {} bytes an element, {} bytes remain", to_string(found.shape),
                        found.dtype.item_bytes, remaining - std::min(padded, remaining)));
  }
  found.offset = offset + padded;
  found.bytes = *bytes;
  HOLDALL_TRY(keep(found));
  inline_.push_back(std::move(found));
  return padded + *bytes;
}

// A byte that says how many follow before the array; joblib before 1.2 had none.
Result<std::uint64_t> Arrays::padding(Value state, std::uint64_t offset) const {
  const Value alignment = state.find("numpy_array_alignment_bytes");
  if (!alignment || alignment.is_null()) return 0;
  if (offset >= stream_->size()) return corrupt("the stream ends before an array");
  std::vector<std::byte> pad(1);
  HOLDALL_TRY(stream_->read_at(offset, pad));
  const auto count = std::to_integer<std::uint64_t>(pad[0]);
  static_assert(kMostPadding == UINT8_MAX);
  return 1 + count;
}

// Memory is asked for only as the stream fills it: how large the stream is shows at its end.
Status Arrays::keep(Inline& array) {
  const bool is_as_it_stands = (array.dtype.form == NpyForm::kPlain || array.dtype.form == NpyForm::kRecord) &&
                               (array.dtype.order == ByteOrder::kLittle || array.dtype.unit_bytes == 1) &&
                               (array.order == NumpyOrder::kC || array.shape.size() < 2);
  if (passing_ == Passing::kPassOver || stream_->random_access() || !is_as_it_stands || array.bytes == 0) return {};
  auto place = memory_.take(array.bytes);
  if (!place) return {};
  for (std::size_t done = 0; done < place->memory.size();) {
    const auto piece = place->memory.subspan(done, std::min(kKeptAtOnce, place->memory.size() - done));
    if (array.bytes >= kKeptAtOnce) populate(piece);
    HOLDALL_TRY(stream_->read_at(array.offset + done, piece));
    done += piece.size();
  }
  array.kept = std::move(place->bytes);
  return {};
}

Result<std::uint64_t> Arrays::object_array(NodeId object, std::uint64_t offset) {
  PickleOptions options;
  options.limits = limits_;
  options.read_first = 4096;
  const PickleProgram program = run_pickle(arena_, stream_, offset, options);
  if (nested) nested(program);
  if (program.error) return *program.error;
  objects_.push_back({object, program.root});
  return program.end - offset;
}

}  // namespace holdall::joblib

#include "holdall/formats/keras_config.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "holdall/base/printable.h"
#include "holdall/base/text.h"
#include "holdall/objects/globals.h"

namespace holdall {
namespace {

struct ClassRow {
  std::string_view name;
  Verdict verdict;
};

constexpr ClassRow kClasses[] = {
#define HOLDALL_KERAS_CLASS(name, verdict) {name, Verdict::verdict},
#define HOLDALL_KERAS_FUNCTION(name)
#include "holdall/formats/keras_names.inc"
#undef HOLDALL_KERAS_CLASS
#undef HOLDALL_KERAS_FUNCTION
};

constexpr std::string_view kFunctions[] = {
#define HOLDALL_KERAS_CLASS(name, verdict)
#define HOLDALL_KERAS_FUNCTION(name) name,
#include "holdall/formats/keras_names.inc"
#undef HOLDALL_KERAS_CLASS
#undef HOLDALL_KERAS_FUNCTION
};

static_assert(std::is_sorted(std::begin(kClasses), std::end(kClasses),
                             [](const ClassRow& a, const ClassRow& b) { return a.name < b.name; }));
static_assert(std::is_sorted(std::begin(kFunctions), std::end(kFunctions)));

// Values that the config itself spells: arrays, bytes, tuples and the like.
constexpr std::string_view kSpelled[] = {"CompositeTensor",  "TypeSpec",  "__bytes__",   "__complex__", "__ellipsis__",
                                         "__keras_tensor__", "__numpy__", "__scalar__",  "__set__",     "__slice__",
                                         "__tensor__",       "__tuple__", "__typespec__"};
// TensorFlow functions that the graphs of Keras 2 name and that only compute.
constexpr std::string_view kComputing[] = {"__operators__", "math.",  "nn.",      "linalg.",
                                           "signal.",       "image.", "strings.", "keras.backend."};
constexpr std::string_view kComputingWhole[] = {"argmax",
                                                "argmin",
                                                "boolean_mask",
                                                "broadcast_to",
                                                "cast",
                                                "clip_by_value",
                                                "compat.v1.shape",
                                                "compat.v1.transpose",
                                                "concat",
                                                "expand_dims",
                                                "eye",
                                                "fill",
                                                "gather",
                                                "identity",
                                                "norm",
                                                "one_hot",
                                                "ones",
                                                "ones_like",
                                                "pad",
                                                "range",
                                                "repeat",
                                                "reshape",
                                                "reverse",
                                                "shape",
                                                "slice",
                                                "split",
                                                "squeeze",
                                                "stack",
                                                "strided_slice",
                                                "tile",
                                                "transpose",
                                                "unstack",
                                                "where",
                                                "zeros",
                                                "zeros_like",
                                                "stop_gradient"};
// Operators that layers of TensorFlow 2.0 to 2.3 (TensorFlowOpLayer) hold one of, and that only compute. Sorted.
constexpr std::string_view kOperators[] = {"Abs",
                                           "Acos",
                                           "Acosh",
                                           "Add",
                                           "AddN",
                                           "AddV2",
                                           "All",
                                           "Any",
                                           "ArgMax",
                                           "ArgMin",
                                           "Asin",
                                           "Asinh",
                                           "Atan",
                                           "Atan2",
                                           "Atanh",
                                           "AvgPool",
                                           "AvgPool3D",
                                           "BatchMatMul",
                                           "BatchMatMulV2",
                                           "BatchMatMulV3",
                                           "BatchToSpaceND",
                                           "BiasAdd",
                                           "BroadcastTo",
                                           "Cast",
                                           "Ceil",
                                           "ClipByValue",
                                           "ComplexAbs",
                                           "Concat",
                                           "ConcatV2",
                                           "Conv2D",
                                           "Conv3D",
                                           "Cos",
                                           "Cosh",
                                           "Cross",
                                           "Cumprod",
                                           "Cumsum",
                                           "DepthToSpace",
                                           "DepthwiseConv2dNative",
                                           "Diag",
                                           "Div",
                                           "DivNoNan",
                                           "Einsum",
                                           "Elu",
                                           "Equal",
                                           "Erf",
                                           "Erfc",
                                           "Exp",
                                           "ExpandDims",
                                           "Expm1",
                                           "FFT",
                                           "FFT2D",
                                           "Fill",
                                           "Floor",
                                           "FloorDiv",
                                           "FloorMod",
                                           "FusedBatchNormV3",
                                           "GatherNd",
                                           "GatherV2",
                                           "Greater",
                                           "GreaterEqual",
                                           "IFFT",
                                           "IRFFT",
                                           "Identity",
                                           "IsFinite",
                                           "IsInf",
                                           "IsNan",
                                           "L2Loss",
                                           "LRN",
                                           "LeakyRelu",
                                           "Less",
                                           "LessEqual",
                                           "LinSpace",
                                           "Log",
                                           "Log1p",
                                           "LogSoftmax",
                                           "LogicalAnd",
                                           "LogicalNot",
                                           "LogicalOr",
                                           "MatMul",
                                           "MatrixBandPart",
                                           "MatrixDiag",
                                           "MatrixDiagV3",
                                           "MatrixInverse",
                                           "Max",
                                           "MaxPool",
                                           "MaxPool3D",
                                           "Maximum",
                                           "Mean",
                                           "Min",
                                           "Minimum",
                                           "MirrorPad",
                                           "Mod",
                                           "Mul",
                                           "MulNoNan",
                                           "Neg",
                                           "NotEqual",
                                           "OneHot",
                                           "OnesLike",
                                           "Pack",
                                           "Pad",
                                           "PadV2",
                                           "Pow",
                                           "Prod",
                                           "RFFT",
                                           "Range",
                                           "Rank",
                                           "RealDiv",
                                           "Reciprocal",
                                           "Relu",
                                           "Relu6",
                                           "Reshape",
                                           "ResizeBicubic",
                                           "ResizeBilinear",
                                           "ResizeNearestNeighbor",
                                           "ReverseV2",
                                           "Rint",
                                           "Roll",
                                           "Round",
                                           "Rsqrt",
                                           "ScatterNd",
                                           "Select",
                                           "SelectV2",
                                           "Selu",
                                           "Shape",
                                           "Sigmoid",
                                           "Sign",
                                           "Sin",
                                           "Sinh",
                                           "Size",
                                           "Slice",
                                           "Softmax",
                                           "Softplus",
                                           "Softsign",
                                           "SpaceToBatchND",
                                           "SpaceToDepth",
                                           "Split",
                                           "SplitV",
                                           "Sqrt",
                                           "Square",
                                           "SquaredDifference",
                                           "Squeeze",
                                           "StopGradient",
                                           "StridedSlice",
                                           "Sub",
                                           "Sum",
                                           "Tan",
                                           "Tanh",
                                           "Tile",
                                           "TopKV2",
                                           "Transpose",
                                           "TruncateDiv",
                                           "TruncateMod",
                                           "Unpack",
                                           "Where",
                                           "ZerosLike"};
static_assert(std::is_sorted(std::begin(kOperators), std::end(kOperators)));
// Parts of Keras whose classes only compute, though not all of them are known here.
constexpr std::string_view kComputingParts[] = {"activations", "constraints", "dtype_policies", "initializers", "layers",
                                                "losses",      "metrics",     "models",         "ops",          "optimizers",
                                                "quantizers",  "random",      "regularizers"};
// Keys whose text is a file that Keras opens.
constexpr std::string_view kFileKeys[] = {"filepath", "idf_weights", "vocabulary"};
constexpr std::string_view kSchemes[] = {"file://", "ftp://", "gs://", "hdfs://", "hf://", "http://", "https://", "s3://"};

template <class Range>
bool is_in(const Range& range, std::string_view text) noexcept {
  return std::find(std::begin(range), std::end(range), text) != std::end(range);
}

// Keras 2.11 to 2.15 registered its own optimizers as everybody's classes are, and .h5 files of it say so.
constexpr std::string_view kOptimizers[] = {"Adadelta", "Adafactor", "Adagrad", "Adam",    "AdamW", "Adamax",
                                            "Ftrl",     "Lion",      "Nadam",   "RMSprop", "SGD"};

bool is_own_optimizer(std::string_view name) noexcept {
  return name.starts_with("Custom>") && is_in(kOptimizers, name.substr(std::string_view("Custom>").size()));
}

std::optional<Verdict> verdict_of_class(std::string_view name) noexcept {
  const auto found = std::lower_bound(std::begin(kClasses), std::end(kClasses), name,
                                      [](const ClassRow& row, std::string_view wanted) { return row.name < wanted; });
  if (found == std::end(kClasses) || found->name != name) return std::nullopt;
  return found->verdict;
}

bool is_function(std::string_view name) noexcept {
  return std::binary_search(std::begin(kFunctions), std::end(kFunctions), name);
}

// The part of a module behind the package, where it is Keras under any of its names: "layers" of "keras.src.layers.core".
std::optional<std::string_view> keras_part(std::string_view module) noexcept {
  if (module.empty() || module == "builtins") return std::string_view();
  for (const std::string_view package : {"keras.src", "keras.api", "keras_core.src", "keras_core", "tensorflow.python.keras",
                                         "tensorflow.keras", "tf_keras.src", "tf_keras", "keras"}) {
    if (module == package) return std::string_view();
    if (!module.starts_with(package) || module[package.size()] != '.') continue;
    const std::string_view part = module.substr(package.size() + 1);
    return part.substr(0, part.find('.'));
  }
  return std::nullopt;
}

bool only_computes(std::string_view function) noexcept {
  const auto begins = [&](std::string_view prefix) { return function.starts_with(prefix); };
  return std::any_of(std::begin(kComputing), std::end(kComputing), begins) || is_in(kComputingWhole, function);
}

class Judge {
 public:
  Judge(std::string_view where, Told& told) : where_(where), told_(told) {}

  void value(Value value, const std::string& path) {
    if (value.is(ValueKind::kDict)) {
      named(value, path);
      for (std::size_t i = 0; i < value.size(); ++i) {
        const std::string_view key = value.key(i).is(ValueKind::kString) ? value.key(i).as_string() : std::string_view();
        const std::string own = path.size() > kLongestPlace ? path
                                : path.empty()              ? std::string(key.substr(0, kLongestPlace))
                                                            : text("{}.{}", path, key.substr(0, kLongestPlace));
        if (value.mapped(i).is(ValueKind::kString)) said(key, value.mapped(i).as_string(), own);
        this->value(value.mapped(i), own);
      }
    } else if (value.is(ValueKind::kList)) {
      for (std::size_t i = 0; i < value.size(); ++i)
        this->value(value.item(i), path.size() > kLongestPlace ? path : text("{}.{}", path, i));
    }
  }

 private:
  // `what` makes the sentence, where it is still wanted.
  template <class What>
  void tell(Verdict verdict, Rule rule, const std::string& path, const What& what, std::string_view subject = {}) {
    if (told_.is_full(verdict, rule)) return;
    told_.add({verdict, rule, path.empty() ? where_ : text("{} ({})", where_, printable(path)), what(), std::string(subject)});
  }

  // A text that Keras would open as a file or an address.
  void said(std::string_view key, std::string_view text_said, const std::string& path) {
    const auto begins = [&](std::string_view scheme) { return text_said.starts_with(scheme); };
    const bool is_address = std::any_of(std::begin(kSchemes), std::end(kSchemes), begins);
    if (is_address)
      tell(Verdict::kCode, Rule::kKerasAddress, path, [&] { return text("it names the address {}", printable(text_said)); });
    if (!is_address && is_in(kFileKeys, key) && !text_said.empty())
      tell(Verdict::kCode, Rule::kKerasFile, path, [&] { return text("it has Keras read the file {}", printable(text_said)); });
  }

  void named(Value dict, const std::string& path) {
    const auto name = dict.find_string("class_name");
    if (!name) return;
    const std::string_view module = dict.find_string("module").value_or("");
    const std::string_view registered = dict.find_string("registered_name").value_or("");
    if (*name == "__typespec__" && !module.empty() && !module.starts_with("tensorflow."))
      return import(text("{}.{}", module, dict.find_string("spec_name").value_or("")), module,
                    dict.find_string("spec_name").value_or(""), registered, path);
    if (is_in(kSpelled, *name)) return;
    if (*name == "__lambda__" || *name == "Lambda") {
      return tell(Verdict::kCode, Rule::kKerasLambda, path,
                  [] { return std::string("it runs Python code that the file holds (Lambda)"); });
    }
    if (*name == "function") return function(dict, module, path);
    if (*name == "TensorFlowOpLayer") return op_layer(dict.find("config").find("node_def").find_string("op"), path);
    if (*name == "TFOpLambda" || *name == "SlicingOpLambda") {
      const auto called = dict.find("config").find_string("function");
      if (called && only_computes(*called)) return;
      return tell(Verdict::kCode, Rule::kKerasClass, path,
                  [&] { return text("it calls TensorFlow's {}", printable(called.value_or("operators"))); });
    }
    class_named(*name, module, registered, path);
  }

  // A layer around a node of a graph.
  void op_layer(std::optional<std::string_view> op, const std::string& path) {
    if (op && std::binary_search(std::begin(kOperators), std::end(kOperators), *op)) return;
    tell(Verdict::kCode, Rule::kKerasClass, path,
         [&] { return text("it runs TensorFlow's operator {}", op ? printable(*op) : "of no name"); });
  }

  void class_named(std::string_view name, std::string_view module, std::string_view registered, const std::string& path) {
    const auto part = keras_part(module);
    if (module.empty() && is_own_optimizer(name)) return;
    // Of a FeatureSpace. Where no module is said, a class of this name is somebody's own.
    if (part == "layers" && name == "Feature") return;
    const auto known = verdict_of_class(name);
    if (part && known && module != "builtins") {
      if (*known != Verdict::kInert)
        tell(*known, Rule::kKerasClass, path, [&] { return text("its class {} runs what the file names", name); }, name);
      return;
    }
    const std::string full = module.empty() ? std::string(name) : text("{}.{}", module, name);
    // Python's own, unless Keras means one of its functions by it.
    if (module == "builtins") return import(full, module, name, registered, path);
    if (part && (part->empty() || is_in(kComputingParts, *part))) {
      return tell(
          Verdict::kCode, Rule::kKerasCustom, path, [&] { return text("its class {} is not one of Keras's", printable(full)); },
          full);
    }
    if (part) return call(full, path);
    import(full, module, name, registered, path);
  }

  void function(Value dict, std::string_view module, const std::string& path) {
    const auto name = dict.find_string("config");
    if (!name) return;
    const auto part = keras_part(module);
    if (part && is_function(*name)) return;
    const std::string full = module.empty() ? std::string(*name) : text("{}.{}", module, *name);
    const std::string_view registered = dict.find_string("registered_name").value_or("");
    if (module == "builtins") return import(full, module, *name, registered, path);
    if (part && !part->empty() && !is_in(kComputingParts, *part)) return call(full, path);
    if (part)
      return tell(
          Verdict::kCode, Rule::kKerasCustom, path,
          [&] { return text("its function {} is not one of Keras's", printable(full)); }, full);
    import(full, module, *name, registered, path);
  }

  void call(const std::string& full, const std::string& path) {
    tell(Verdict::kMalicious, Rule::kKerasImport, path, [&] { return text("it has Keras call {}", printable(full)); });
  }

  // Keras imports a module to find a class that nobody registered.
  void import(const std::string& full, std::string_view module, std::string_view name, std::string_view registered,
              const std::string& path) {
    const Verdict verdict = verdict_of_global(module, name);
    const auto what = [&] {
      const std::string known = registered.empty() ? "" : text(" (registered as {})", printable(registered));
      return text("it has Keras import {}{}", printable(full), known);
    };
    tell(verdict == Verdict::kMalicious ? verdict : Verdict::kCode, Rule::kKerasImport, path, what, full);
  }

  std::string where_;
  Told& told_;
};

}  // namespace

void judge_keras_config(Value config, std::string_view where, Told& told) { Judge(where, told).value(config, ""); }

void judge_keras_config(Value config, std::string_view where, Findings& findings) {
  Told told(findings);
  judge_keras_config(config, where, told);
}

bool is_known_to_keras(Value config) {
  const auto name = config.find_string("class_name");
  return name && (is_in(kSpelled, *name) || *name == "function" || *name == "__lambda__" || verdict_of_class(*name) ||
                  config.find_string("module"));
}

}  // namespace holdall

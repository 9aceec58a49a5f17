#include "holdall/trust/targets.h"

#include <algorithm>
#include <iterator>

#include "holdall/base/among.h"
#include "holdall/base/text.h"
#include "holdall/objects/globals.h"

namespace holdall {
namespace {

// Libraries that configurations are made of: what they name of these is called by every one of them.
constexpr std::string_view kFrameworks[] = {
    "datasets", "diffusers", "fsspec",      "h5py",    "huggingface_hub", "jax",   "joblib",     "keras",       "numpy",
    "onnx",     "pandas",    "safetensors", "sklearn", "tensorflow",      "torch", "torchaudio", "torchvision", "transformers"};

// Of these, what runs programs or texts.
constexpr std::string_view kNeverMeant[] = {"numpy.distutils",
                                            "numpy.f2py",
                                            "numpy.testing",
                                            "pandas.core.computation",
                                            "torch.utils.collect_env",
                                            "torch.utils.cpp_extension",
                                            "torch.jit.unsupported_tensor_ops"};

constexpr std::string_view kTargets[] = {"target", "class_path", "()"};

// Functions of frameworks that run, fetch or overwrite what they are given the name of.
constexpr std::string_view kActing[] = {"fsspec.open",
                                        "h5py.File",
                                        "joblib.dump",
                                        "joblib.load",
                                        "numpy.ctypeslib.load_library",
                                        "numpy.load",
                                        "numpy.save",
                                        "numpy.savetxt",
                                        "numpy.savez",
                                        "pandas.read_pickle",
                                        "tensorflow.load_library",
                                        "tensorflow.load_op_library",
                                        "torch.classes.load_library",
                                        "torch.hub.load",
                                        "torch.hub.download_url_to_file",
                                        "torch.jit.load",
                                        "torch.load",
                                        "torch.ops.load_library",
                                        "torch.save",
                                        "torch.utils.cpp_extension.load",
                                        "torch.utils.cpp_extension.load_inline",
                                        "transformers.pipeline"};

// Classes that hold what they are given, whatever it is: logs of training have them of their arguments.
constexpr std::string_view kPlainClasses[] = {"argparse.Namespace",
                                              "collections.OrderedDict",
                                              "collections.defaultdict",
                                              "datetime.date",
                                              "datetime.datetime",
                                              "datetime.time",
                                              "datetime.timedelta",
                                              "datetime.timezone",
                                              "decimal.Decimal",
                                              "pathlib.Path",
                                              "pathlib.PosixPath",
                                              "pathlib.PurePath",
                                              "pathlib.PurePosixPath",
                                              "pathlib.PureWindowsPath",
                                              "pathlib.WindowsPath",
                                              "pathlib._local.PosixPath",
                                              "torch.Size",
                                              "torch.device",
                                              "types.SimpleNamespace",
                                              "uuid.UUID"};
// Types that make no more than they are given.
constexpr std::string_view kPlainTypes[] = {"builtins.bool", "builtins.dict", "builtins.float", "builtins.int",
                                            "builtins.list", "builtins.set",  "builtins.str",   "builtins.tuple"};

}  // namespace

Verdict verdict_of_target(std::string_view target) {
  const std::size_t dot = target.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return Verdict::kCode;
  if (std::any_of(std::begin(kNeverMeant), std::end(kNeverMeant), [&](std::string_view module) {
        return target.starts_with(module) && target.substr(module.size()).starts_with('.');
      }))
    return Verdict::kMalicious;
  const std::string_view first = target.substr(0, target.find('.'));
  if (std::find(std::begin(kFrameworks), std::end(kFrameworks), first) != std::end(kFrameworks)) return Verdict::kCode;
  const Verdict verdict = verdict_of_global(target.substr(0, dot), target.substr(dot + 1));
  return verdict == Verdict::kMalicious ? verdict : Verdict::kCode;
}

bool is_never_meant(std::string_view target) {
  return is_among(kActing, target) || verdict_of_target(target) == Verdict::kMalicious;
}

bool is_target_key(std::string_view key) noexcept { return is_among(kTargets, key); }

bool is_dotted_name(std::string_view name) noexcept {
  const auto is_part = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  };
  return name.find('.') != std::string_view::npos && !name.starts_with('.') && !name.ends_with('.') &&
         std::all_of(name.begin(), name.end(), is_part);
}

bool is_plain_class(std::string_view name) noexcept { return is_among(kPlainClasses, name); }

bool is_plain_type(std::string_view name) noexcept { return is_among(kPlainTypes, name); }

bool is_never_a_handler(std::string_view name) {
  constexpr std::string_view kLogging = "logging.", kHandlers = "handlers.", kConfig = "config.";
  std::string_view own = name;
  if (own.starts_with(kLogging)) own.remove_prefix(kLogging.size());
  const bool is_within = own.size() < name.size() || own.starts_with(kHandlers) || own.starts_with(kConfig);
  if (own.starts_with(kHandlers)) own.remove_prefix(kHandlers.size());
  const bool is_class = !own.empty() && own.front() >= 'A' && own.front() <= 'Z' && own.find('.') == own.npos;
  if (is_class) return false;
  return is_within || name.find('.') == name.npos ? is_dotted_name(text("logging.{}", name)) : is_never_meant(name);
}

std::string cut_for_finding(std::string_view shown) { return std::string(shown.substr(0, 120)); }

}  // namespace holdall

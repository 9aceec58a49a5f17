#include "holdall/formats/evaluated.h"

#include <algorithm>
#include <iterator>

#include "holdall/base/among.h"
#include "holdall/base/printable.h"
#include "holdall/base/text.h"
#include "holdall/codec/python_text.h"

namespace holdall {
namespace {

// ultralytics/nn/autobackend.py and, before it, YOLOv5's models/common.py.
constexpr std::string_view kKeys[] = {"args", "end2end", "imgsz", "kpt_names", "kpt_shape", "names", "stride"};
constexpr std::string_view kReaching[] = {"__import__", "compile", "eval", "exec", "getattr", "open"};
constexpr std::string_view kModules[] = {"builtins.", "ctypes.", "importlib.",  "os.", "posix.",
                                         "shutil.",   "socket.", "subprocess.", "sys."};
constexpr std::size_t kShown = 120;

}  // namespace

bool is_evaluated_key(std::string_view key) noexcept { return is_among(kKeys, key); }

void judge_evaluated(std::string_view python, std::string place, Told& told) {
  const auto acting = acting_in_python(python);
  if (!acting) return;
  const bool reaches =
      is_among(kReaching, *acting) || std::any_of(std::begin(kModules), std::end(kModules),
                                                  [&](std::string_view module) { return acting->starts_with(module); });
  std::string shown = printable(acting->substr(0, kShown));
  std::string what = text("a loader that evaluates this text calls '{}'", shown);
  told.add({reaches ? Verdict::kMalicious : Verdict::kCode, Rule::kEvaluatedText, std::move(place), std::move(what),
            std::move(shown)});
}

}  // namespace holdall

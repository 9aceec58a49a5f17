#include "holdall/trust/components.h"

#include <filesystem>

#include "holdall/base/among.h"
#include "holdall/base/printable.h"
#include "holdall/base/text.h"
#include "holdall/objects/told.h"
#include "holdall/trust/json_readings.h"

namespace holdall {
namespace {

constexpr std::string_view kIndex = "model_index.json";

void judge_index(const Tree& folder, const std::string& name, Value index, Told& told) {
  const std::string place = name.substr(0, name.size() - kIndex.size()), pipeline = place + "pipeline.py";
  if (!index.is(ValueKind::kDict)) return;
  if (folder.has(pipeline))
    told.add({Verdict::kCode, Rule::kCustomPipeline, folder.prefix + name,
              text("a pipeline that is loaded with custom_pipeline runs '{}'", printable(pipeline)), pipeline});
  for (std::size_t i = 0; i < index.size() && !told.is_full(Verdict::kCode, Rule::kCustomPipeline); ++i) {
    const Value part = index.mapped(i);
    if (!part.is(ValueKind::kList) || part.size() < 1 || !part.item(0).is(ValueKind::kString)) continue;
    const std::string_view library = part.item(0).as_string();
    const std::string beside = text("{}{}/{}.py", place, index.key(i).as_string(), library);
    const std::string above = text("{}{}.py", place, library);
    if (folder.has(beside))
      told.add({Verdict::kCode, Rule::kCustomPipeline, folder.prefix + name,
                text("with trust_remote_code the pipeline runs '{}'", printable(beside)), beside});
    if (folder.has(above))
      told.add({Verdict::kCode, Rule::kCustomPipeline, folder.prefix + name,
                text("a pipeline that is loaded in this folder imports '{}'", printable(above)), above});
  }
}

}  // namespace

namespace {

// Of these a loader in the folder takes the one beside the model, whatever is installed.
constexpr std::string_view kImported[] = {"_loss", "dateutil",    "joblib", "keras",   "numpy",      "onnx",  "pandas",
                                          "pytz",  "safetensors", "scipy",  "sklearn", "tensorflow", "torch", "transformers"};

// What loaders run of a folder because of its own name, or of what lies beside. An archive unpacks to a folder, most often.
void judge_scripts(const Tree& folder, Told& told) {
  const bool is_archive = folder.prefix.ends_with('!');
  const std::string own = std::filesystem::path(folder.prefix).parent_path().lexically_normal().filename().string();
  for (const std::string& name : folder.names) {
    if (!name.ends_with(".py")) continue;
    const auto tell = [&](std::string_view runs) {
      told.add({Verdict::kCode, Rule::kAutoMap, folder.prefix + name, text("{} runs '{}'", runs, printable(name)), name});
    };
    const std::size_t slash = name.rfind('/');
    const std::string place = slash == name.npos ? std::string() : name.substr(0, slash + 1);
    if (name == place + "custom.py" && folder.has(place + "hyperparams.yaml")) tell("SpeechBrain's foreign_class()");
    std::string_view within = name;  // the folder that it unpacks to
    std::string_view root = own;
    if (const std::size_t first = name.find('/'); is_archive && first != name.npos) {
      root = within.substr(0, first);
      within.remove_prefix(first + 1);
    }
    if (within == text("{}.py", root)) tell("datasets.load_dataset() of this folder with trust_remote_code");
    const std::string_view module = within.substr(0, within.find_first_of("/."));
    const bool is_module = within == text("{}.py", module) || within == text("{}/__init__.py", module);
    if (is_module && is_among(kImported, module)) tell(text("a loader in this folder that imports {}", module));
  }
}

}  // namespace

void judge_components(const Tree& folder, const Limits& limits, Findings& findings) {
  Told told(findings);
  judge_scripts(folder, told);
  for (const std::string& name : folder.names) {
    if (name != kIndex && !name.ends_with("/model_index.json")) continue;
    const auto source = folder.open(name);
    const Result<Bytes> bytes = source ? read_all(**source, limits.header_bytes) : Result<Bytes>(source.error());
    if (!bytes) continue;  // which is said of the file
    // That it is no JSON is said of the file, too.
    (void)each_reading(bytes->text(), limits, [&](Value document) { judge_index(folder, name, document, told); });
  }
}

}  // namespace holdall

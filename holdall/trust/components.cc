#include "holdall/trust/components.h"

#include <filesystem>

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

// What loaders run of a folder by its own name, or by what lies beside it.
void judge_scripts(const Tree& folder, Told& told) {
  const auto tell = [&](const std::string& script, std::string_view runs) {
    told.add({Verdict::kCode, Rule::kAutoMap, folder.prefix + script, text("{} runs '{}'", runs, printable(script)), script});
  };
  const std::filesystem::path path = std::filesystem::path(folder.prefix).parent_path().lexically_normal();
  const std::string script = path.filename().string() + ".py";
  if (folder.has(script)) tell(script, "datasets.load_dataset() of this folder with trust_remote_code");
  // Of these a loader in the folder takes the one beside the model, whatever is installed.
  constexpr std::string_view kImported[] = {"_loss", "dateutil",    "joblib", "keras",   "numpy",      "onnx",  "pandas",
                                            "pytz",  "safetensors", "scipy",  "sklearn", "tensorflow", "torch", "transformers"};
  for (const std::string_view module : kImported)
    for (const std::string& file : {text("{}.py", module), text("{}/__init__.py", module)})
      if (folder.has(file)) tell(file, text("a loader in this folder that imports {}", module));
  if (folder.has("hyperparams.yaml") && folder.has("custom.py")) tell("custom.py", "SpeechBrain's foreign_class()");
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

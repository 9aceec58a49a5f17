#include "holdall/formats/side_files.h"

#include <set>
#include <utility>

#include "holdall/io/bundle.h"

namespace holdall {

std::string_view config_file(const Model& model) noexcept {
  return model.config().find("peft_type") ? "adapter_config.json" : "config.json";
}

void add_side_files(const Model& model, Plan& plan) {
  if (plan.holds_side_files) return;
  if (!plan.folder) {
    const bool has_config = model.config() && !model.config().is_null();
    for (const auto& [name, blob] : model.side_files()) {
      if (has_config && name == config_file(model)) continue;
      plan.losses.push_back({name, "one file has no place for it; a folder has (--to huggingface)"});
    }
    return;
  }
  std::set<std::string> taken;
  for (const PlannedFile& file : plan.files) taken.insert(file.name);
  for (const auto& [name, blob] : model.side_files()) {
    if (taken.contains(name)) continue;
    if (!is_contained(name)) {
      plan.losses.push_back({name, "a side file of this name leads out of the folder"});
      continue;
    }
    PlannedFile file;
    file.name = name;
    file.add(blob);
    plan.files.push_back(std::move(file));
  }
}

}  // namespace holdall

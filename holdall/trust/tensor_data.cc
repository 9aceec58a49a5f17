#include "holdall/trust/tensor_data.h"

#include <filesystem>

#include "holdall/core/model.h"
#include "holdall/formats/appearance.h"
#include "holdall/formats/format.h"
#include "holdall/trust/guises.h"
#include "holdall/trust/prose.h"

namespace holdall {

std::set<std::string> tensor_files(const std::string& path, const Limits& limits) {
  std::set<std::string> files;
  const Result<Bundle> bundle = Bundle::open(path, limits);
  const Result<const Format*> format = bundle ? detect(*bundle, limits) : Result<const Format*>(bundle.error());
  if (!format) return files;
  const Result<Model> model = (*format)->read(*bundle, Context{.limits = limits});
  if (!model) return files;
  std::error_code error;
  const std::string own = std::filesystem::canonical(path, error).string();
  for (const NamedTensor& entry : model->tensors()) {
    const auto& storage = entry.tensor.storage();
    const auto place = storage ? storage->data.locate() : std::nullopt;
    if (!place) continue;
    const std::string file = std::filesystem::canonical(place->path, error).string();
    if (!error && file != own) files.insert(file);
  }
  return files;
}

bool may_be_tensors(const std::string& path, const Limits& limits) {
  const Result<Bundle> bundle = Bundle::open(path, limits);
  if (!bundle || bundle->kind() != Bundle::Kind::kFile) return false;
  const Result<const Format*> format = detect(*bundle, limits);
  if (format)
    return guises_of(**format).pickle &&
           wording_of(bundle->main(), limits) != Wording::kUnread;  // of which nothing was told but that it is none
  Peek peek(*bundle, limits);
  return is_formless(peek);
}

}  // namespace holdall

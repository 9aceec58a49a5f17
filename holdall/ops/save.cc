// save_model() and what it shares with convert_model(): choosing the format, refusing, writing.
#include <algorithm>
#include <filesystem>
#include <set>

#include "holdall/base/text.h"
#include "holdall/formats/side_files.h"
#include "holdall/io/bundle.h"
#include "holdall/ops/convert.h"

namespace holdall {
namespace {

namespace fs = std::filesystem;

std::string writable_formats() {
  std::string list;
  for (const Format* format : all_formats())
    if (format->plan != nullptr) list += (list.empty() ? "" : ", ") + std::string(format->id);
  return list;
}

Result<const Format*> writable(const Format* format) {
  if (format->plan != nullptr) return format;
  return unsupported(text("{} can be read, not written; written are {}", format->id, writable_formats()));
}

Result<const Format*> named(const std::string& id) {
  if (const Format* format = format_by_id(id)) return writable(format);
  std::vector<std::string> ids;
  for (const Format* format : all_formats()) ids.emplace_back(format->id);
  const std::vector<std::string> nearest = nearest_names(id, ids);
  std::string message = text("there is no format '{}'", id);
  message += nearest.empty() ? text("; written are {}", writable_formats()) : text("; did you mean '{}'?", nearest.front());
  return invalid_argument(std::move(message));
}

std::string file_name(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return fs::path(path).filename().string();
}

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return fs::equivalent(a, b, ignored);
}

// The files that a model is read from, as paths; relative ones lie in the folder, or beside the file, that was opened.
std::vector<std::string> files_of(const Origin& origin) {
  std::error_code ignored;
  const fs::path base = fs::is_directory(origin.path, ignored) ? fs::path(origin.path) : fs::path(origin.path).parent_path();
  std::vector<std::string> files = {origin.path};
  for (const std::string& file : origin.files) files.push_back((base / file).string());
  return files;
}

// A model that becomes one file of a folder.
Status add_beside(Plan& plan, const std::string& name, const Model& model) {
  if (!plan.folder || !is_contained(name)) return invalid_argument(text("'{}' cannot stand beside this model", name));
  HOLDALL_ASSIGN(const Format* format, format_to_write(name, {}, model));
  WriteOptions write;
  write.name = file_name(name);
  HOLDALL_ASSIGN(Plan own, format->plan(model, write));
  if (own.folder || own.files.size() != 1) return invalid_argument(text("'{}' is no single file", name));
  own.files.front().name = name;
  plan.files.push_back(std::move(own.files.front()));
  for (Loss& loss : own.losses) plan.losses.push_back({text("{}: {}", name, loss.where), std::move(loss.what)});
  return {};
}

// Replacing a folder takes away what is in it: only where the plan writes each of its files again.
Status refuse_foreign_folder(const Plan& plan, const std::string& path, const std::vector<std::string>& may_go,
                             const Limits& limits) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return {};
  if (!plan.folder) return Error(Code::kAlreadyExists, "a folder is there already").in(path);
  HOLDALL_ASSIGN(const Bundle there, Bundle::open(path, limits));
  std::set<std::string_view> written(may_go.begin(), may_go.end());
  for (const PlannedFile& file : plan.files) written.insert(file.name);
  for (const std::string& name : there.names()) {
    if (written.contains(name)) continue;
    return Error(Code::kAlreadyExists, text("the folder holds '{}', which would be lost; give the path of a new one", name))
        .in(path);
  }
  return {};
}

}  // namespace

Status refuse_own_input(const Model& model, const std::string& path) {
  std::error_code ignored;
  if (model.origin().path.empty() || !fs::exists(path, ignored)) return {};
  for (const std::string& file : files_of(model.origin())) {
    if (is_same_file(file, path)) {
      return invalid_argument(text("the output is '{}', which is being read; write elsewhere and rename", file)).in(path);
    }
  }
  return {};
}

Result<const Format*> format_to_write(const std::string& path, const std::string& to, const Model& model) {
  if (!to.empty()) return named(to);
  if (const Format* format = format_by_extension(file_name(path))) return writable(format);
  const fs::path extension = fs::path(file_name(path)).extension();
  const Format* own = format_by_id(model.origin().format);
  const bool may_stay = own != nullptr && own->plan != nullptr && (own->folder || extension.empty());
  if (may_stay) return own;
  const std::string named_so =
      extension.empty() ? "a name without an extension" : text("the extension '{}'", extension.string());
  std::vector<std::string> extensions;
  for (const Format* format : all_formats())
    if (format->plan != nullptr) extensions.insert(extensions.end(), format->extensions.begin(), format->extensions.end());
  const std::vector<std::string> nearest =
      extension.empty() ? std::vector<std::string>() : nearest_names(extension.string(), extensions);
  const std::string meant =
      nearest.empty() ? text("name one of {}", writable_formats()) : text("did you mean '{}'?", nearest.front());
  return invalid_argument(text("{} says no format; {}", named_so, meant)).in(path);
}

Error loss_error(const std::vector<Loss>& losses, std::string_view format) {
  std::string message = text("{} cannot hold {} thing{} of this model", format, losses.size(), losses.size() == 1 ? "" : "s");
  constexpr std::size_t kShown = 20;
  for (std::size_t i = 0; i < std::min(losses.size(), kShown); ++i) {
    message += text("{} {}: {}", i == 0 ? ":" : ";", losses[i].where, losses[i].what);
  }
  if (losses.size() > kShown) message += text("; and {} more", losses.size() - kShown);
  return Error(Code::kLoss, std::move(message));
}

Result<Plan> plan_model(const Model& model, const std::string& path, const SaveOptions& options) {
  HOLDALL_ASSIGN(const Format* format, format_to_write(path, options.to, model));
  HOLDALL_TRY(refuse_own_input(model, path));
  WriteOptions write = options.write;
  write.name = file_name(path);
  Result<Plan> plan = format->plan(model, write);
  if (!plan) return std::move(plan).error().in(path);
  for (const std::string& what : model.left_out()) plan->losses.push_back({"file", what});
  if (!plan->folder) {
    for (std::size_t i = 1; i < plan->files.size(); ++i)
      HOLDALL_TRY(refuse_own_input(model, (fs::path(path).parent_path() / plan->files[i].name).string()));
  }
  if (!format->folder) add_side_files(model, *plan);
  for (const auto& [name, other] : options.beside) HOLDALL_TRY(add_beside(*plan, name, *other));
  HOLDALL_TRY(refuse_foreign_folder(*plan, path, options.may_go, Limits{}));
  return plan;
}

Status save_model(const Model& model, const std::string& path, const SaveOptions& options) {
  HOLDALL_ASSIGN(const Format* format, format_to_write(path, options.to, model));
  HOLDALL_ASSIGN(const Plan plan, plan_model(model, path, options));
  if (!plan.losses.empty() && options.losses == SaveOptions::Losses::kRefuse) {
    return loss_error(plan.losses, format->id).in(path);
  }
  return execute(plan, path, options.execute);
}

}  // namespace holdall

#include "holdall/ops/names_file.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/core/beside.h"
#include "holdall/io/source.h"
#include "holdall/ops/edit.h"
#include "holdall/ops/glob.h"

namespace holdall {
namespace {

constexpr std::uint64_t kMostBytes = 64u << 20;

Result<NameLine> parse_line(std::string_view given) {
  const std::size_t equals = given.find('=');
  if (equals == std::string_view::npos || equals == 0) return invalid_argument(text("it is no OLD=NEW: '{}'", given));
  NameLine line{std::string(given.substr(0, equals)), {}};
  std::string_view rest = given.substr(equals + 1);
  line.to = rest.substr(0, rest.find('\t'));
  rest.remove_prefix(std::min(line.to.size() + 1, rest.size()));
  HOLDALL_ASSIGN(line.arrangement, parse_arrangement(rest));
  if (line.to.empty()) {
    if (std::count(line.from.begin(), line.from.end(), '*') <= 1) return line;
    return invalid_argument(text("'{}' has more than one '*'", line.from));
  }
  const std::pair<std::string, std::string> rule(line.from, line.to);
  HOLDALL_TRY(check_rules(std::span(&rule, 1)));
  return line;
}

// Lines by their exact names, and those with a '*' in their order.
class Lines {
 public:
  explicit Lines(const std::vector<NameLine>& lines) {
    for (const NameLine& line : lines) {
      if (line.from.find('*') == std::string::npos) {
        const bool is_first = exact_.emplace(line.from, &line).second;
        if (!is_first && !line.to.empty()) again_.push_back(&line);
      } else {
        patterns_.push_back(&line);
      }
    }
  }

  struct Found {
    std::string name;
    const Arrangement* arrangement;
  };
  std::optional<Found> find(const std::string& name) const {
    const auto known = exact_.find(name);
    if (known != exact_.end()) return Found{known->second->to, &known->second->arrangement};
    for (const NameLine* line : patterns_) {
      const std::pair<std::string, std::string> rule(line->from, line->to.empty() ? "*" : line->to);
      const std::optional<std::string> made = renamed(std::span(&rule, 1), name);
      if (made) return Found{line->to.empty() ? "" : *made, &line->arrangement};
    }
    return std::nullopt;
  }
  // Second lines of a name.
  const std::vector<const NameLine*>& again() const noexcept { return again_; }

 private:
  std::map<std::string_view, const NameLine*> exact_;
  std::vector<const NameLine*> again_;
  std::vector<const NameLine*> patterns_;
};

// The model with what second lines of a name give beside it, as a flat list.
Result<Model> with_more(const Model& model, Model made, const std::vector<const NameLine*>& lines,
                        std::vector<std::string>& renamed) {
  if (lines.empty()) return made;
  ModelBuilder builder = beside(made);
  std::vector<std::string> names;
  for (const NamedTensor& entry : made.tensors()) {
    builder.add(entry.tensor, entry.file);
    names.push_back(entry.name);
  }
  for (const NameLine* line : lines) {
    const NamedTensor& entry = *model.find(line->from);
    Result<Tensor> tensor = arranged(entry.tensor, line->arrangement);
    if (!tensor) return std::move(tensor).error().with(text("tensor '{}'", entry.name)).in(model.origin().path);
    builder.add(std::move(*tensor), entry.file);
    names.push_back(line->to);
    renamed.push_back(text("{}={}", line->from, line->to));
  }
  if (std::set<std::string>(names.begin(), names.end()).size() != names.size()) {
    return invalid_argument("two tensors would have one name").in(model.origin().path);
  }
  return std::move(builder).named(std::move(names));
}

Status require_tensors(const Model& model, const std::vector<NameLine>& lines) {
  for (const NameLine& line : lines) {
    if (line.from.find('*') != std::string::npos) continue;
    if (Result<Tensor> there = model.tensor(line.from); !there) return std::move(there).error();
  }
  return {};
}

}  // namespace

Result<std::vector<NameLine>> parse_names(std::string_view rest) {
  std::vector<NameLine> lines;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    Result<NameLine> parsed = parse_line(line);
    if (!parsed) return std::move(parsed).error().with(text("line {} of the names", number));
    lines.push_back(std::move(*parsed));
  }
  return lines;
}

Result<std::vector<NameLine>> read_names(const std::string& path) {
  HOLDALL_ASSIGN(const SourceRef file, open_file(path));
  HOLDALL_ASSIGN(const Bytes bytes, read_all(*file, kMostBytes));
  Result<std::vector<NameLine>> lines = parse_names(bytes.text());
  if (!lines) return std::move(lines).error().in(path);
  return lines;
}

Result<std::string> to_line(const NameLine& line) {
  constexpr std::string_view kBreaks = "\n\r";
  const bool starts_badly = line.from.empty() || line.from.front() == '#';
  if (starts_badly || line.from.find_first_of("=*") != std::string::npos || line.to.find_first_of("\t*") != std::string::npos ||
      (line.from + line.to).find_first_of(kBreaks) != std::string::npos) {
    return invalid_argument(text("no line of a names file can say '{}={}'", line.from, line.to));
  }
  const std::string steps = to_string(line.arrangement);
  return text("{}={}{}{}", line.from, line.to, steps.empty() ? "" : "\t", steps);
}

Result<Model> with_names(const Model& model, const std::vector<NameLine>& lines, std::vector<std::string>& renamed,
                         std::vector<std::string>* left_out) {
  HOLDALL_TRY(require_tensors(model, lines));
  const Lines table(lines);
  Edits edits = Edits::none(model);
  std::set<std::uint32_t> named;
  std::vector<bool> found(model.tensors().size());
  for (std::size_t i = 0; i < model.tensors().size(); ++i) {
    const NamedTensor& entry = model.tensors()[i];
    const auto line = table.find(entry.name);
    if (!line) continue;
    found[i] = true;
    if (line->name.empty()) {
      edits.names[i] = std::nullopt;
      continue;
    }
    named.insert(entry.index);
    Result<Tensor> made = arranged(entry.tensor, *line->arrangement);
    if (!made) return std::move(made).error().with(text("tensor '{}'", entry.name)).in(model.origin().path);
    edits.tensors[i] = std::move(*made);
    edits.names[i] = line->name;
    if (line->name != entry.name) renamed.push_back(text("{}={}", entry.name, line->name));
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    const NamedTensor& entry = model.tensors()[i];
    const bool is_named = named.contains(entry.index);
    if (!found[i] && is_named) edits.names[i] = std::nullopt;
    if (found[i] && !is_named && left_out != nullptr) left_out->push_back(entry.name);
  }
  HOLDALL_ASSIGN(Model made, edit_model(model, std::move(edits)));
  return with_more(model, std::move(made), table.again(), renamed);
}

}  // namespace holdall

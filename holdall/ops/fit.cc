#include "holdall/ops/fit.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <unordered_set>

#include "holdall/base/keyed_hash.h"
#include "holdall/base/text.h"
#include "holdall/ops/glob.h"

namespace holdall {
namespace {

// What wrappers put before the names of what they wrap: DataParallel, torch.compile, Lightning, averaged models.
constexpr std::array<std::string_view, 4> kWrappers = {"module.", "_orig_mod.", "model.", "_forward_module."};
// Where several places fit equally well, those of these names are taken before others, the first of them first.
constexpr std::array<std::string_view, 10> kPlaces = {"model_state_dict", "state_dict", "model",   "module",  "_orig_mod",
                                                      "_forward_module",  "net",        "network", "weights", "params"};
// Of so many of the module's names, prefixes are looked for.
constexpr std::size_t kSampled = 64;
constexpr std::size_t kListed = 20;

struct KeyedHash {
  std::size_t operator()(const std::string& key) const noexcept { return keyed_hash(key); }
};

// The file's names as the caller's prefix and rules make them.
class Names {
 public:
  Names(const Model& model, const FitOptions& options) : model_(model), called_(model.tensors().size()) {
    const auto& tensors = model.tensors();
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (!tensors[i].name.starts_with(options.prefix)) continue;
      std::string name = tensors[i].name.substr(options.prefix.size());
      name = options.renamer ? options.renamer(name) : renamed(options.rename, name).value_or(name);
      called_[i] = name;
      if (by_name_.insert_or_assign(name, i).second) names_.push_back(std::move(name));
    }
  }

  const std::vector<std::string>& all() const noexcept { return names_; }
  std::optional<std::size_t> find(const std::string& name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? std::nullopt : std::optional(found->second);
  }
  const Tensor& tensor(std::size_t i) const noexcept { return model_.tensors()[i].tensor; }
  // What a tensor is called; empty where it does not lie under the caller's prefix.
  const std::optional<std::string>& called(std::size_t i) const noexcept { return called_[i]; }

 private:
  const Model& model_;
  std::vector<std::optional<std::string>> called_;
  std::vector<std::string> names_;  // in the file's order
  std::unordered_map<std::string, std::size_t, KeyedHash> by_name_;
};

// An attempt: the module's names without `own` stand in the file behind `file`.
struct Prefixes {
  std::string file, own;
  bool operator==(const Prefixes&) const = default;
};

struct Match {
  Prefixes prefixes;
  std::vector<Fit::Pair> pairs;  // of whatever shapes
  std::size_t fitting = 0;       // those of equal shapes
};

Match match(const Names& names, const std::vector<FitEntry>& entries, Prefixes prefixes) {
  Match made{std::move(prefixes), {}, 0};
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::string& own = entries[i].name;
    if (!own.starts_with(made.prefixes.own)) continue;
    const auto found = names.find(made.prefixes.file + own.substr(made.prefixes.own.size()));
    if (!found) continue;
    made.pairs.push_back({i, *found});
    made.fitting += names.tensor(*found).shape() == entries[i].shape ? 1 : 0;
  }
  return made;
}

// Those worth a try: under which a name of the module stands in the file, or one of the file in the module.
std::vector<Prefixes> worth_a_try(const Names& names, const std::vector<FitEntry>& entries) {
  std::vector<Prefixes> tries;
  std::unordered_set<std::string, KeyedHash> seen;
  const auto add = [&](std::string_view file, std::string_view own) {
    if (seen.insert(text("{}\n{}", file, own)).second) tries.push_back({std::string(file), std::string(own)});
  };
  for (const std::string_view wrapper : kWrappers) add("", wrapper);
  const auto ends_with_component = [](std::string_view name, std::string_view end) {
    return name.size() > end.size() && name.ends_with(end) && name[name.size() - end.size() - 1] == '.';
  };
  for (std::size_t i = 0; i < std::min(entries.size(), kSampled); ++i) {
    const std::string_view own = entries[i].name;
    for (const std::string_view file : names.all()) {
      if (ends_with_component(file, own)) add(file.substr(0, file.size() - own.size()), "");
      if (ends_with_component(own, file)) add("", own.substr(0, own.size() - file.size()));
    }
  }
  return tries;
}

// The known places that a prefix begins with, as indices into kPlaces, and what comes after them.
std::pair<std::vector<std::size_t>, std::string_view> known_places(std::string_view prefix) {
  std::vector<std::size_t> places;
  while (!prefix.empty()) {
    const auto found = std::find(kPlaces.begin(), kPlaces.end(), prefix.substr(0, prefix.find('.')));
    if (found == kPlaces.end()) break;
    places.push_back(static_cast<std::size_t>(found - kPlaces.begin()));
    prefix.remove_prefix(std::min(prefix.size(), found->size() + 1));
  }
  return {std::move(places), prefix};
}

bool ends_with_part(std::string_view prefix, std::string_view end) {
  return prefix.ends_with(end) && (end.empty() || prefix.size() == end.size() || prefix[prefix.size() - end.size() - 1] == '.');
}

// Of places that fit equally well the one of a well-known name; null where they differ in more than the place.
const Match* best_known(const std::vector<Match>& equals) {
  const Match* best = nullptr;
  std::vector<std::size_t> best_places;
  for (const Match& match : equals) {
    std::vector<std::size_t> places = known_places(match.prefixes.file).first;
    if (!match.prefixes.own.empty() || places.empty() || (best != nullptr && best_places <= places)) continue;
    best = &match;
    best_places = std::move(places);
  }
  if (best == nullptr) return nullptr;
  const std::string_view rest = known_places(best->prefixes.file).second;
  const bool in_place_of_all = std::all_of(equals.begin(), equals.end(), [&](const Match& other) {
    return other.prefixes.own.empty() && ends_with_part(other.prefixes.file, rest);
  });
  return in_place_of_all ? best : nullptr;
}

bool is_number(std::string_view part) {
  return !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Places that differ from `prefix` in one number and hold a name of the module: what else the file has of its kind.
std::vector<std::string> siblings(const Names& names, const std::vector<FitEntry>& entries, std::string_view prefix) {
  std::vector<std::string> found;
  for (std::size_t at = 0, end = 0; at < prefix.size(); at = end + 1) {
    end = prefix.find('.', at);
    if (end == std::string_view::npos) break;
    if (!is_number(prefix.substr(at, end - at))) continue;
    std::unordered_set<std::string, KeyedHash> own, seen;
    for (const FitEntry& entry : entries) own.insert(std::string(prefix.substr(end)) + entry.name);
    for (const std::string_view name : names.all()) {
      if (!name.starts_with(prefix.substr(0, at))) continue;
      const std::string_view number = name.substr(at, name.find('.', at) - at);
      if (!is_number(number) || number == prefix.substr(at, end - at)) continue;
      if (!own.contains(std::string(name.substr(at + number.size())))) continue;
      std::string place = text("{}{}{}", prefix.substr(0, at), number, prefix.substr(end));
      if (seen.insert(place).second) found.push_back(std::move(place));
    }
  }
  return found;
}

Error ambiguous(const std::vector<std::string>& places, std::string_view remedy) {
  std::string listed;
  for (std::size_t i = 0; i < std::min(places.size(), kListed); ++i) listed += text("{}{}", i == 0 ? "" : ", ", places[i]);
  if (places.size() > kListed) listed += text(" and {} more", places.size() - kListed);
  return Error(Code::kConflict, text("several places fit: {}; {}", listed, remedy));
}

Error ambiguous(const std::vector<Match>& equals, const std::string& prefix) {
  const bool in_module =
      std::any_of(equals.begin(), equals.end(), [](const Match& match) { return match.prefixes.file.empty(); });
  std::vector<std::string> places;
  for (const Match& match : equals) {
    const auto& [file, own] = match.prefixes;
    places.push_back(own.empty() ? prefix + file : own + " of the module");
  }
  return ambiguous(places, in_module ? "say which with prefix= or rename=" : "give prefix=");
}

Result<Match> best_match(const Names& names, const std::vector<FitEntry>& entries, const std::string& prefix) {
  std::vector<Match> equals;
  equals.push_back(match(names, entries, {}));
  if (equals[0].fitting == entries.size()) return std::move(equals[0]);
  for (Prefixes& prefixes : worth_a_try(names, entries)) {
    Match other = match(names, entries, std::move(prefixes));
    if (other.fitting < equals[0].fitting || other.fitting == 0) continue;
    if (other.fitting > equals[0].fitting) equals.clear();
    equals.push_back(std::move(other));
  }
  // Names as they are come first.
  if (equals[0].prefixes == Prefixes{}) return std::move(equals[0]);
  const Match* best = equals.size() == 1 ? equals.data() : best_known(equals);
  if (best == nullptr) return ambiguous(equals, prefix);
  std::vector<std::string> alike = siblings(names, entries, best->prefixes.file);
  if (alike.empty()) return *best;
  alike.insert(alike.begin(), best->prefixes.file);
  for (std::string& place : alike) place.insert(0, prefix);
  return ambiguous(alike, "give prefix=");
}

template <class Items, class Say>
void list(std::string& out, std::string_view title, const Items& items, const Say& say) {
  if (items.empty()) return;
  out += text("\n{} {}:", items.size(), title);
  for (std::size_t i = 0; i < std::min(items.size(), kListed); ++i) out += text("\n  {}", say(items[i]));
  if (items.size() > kListed) out += text("\n  and {} more", items.size() - kListed);
}

}  // namespace

std::string FitReport::to_string() const {
  std::string out = text("{} loaded", loaded.size());
  const auto as_it_is = [](const std::string& name) { return name; };
  list(out, "missing in the file", missing, as_it_is);
  list(out, "not in the module", unexpected, as_it_is);
  list(out, "of another shape", mismatched, [](const Mismatch& m) {
    return text("{}: {} in the file, {} in the module", m.name, holdall::to_string(m.file), holdall::to_string(m.module));
  });
  list(out, "cast", cast, [](const Cast& c) { return text("{}: {} to {}", c.name, c.from, c.to); });
  list(out, "renamed", renamed, [](const Renamed& r) { return text("{} to {}", r.found_as, r.name); });
  return out;
}

Result<Fit> fit(const Model& model, const std::vector<FitEntry>& entries, const FitOptions& options) {
  HOLDALL_TRY(check_rules(options.rename));
  const Names names(model, options);
  Result<Match> found = best_match(names, entries, options.prefix);
  if (!found) return std::move(found).error().in(model.origin().path);
  const Match& best = *found;
  Fit made;
  FitReport& report = made.report;
  std::vector<bool> has_tensor(entries.size()), is_used(model.tensors().size());
  for (const Fit::Pair& pair : best.pairs) {
    const FitEntry& entry = entries[pair.entry];
    const NamedTensor& tensor = model.tensors()[pair.tensor];
    has_tensor[pair.entry] = is_used[pair.tensor] = true;
    if (tensor.name != entry.name) report.renamed.push_back({entry.name, tensor.name});
    if (tensor.tensor.shape() != entry.shape) {
      report.mismatched.push_back({entry.name, tensor.tensor.shape(), entry.shape});
      continue;
    }
    if (entry.dtype != tensor.tensor.dtype()) {
      const std::string_view own = entry.dtype ? name(*entry.dtype) : "another";
      report.cast.push_back({entry.name, std::string(name(tensor.tensor.dtype())), std::string(own)});
    }
    report.loaded.push_back(entry.name);
    made.pairs.push_back(pair);
  }
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (!has_tensor[i]) report.missing.push_back(entries[i].name);
  for (std::size_t i = 0; i < is_used.size(); ++i) {
    const auto& called = names.called(i);
    if (!is_used[i] && called && called->starts_with(best.prefixes.file)) report.unexpected.push_back(model.tensors()[i].name);
  }
  return made;
}

Error fit_error(const FitReport& report, const Model& model) {
  return invalid_argument("the file does not fit the module\n" + report.to_string()).in(model.origin().path);
}

}  // namespace holdall

#include "holdall/formats/format.h"

#include "holdall/base/text.h"
#include "holdall/formats/appearance.h"

namespace holdall {

#define HOLDALL_FORMAT(name) extern const Format k_##name##_format;
#include "holdall/formats/formats.inc"
#undef HOLDALL_FORMAT

namespace {

// The null row ends the table, so that it is an array even where no format is built in.
constexpr const Format* kRows[] = {
#define HOLDALL_FORMAT(name) &k_##name##_format,
#include "holdall/formats/formats.inc"
#undef HOLDALL_FORMAT
    nullptr};

bool ends_with_extension(std::string_view path, std::string_view extension) noexcept {
  if (path.size() <= extension.size()) return false;
  const std::string_view tail = path.substr(path.size() - extension.size());
  for (std::size_t i = 0; i < tail.size(); ++i) {
    const char c = tail[i];
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (lower != extension[i]) return false;
  }
  return true;
}

Result<Context> one_deeper(const Context& context, const Bundle& bundle) {
  if (context.depth >= context.limits.containers) {
    return over_limit(text("containers nested {} deep, {} allowed", context.depth + 1, context.limits.containers))
        .in(bundle.path());
  }
  Context inner = context;
  ++inner.depth;
  return inner;
}

}  // namespace

void Faults::add(const Error& error) {
  std::string what = error.message();
  for (const std::string& around : error.context()) what.insert(0, around + ": ");
  list.push_back({error.path(), error.offset(), std::move(what)});
}

std::span<const Format* const> all_formats() noexcept { return {kRows, std::size(kRows) - 1}; }

const Format* format_by_id(std::string_view id) noexcept {
  for (const Format* format : all_formats())
    if (format->id == id) return format;
  return nullptr;
}

const Format* format_by_extension(std::string_view path) noexcept {
  const Format* best = nullptr;
  std::size_t longest = 0;
  for (const Format* format : all_formats()) {
    for (const std::string_view extension : format->extensions) {
      if (extension.size() > longest && ends_with_extension(path, extension)) {
        best = format;
        longest = extension.size();
      }
    }
  }
  return best;
}

Result<const Format*> detect(const Bundle& bundle, const Limits& limits) {
  Peek peek(bundle, limits);
  const Format* best = nullptr;
  Match surest = Match::kNo;
  for (const Format* format : all_formats()) {
    const Match match = format->match(peek);
    if (match > surest) {
      surest = match;
      best = format;
    }
    if (surest == Match::kCertain) break;
  }
  if (best != nullptr) return best;
  if (peek.failure()) return Error(*peek.failure());
  return unrecognised(peek);
}

Result<Model> Context::open(const Bundle& bundle) const {
  HOLDALL_ASSIGN(const Context inner, one_deeper(*this, bundle));
  HOLDALL_ASSIGN(const Format* format, detect(bundle, limits));
  return format->read(bundle, inner);
}

Status Context::verify(const Bundle& bundle, Faults& faults) const {
  HOLDALL_ASSIGN(const Context inner, one_deeper(*this, bundle));
  HOLDALL_ASSIGN(const Format* format, detect(bundle, limits));
  return format->verify(bundle, inner, faults);
}

Status Context::acts(const Bundle& bundle, Findings& findings) const {
  HOLDALL_ASSIGN(const Context inner, one_deeper(*this, bundle));
  if (bundle.kind() == Bundle::Kind::kFile) HOLDALL_TRY(unfold(bundle.main()->size()));
  HOLDALL_ASSIGN(const Format* format, detect(bundle, limits));
  return format->acts(bundle, inner, findings);
}

Status Context::acts_as(std::string_view format, const Bundle& bundle, Findings& findings) const {
  HOLDALL_ASSIGN(const Context inner, one_deeper(*this, bundle));
  const Format* row = format_by_id(format);
  if (row == nullptr) return unsupported(text("there is no format '{}'", format)).in(bundle.path());
  return row->acts(bundle, inner, findings);
}

void write_formats(JsonWriter& writer) {
  writer.begin_array();
  for (const Format* format : all_formats()) {
    writer.begin_object().key("id").string(format->id).key("title").string(format->title).key("extensions").begin_array();
    for (const std::string_view extension : format->extensions) writer.string(extension);
    writer.end_array().key("folder").boolean(format->folder);
    writer.key("read").boolean(format->read != nullptr).key("write").boolean(format->plan != nullptr).end_object();
  }
  writer.end_array();
}

}  // namespace holdall

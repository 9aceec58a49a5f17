#include "holdall/trust/settings.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "holdall/base/ascii.h"
#include "holdall/base/text.h"
#include "holdall/formats/evaluated.h"
#include "holdall/trust/targets.h"

namespace holdall {
namespace {

constexpr std::string_view kBlanks = " \t\r\f\v";

std::string_view trimmed(std::string_view text) noexcept {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

std::string_view unquoted(std::string_view text) noexcept {
  text = trimmed(text);
  text.remove_prefix(std::min(text.find_first_not_of("\"'"), text.size()));
  return text.substr(0, text.find_first_of("\"'"));
}

// Takes the first line off a text.
std::string_view take_line(std::string_view& text) noexcept {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

void tell_target(std::string_view target, std::string place, Told& told) {
  const bool is_builtin = target.find('.') == target.npos;
  told.add({verdict_of_target(is_builtin ? text("builtins.{}", target) : std::string(target)), Rule::kHydraTarget,
            std::move(place), text("instantiating this configuration calls '{}'", cut_for_finding(target)),
            cut_for_finding(target)});
}

// Options of a section, each with the lines that go on with it.
class Ini {
 public:
  Ini(std::string_view where, Told& told) : where_(where), told_(told) {}

  void run(std::string_view rest) {
    bool has_begun = false;
    for (std::size_t number = 1; !rest.empty(); ++number) {
      const std::string_view whole = take_line(rest), line = trimmed(whole);
      if (line.empty() || line.starts_with('#') || line.starts_with(';')) continue;
      if (!std::exchange(has_begun, true) && !line.starts_with('[')) return;
      const bool goes_on = kBlanks.find(whole.front()) != kBlanks.npos && !key_.empty();
      if (goes_on) {
        value_ += text("\n{}", line);
      } else {
        end_option();
        begin(line, number);
      }
    }
    end_option();
  }

 private:
  void begin(std::string_view line, std::size_t number) {
    if (line.starts_with('[')) {
      section_ = line.substr(1, std::min(line.rfind(']'), line.size()) - 1);
      return;
    }
    const std::size_t split = std::min(line.find_first_of("=:"), line.size());
    key_ = ascii_lower(trimmed(line.substr(0, split)));
    value_ = trimmed(line.substr(std::min(split + 1, line.size())));
    line_ = number;
  }

  void end_option() {
    const std::string key = std::exchange(key_, {});
    const bool is_handler = section_.starts_with("handler_"), is_formatter = section_.starts_with("formatter_");
    const std::string place = text("{} line {}", where_, line_);
    if (is_handler && (key == "args" || key == "kwargs" || key == "class")) judge_evaluated(value_, place, told_);
    if ((is_handler || is_formatter) && key == "class" && is_never_a_handler(value_)) tell_target(value_, place, told_);
  }

  std::string_view where_, section_;
  Told& told_;
  std::string key_, value_;
  std::size_t line_ = 0;
};

// Words, texts and marks of protobuf's text format.
class Prototxt {
 public:
  Prototxt(std::string_view text, std::string_view where, Told& told) : text_(text), where_(where), told_(told) {}

  void run() {
    while (skip()) {
      const char c = text_[at_];
      if (c == '{' || c == '<') {
        messages_.push_back(std::exchange(name_, {}));
        ++at_;
      } else if (c == '}' || c == '>') {
        if (!messages_.empty()) leave();
        ++at_;
      } else if (c == '"' || c == '\'') {
        value(quoted(c));
      } else if (is_word(c)) {
        const std::size_t begin = at_;
        while (at_ < text_.size() && is_word(text_[at_])) ++at_;
        name_ = text_.substr(begin, at_ - begin);
        name_line_ = line_;
      } else {
        ++at_;
      }
    }
  }

 private:
  static bool is_word(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  }

  bool skip() {
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '#') at_ = std::min(text_.find('\n', at_), text_.size() - 1);
      if (text_[at_] == '\n') ++line_;
      if (kBlanks.find(text_[at_]) == kBlanks.npos && text_[at_] != '\n') return true;
    }
    return false;
  }

  std::string quoted(char quote) {
    std::string said;
    for (++at_; at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        is_escaped_ = true;
        ++at_;
      }
      said += text_[at_];
    }
    if (at_ < text_.size()) ++at_;
    return said;
  }

  std::string place() const { return text("{} line {}", where_, name_line_); }

  void value(const std::string& said) {
    if (name_ == "backend" && (said == "python" || std::exchange(is_escaped_, false))) {
      told_.add({Verdict::kCode,
                 Rule::kEndpointHandler,
                 place(),
                 text("Triton runs the model's Python (backend '{}')", cut_for_finding(said)),
                 {}});
    } else if (name_ == "op_library_filename") {
      told_.add({Verdict::kCode, Rule::kNativeCode, place(), text("Triton loads the library '{}'", cut_for_finding(said)),
                 cut_for_finding(said)});
    } else if (!messages_.empty() && messages_.back() == "python_param") {
      if (name_ == "module") module_ = said;
      if (name_ == "layer") layer_ = said;
    }
    is_escaped_ = false;
  }

  void leave() {
    if (messages_.back() == "python_param") {
      const std::string target = text("{}.{}", std::exchange(module_, {}), std::exchange(layer_, {}));
      told_.add({verdict_of_target(target), Rule::kHydraTarget, place(),
                 text("Caffe imports and calls '{}'", cut_for_finding(target)), cut_for_finding(target)});
    }
    messages_.pop_back();
  }

  std::string_view text_, where_, name_;
  Told& told_;
  std::vector<std::string_view> messages_;
  std::string module_, layer_;
  std::size_t at_ = 0, line_ = 1, name_line_ = 1;
  bool is_escaped_ = false;
};

}  // namespace

void judge_ini(std::string_view text, std::string_view where, Told& told) { Ini(where, told).run(text); }

void judge_targets(std::string_view rest, std::string_view where, Told& told) {
  constexpr std::string_view kKey = "_target_";
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = take_line(rest);
    const std::string_view shown = trimmed(line);
    if (shown.starts_with('#') || shown.starts_with(';') || shown.starts_with("//")) continue;
    for (std::size_t at = line.find(kKey); at != line.npos; at = line.find(kKey, at + 1)) {
      std::string_view after = line.substr(at + kKey.size());
      after.remove_prefix(std::min(after.find_first_not_of(" \t\"'"), after.size()));
      if (!after.starts_with('=') && !after.starts_with(':')) continue;
      const std::string_view target = unquoted(after.substr(1));
      const std::string_view name = target.substr(0, target.find_first_of(" \t,}#;"));
      if (is_dotted_name(name)) tell_target(name, text("{} line {}", where, number), told);
    }
  }
}

void judge_prototxt(std::string_view text, std::string_view where, Told& told) { Prototxt(text, where, told).run(); }

void judge_site_paths(std::string_view rest, std::string_view where, Told& told) {
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = take_line(rest);
    if (!line.starts_with("import ") && !line.starts_with("import\t")) continue;
    told.add({Verdict::kCode,
              Rule::kEvaluatedText,
              text("{} line {}", where, number),
              text("Python runs this line where the file lies among its packages: '{}'", cut_for_finding(line)),
              {}});
  }
}

void judge_pipes(std::string_view rest, std::string_view where, Told& told) {
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::string_view line = trimmed(take_line(rest));
    if (!line.ends_with('|')) continue;
    told.add({Verdict::kCode,
              Rule::kEvaluatedText,
              text("{} line {}", where, number),
              text("Kaldi's readers run this line: '{}'", cut_for_finding(line)),
              {}});
  }
}

}  // namespace holdall

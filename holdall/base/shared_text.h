// SharedText: a text that many things have in common, held once.
//
// Thread-safety: immutable. Ownership: shares the text.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace holdall {

class SharedText {
 public:
  SharedText() = default;
  SharedText(std::string text) : text_(text.empty() ? nullptr : std::make_shared<const std::string>(std::move(text))) {}
  SharedText(const char* text) : SharedText(std::string(text)) {}

  const std::string& str() const noexcept { return text_ == nullptr ? empty_text() : *text_; }
  operator const std::string&() const noexcept { return str(); }
  bool empty() const noexcept { return text_ == nullptr; }
  friend bool operator==(const SharedText& a, std::string_view b) noexcept { return a.str() == b; }

 private:
  static const std::string& empty_text() noexcept {
    static const std::string empty;
    return empty;
  }
  std::shared_ptr<const std::string> text_;
};

}  // namespace holdall

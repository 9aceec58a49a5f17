#include "cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace holdall::cli {
namespace {

constexpr std::size_t kBuffer = 1U << 16U;

// SGR parameters (ECMA-48), only colours that both light and dark backgrounds carry.
std::string_view parameters(Ink ink) noexcept {
  switch (ink) {
    case Ink::kPlain:
      return {};
    case Ink::kStrong:
      return "1";
    case Ink::kFaint:
      return "2";
    case Ink::kGood:
      return "32";
    case Ink::kWarn:
      return "33";
    case Ink::kBad:
      return "31";
    case Ink::kAccent:
      return "36";
  }
  return {};
}

std::string painted(bool colour, Ink ink, std::string_view text) {
  const std::string_view sgr = parameters(ink);
  if (!colour || sgr.empty() || text.empty()) return std::string(text);
  return std::string("\x1b[").append(sgr).append("m").append(text).append("\x1b[0m");
}

// Writes all of `text`; returns errno, or 0.
int write_all(int descriptor, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

unsigned terminal_width() {
  winsize size{};
  unsigned width = 0;
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 || ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0) width = size.ws_col;
  if (width == 0) {
    const char* columns = std::getenv("COLUMNS");
    width = columns == nullptr ? 80 : static_cast<unsigned>(std::clamp(std::atoi(columns), 0, 10'000));
  }
  return std::max(width == 0 ? 80U : width, 20U);
}

}  // namespace

Console::Settings Console::surroundings() {
  Settings settings;
  settings.out_terminal = ::isatty(STDOUT_FILENO) == 1;
  settings.err_terminal = ::isatty(STDERR_FILENO) == 1;
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool refused = (no_color != nullptr && *no_color != '\0') || (term != nullptr && std::string_view(term) == "dumb");
  settings.colour = settings.out_terminal && !refused;
  settings.err_colour = settings.err_terminal && !refused;
  if (settings.out_terminal || settings.err_terminal) settings.width = terminal_width();
  return settings;
}

std::string Console::paint(Ink ink, std::string_view text) const { return painted(settings_.colour, ink, text); }

void Console::write(std::string_view text) {
  pending_ += text;
  if (pending_.size() < kBuffer) return;
  if (failure_ == 0) failure_ = write_all(STDOUT_FILENO, pending_);
  pending_.clear();
}

void Console::line(std::string_view text) {
  write(text);
  write("\n");
}

void Console::note(std::string_view text) const {
  if (!settings_.quiet) write_error(std::string(text) + "\n");
}

void Console::complain(std::string_view message) const {
  write_error(painted(settings_.err_colour, Ink::kBad, "holdall:") + " " + std::string(message) + "\n");
}

void Console::write_error(std::string_view text) const { (void)write_all(STDERR_FILENO, text); }

Status Console::flush() {
  if (failure_ == 0) failure_ = write_all(STDOUT_FILENO, pending_);
  pending_.clear();
  if (failure_ == 0) return {};
  return io_error("standard output cannot be written", failure_);
}

}  // namespace holdall::cli

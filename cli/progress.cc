#include "cli/progress.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "cli/style.h"
#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

volatile sig_atomic_t g_signal = 0;

extern "C" void ask_to_stop(int signal) { g_signal = signal; }

// "━━━━━╸     ": `columns` wide.
std::string bar(double share, unsigned columns) {
  const auto halves = static_cast<unsigned>(share * 2 * columns);
  std::string out;
  for (unsigned i = 0; i < columns; ++i) out += halves >= 2 * i + 2 ? "━" : halves == 2 * i + 1 ? "╸" : " ";
  return out;
}

}  // namespace

void catch_interrupts() noexcept {
  struct sigaction action{};
  action.sa_handler = ask_to_stop;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU}) {
    struct sigaction before{};
    // nohup(1) and background jobs of plain shells ignore some of them; that stays.
    if (sigaction(signal, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);
  }
  // A file that may not grow further is an error like a full disk.
  (void)signal(SIGXFSZ, SIG_IGN);
}

int interrupted() noexcept { return g_signal; }

void die_if_interrupted() noexcept {
  if (g_signal == 0) return;
  signal(g_signal, SIG_DFL);
  (void)raise(g_signal);
}

Meter::Meter(Console& console, std::string doing, Unit unit)
    : console_(console), doing_(std::move(doing)), unit_(unit), enabled_(console.err_terminal() && !console.quiet()) {}

std::function<bool(std::uint64_t, std::uint64_t)> Meter::function() {
  return [this](std::uint64_t done, std::uint64_t total) {
    if (interrupted() != 0) return false;
    if (enabled_) show(done, total);
    return true;
  };
}

void Meter::show(std::uint64_t done, std::uint64_t total) {
  using std::chrono::milliseconds;
  const auto now = Clock::now();
  if (done < last_) {
    if (!then_.empty()) doing_ = std::exchange(then_, {});
    begin_ = now;
  }
  last_ = done;
  if (now - begin_ < milliseconds(300) || (drawn_ && now - shown_ < milliseconds(90))) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - begin_).count();
  const std::string right = facts(done, total, seconds);
  const unsigned taken = display_width(doing_) + display_width(right) + 6;
  const double share = total == 0 ? 1 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const unsigned columns = console_.width() > taken + 8 ? std::min(console_.width() - taken, 40U) : 0;
  const std::string line = columns == 0 ? doing_ + "  " + right : doing_ + "  " + bar(share, columns) + "  " + right;
  console_.write_error("\r" + cut_end(line, console_.width() - 1) + "\x1b[K");
  drawn_ = true;
}

std::string Meter::facts(std::uint64_t done, std::uint64_t total, double seconds) const {
  const double share = total == 0 ? 1 : static_cast<double>(done) / static_cast<double>(total);
  const double left = done == 0 ? -1 : seconds * (1 - share) / share;
  const std::string percent = text("{:3.0f} %", 100 * share);
  if (unit_ == Unit::kFiles) return text("{}  {} of {}", percent, grouped(done), counted(total, "file", "files"));
  const auto rate = static_cast<std::uint64_t>(seconds > 0 ? static_cast<double>(done) / seconds : 0);
  return text("{}  {} of {}  {}/s  {} left", percent, human_bytes(done), human_bytes(total), human_bytes(rate),
              human_seconds(left));
}

void Meter::clear() {
  if (std::exchange(drawn_, false)) console_.write_error("\r\x1b[K");
}

}  // namespace holdall::cli

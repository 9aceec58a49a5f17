// Console: standard output and standard error as one run of the command sees them.
//
// Thread-safety: one thread, except that note() and the meter's function are called by whoever the library calls progress from,
// one at a time. Ownership: borrows descriptors 1 and 2.
#pragma once

#include <string>
#include <string_view>

#include "holdall/base/result.h"

namespace holdall::cli {

enum class Ink : unsigned char { kPlain, kStrong, kFaint, kGood, kWarn, kBad, kAccent };

class Console {
 public:
  struct Settings {
    bool out_terminal = false;
    bool err_terminal = false;
    bool colour = false;      // on standard output
    bool err_colour = false;  // on standard error
    unsigned width = 80;      // of the terminal; at least 20
    bool quiet = false;
    bool json = false;
  };
  // What the descriptors and the environment (NO_COLOR, TERM, COLUMNS) say.
  static Settings surroundings();

  explicit Console(Settings settings) : settings_(settings) {}

  bool terminal() const noexcept { return settings_.out_terminal; }
  bool err_terminal() const noexcept { return settings_.err_terminal; }
  unsigned width() const noexcept { return settings_.width; }
  bool quiet() const noexcept { return settings_.quiet; }
  bool json() const noexcept { return settings_.json; }

  // The text in a colour where standard output has any.
  std::string paint(Ink ink, std::string_view text) const;
  // To standard output, buffered until flush(). A failure is kept for flush().
  void write(std::string_view text);
  void line(std::string_view text = {});
  // A line to standard error, unless --quiet.
  void note(std::string_view text) const;
  // "holdall: message", always.
  void complain(std::string_view message) const;
  // What was written to standard error as it is: for the progress bar.
  void write_error(std::string_view text) const;
  // Errors: io, when standard output cannot take it.
  Status flush();
  // What was written since the last flush; for tests.
  const std::string& pending() const noexcept { return pending_; }

 private:
  Settings settings_;
  std::string pending_;
  int failure_ = 0;
};

}  // namespace holdall::cli

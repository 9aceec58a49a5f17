#include "checkpoints.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <utility>

#include "errors.h"
#include "holdall/checkpoint/checkpointer.h"
#include "listener.h"
#include "models.h"
#include "paths.h"

namespace nb = nanobind;

namespace holdall::python {
namespace {

// How long a wait looks away from Python's signals.
constexpr std::chrono::milliseconds kBetween{50};

using Row = nb::typed<nb::dict, nb::str, nb::any>;
using Rows = nb::typed<nb::list, Row>;
using Indices = nb::typed<nb::list, nb::int_>;
using Metrics = std::vector<std::pair<std::string, double>>;
// (metric, "min" or "max", how many)
using Best = std::tuple<std::string, std::string, std::uint64_t>;

CheckpointLabel label_of(std::int64_t step, std::optional<std::int64_t> epoch, Metrics metrics) {
  return {step, epoch, std::move(metrics)};
}

BestRule::Mode mode_of(const std::string& mode) {
  if (mode != "min" && mode != "max") raise(invalid_argument("a metric is best at its min or its max, not '" + mode + "'"));
  return mode == "max" ? BestRule::Mode::kMax : BestRule::Mode::kMin;
}

Rules rules_of(std::optional<std::uint64_t> last, const std::vector<Best>& best, std::optional<std::uint64_t> every,
               std::optional<std::int64_t> age, std::optional<std::uint64_t> bytes) {
  Rules rules{last, {}, every, age, bytes};
  for (const auto& [metric, mode, keep] : best) rules.best.push_back({metric, mode_of(mode), keep});
  return rules;
}

nb::dict row_of(const Checkpoint& checkpoint, const std::string& folder) {
  nb::dict row;
  const bool stamped = checkpoint.sequence != 0;
  nb::dict metrics;
  for (const auto& [metric, value] : checkpoint.label.metrics) metrics[metric.c_str()] = value;
  row["step"] = stamped ? nb::object(nb::int_(checkpoint.label.step)) : nb::none();
  row["epoch"] = stamped && checkpoint.label.epoch ? nb::object(nb::int_(*checkpoint.label.epoch)) : nb::none();
  row["metrics"] = metrics;
  row["bytes"] = checkpoint.bytes;
  row["path"] = text_of(folder + (folder.ends_with('/') ? "" : "/") + checkpoint.name);
  row["state"] = std::string(name(checkpoint.state));
  row["time"] = stamped ? nb::object(nb::float_(static_cast<double>(checkpoint.time) / 1e9)) : nb::none();
  row["why"] = text_of(checkpoint.why);
  return row;
}

// ([row] by step, indices of the complete ones, the newest first)
nb::typed<nb::tuple, Rows, Indices> read_folder(nb::handle path, std::optional<std::uint64_t> last,
                                                const std::vector<Best>& best, std::optional<std::uint64_t> every,
                                                std::optional<std::int64_t> age, std::optional<std::uint64_t> bytes,
                                                bool own_rules) {
  const std::string folder = path_of(path);
  const Rules given = rules_of(last, best, every, age, bytes);
  Result<CheckpointFolder> read = [&] {
    const nb::gil_scoped_release released;
    return CheckpointFolder::read(folder);
  }();
  const CheckpointFolder contents = checked(std::move(read));
  const auto fates = fates_of(contents.all(), own_rules ? given : contents.rules(), System::local().now());
  nb::list rows;
  for (const Fate& fate : fates) {
    nb::dict row = row_of(*fate.checkpoint, folder);
    row["kept"] = !fate.goes;
    row["fate"] = fate.why;
    rows.append(row);
  }
  nb::list order;
  for (const Checkpoint* checkpoint : newest_first(contents.all())) order.append(checkpoint - contents.all().data());
  return nb::make_tuple(rows, order);
}

// Indices of read_folder()'s rows, the best first.
Indices best_of(nb::handle path, const std::string& metric, const std::string& mode) {
  const std::string folder = path_of(path);
  const CheckpointFolder contents = checked(CheckpointFolder::read(folder));
  nb::list order;
  for (const Checkpoint* checkpoint : best_first(contents.all(), metric, mode_of(mode)))
    order.append(checkpoint - contents.all().data());
  return order;
}

std::unique_ptr<Checkpointer> open(nb::handle path, const std::string& name, std::optional<std::uint64_t> last,
                                   const std::vector<Best>& best, std::optional<std::uint64_t> every,
                                   std::optional<std::int64_t> age, std::optional<std::uint64_t> bytes, const std::string& busy,
                                   std::uint32_t in_flight, std::uint64_t memory, bool durable, unsigned threads) {
  const std::string folder = path_of(path);
  CheckpointerOptions options;
  options.name = name;
  options.rules = rules_of(last, best, every, age, bytes);
  if (busy == "skip") options.busy = CheckpointerOptions::Busy::kSkip;
  if (busy == "replace") options.busy = CheckpointerOptions::Busy::kReplace;
  options.in_flight = in_flight;
  options.memory = memory;
  options.durable = durable;
  options.threads = threads;
  Result<std::unique_ptr<Checkpointer>> made = [&] {
    const nb::gil_scoped_release released;
    return Checkpointer::open(folder, std::move(options));
  }();
  return checked(std::move(made));
}

// Python's signal handlers run meanwhile; what one of them raises ends the waiting.
void wait_for(Checkpointer& checkpointer, bool room) {
  const auto until = room ? Checkpointer::Until::kRoom : Checkpointer::Until::kDone;
  while (true) {
    {
      const nb::gil_scoped_release released;
      if (checkpointer.wait_for(kBetween, until)) return;
    }
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
  }
}

// The path that is being written; empty where the save was skipped.
std::string save(Checkpointer& checkpointer, const OpenedModel& opened, std::int64_t step, std::optional<std::int64_t> epoch,
                 Metrics metrics, const std::string& format, nb::handle beside, const std::vector<std::string>& may_go) {
  SaveOptions options;
  options.to = format;
  options.may_go = may_go;
  options.beside = models_of(beside);
  Result<Checkpointer::Outcome> outcome = [&] {
    const nb::gil_scoped_release released;
    return checkpointer.save(*opened.model, label_of(step, epoch, std::move(metrics)), options);
  }();
  if (checked(std::move(outcome)) == Checkpointer::Outcome::kSkipped) return "";
  return checkpointer.folder() + '/' + checkpointer.last_name();
}

Rows events(Checkpointer& checkpointer) {
  nb::list list;
  for (const CheckpointEvent& event : checkpointer.events()) {
    nb::dict row = row_of(event.checkpoint, checkpointer.folder());
    row["kind"] = std::string(name(event.kind));
    row["waited"] = event.waited;
    row["written"] = event.written;
    row["error"] = event.error ? nb::object(text_of(event.error->to_string())) : nb::none();
    list.append(row);
  }
  return list;
}

void close(Checkpointer& checkpointer, bool wait) {
  if (wait) wait_for(checkpointer, false);
  Status status;
  {
    const nb::gil_scoped_release released;
    status = checkpointer.close();
  }
  checked(status);
}

// Ends this process as the signal does where nobody handles it; from any thread.
void default_signal(int number) {
  std::signal(number, SIG_DFL);
  ::kill(::getpid(), number);
}

unsigned patience = 0;  // seconds

// In a worker of a loader: its parent may end it at once; a signal that came to all, the parent too, shall leave it time to
// give what the parent's last step needs.
void terminated(int, siginfo_t* info, void*) {
  if (info->si_pid == ::getppid()) ::_exit(0);
  ::alarm(patience);
}

void put_off_termination(unsigned seconds) {
  patience = seconds;
  std::signal(SIGALRM, SIG_DFL);
  struct sigaction action{};
  action.sa_sigaction = terminated;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

void bind_checkpoints(nb::module_& module) {
  nb::class_<Checkpointer>(module, "Checkpointer", "The writer of a folder of checkpoints, and its lease.")
      .def(
          "stamp",
          [](Checkpointer& c, std::int64_t step, std::optional<std::int64_t> epoch, Metrics metrics) {
            return c.stamp(label_of(step, epoch, std::move(metrics)));
          },
          nb::arg("step"), nb::arg("epoch").none(), nb::arg("metrics"))
      .def("save", save, nb::arg("model"), nb::arg("step"), nb::arg("epoch").none(), nb::arg("metrics"), nb::arg("format"),
           nb::arg("beside"), nb::arg("may_go"))
      .def(
          "prepare", [](Checkpointer& c, const OpenedModel& opened) { checked(c.prepare(*opened.model)); }, nb::arg("model"))
      .def("wait_for_room", [](Checkpointer& c) { wait_for(c, true); })
      .def("check", [](Checkpointer& c) { checked(c.check()); })
      .def("wait",
           [](Checkpointer& c) {
             wait_for(c, false);
             checked(c.check());
           })
      .def("close", close, nb::arg("wait"))
      .def("prune",
           [](Checkpointer& c) {
             wait_for(c, false);
             return checked(c.prune()).removed;
           })
      .def("events", events)
      .def_prop_ro("memory", &Checkpointer::memory);
  module.def("open_checkpointer", open, nb::arg("folder"), nb::arg("name"), nb::arg("last").none(), nb::arg("best"),
             nb::arg("every").none(), nb::arg("age").none(), nb::arg("bytes").none(), nb::arg("busy"), nb::arg("in_flight"),
             nb::arg("memory"), nb::arg("durable"), nb::arg("threads"));
  module.def("read_checkpoints", read_folder, nb::arg("folder"), nb::arg("last").none(), nb::arg("best"),
             nb::arg("every").none(), nb::arg("age").none(), nb::arg("bytes").none(), nb::arg("own_rules"));
  module.def("default_signal", default_signal, nb::arg("number"));
  module.def("put_off_termination", put_off_termination, nb::arg("seconds"));
  module.def("best_checkpoints", best_of, nb::arg("folder"), nb::arg("metric"), nb::arg("mode"));
}

}  // namespace holdall::python

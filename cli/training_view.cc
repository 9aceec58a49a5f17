#include "cli/training_view.h"

#include "cli/outline.h"
#include "cli/style.h"
#include "cli/table.h"
#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

constexpr unsigned kIndent = 2;
constexpr unsigned kValueColumns = 60;

std::string known(const std::string& name) { return name.empty() ? "-" : printable(name); }

std::string value_of(const Setting& setting) {
  return setting.number ? text("{}", *setting.number) : brief(setting.value, kValueColumns);
}

// What is neither absent nor off: a person wants to see what was chosen.
bool is_chosen(const Setting& setting) {
  return setting.key != "lr" && !setting.value.is_null() && !(setting.value.is(ValueKind::kBool) && !setting.value.as_bool());
}

std::string rate_of(const ParameterGroup& group) {
  for (const Setting& setting : group.settings)
    if (setting.key == "lr") return value_of(setting);
  return "-";
}

void print_optimizer(Console& console, const OptimizerReport& optimizer) {
  console.line();
  std::string remark = known(optimizer.kind);
  if (optimizer.least_step != optimizer.step) {
    remark += text(", steps {} to {}", *optimizer.least_step, *optimizer.step);
  } else if (optimizer.step) {
    remark += text(", step {}", *optimizer.step);
  }
  if (!optimizer.where.empty()) remark += "  " + printable(optimizer.where);
  console.line(console.paint(Ink::kStrong, "optimizer") + "  " + console.paint(Ink::kFaint, remark));
  Table table(std::vector<Table::Column>{{}, {.align = Table::Align::kRight}, {}, {.fit = Table::Fit::kWrap, .least = 24}});
  for (std::size_t i = 0; i < optimizer.groups.size(); ++i) {
    const ParameterGroup& group = optimizer.groups[i];
    std::string chosen;
    for (const Setting& setting : group.settings) {
      if (is_chosen(setting)) chosen += text("{}{} {}", chosen.empty() ? "" : ", ", printable(setting.key), value_of(setting));
    }
    table.add({Cell(text("group {}", i), Ink::kFaint), Cell(counted(group.parameters, "tensor", "tensors")),
               Cell("lr " + rate_of(group), Ink::kAccent), Cell(chosen)});
  }
  table.print(console, kIndent);
  if (optimizer.more_groups > 0) console.line(text("  … {} more", grouped(optimizer.more_groups)));
}

std::string rates_of(const SchedulerReport& scheduler, std::string_view between) {
  std::string out;
  for (const double rate : scheduler.lr) out += text("{}{}", out.empty() ? "" : between, rate);
  return out.empty() ? "-" : out;
}

}  // namespace

void print_training(Console& console, const TrainingReport& report) {
  for (const OptimizerReport& optimizer : report.optimizers) print_optimizer(console, optimizer);
  for (const SchedulerReport& scheduler : report.schedulers) {
    console.line();
    std::string remark = known(scheduler.kind);
    if (scheduler.last_epoch) remark += text(", epoch {}", *scheduler.last_epoch);
    remark += text(", lr {}", rates_of(scheduler, ", "));
    if (!scheduler.where.empty()) remark += "  " + printable(scheduler.where);
    console.line(console.paint(Ink::kStrong, "scheduler") + "  " + console.paint(Ink::kFaint, remark));
  }
}

void print_training_lines(Console& console, const TrainingReport& report) {
  for (const OptimizerReport& optimizer : report.optimizers) {
    const bool differ = optimizer.least_step != optimizer.step;
    console.line(text("# optimizer\t{}\t{}\t{}{}", known(optimizer.where), known(optimizer.kind),
                      optimizer.step ? text("{}", *optimizer.step) : "-", differ ? text("\t{}", *optimizer.least_step) : ""));
    for (std::size_t i = 0; i < optimizer.groups.size(); ++i) {
      std::string line = text("# group\t{}\t{}\t{}", known(optimizer.where), i, optimizer.groups[i].parameters);
      for (const Setting& setting : optimizer.groups[i].settings)
        line += text("\t{}={}", printable(setting.key), value_of(setting));
      console.line(line);
    }
  }
  for (const SchedulerReport& scheduler : report.schedulers) {
    console.line(text("# scheduler\t{}\t{}\t{}\t{}", known(scheduler.where), known(scheduler.kind),
                      scheduler.last_epoch ? text("{}", *scheduler.last_epoch) : "-", rates_of(scheduler, "\t")));
  }
}

}  // namespace holdall::cli

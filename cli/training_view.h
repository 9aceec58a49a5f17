// What inspect says of a checkpoint's optimizers and schedulers: sections of a page, lines for programs.
//
// Thread-safety: one thread. Ownership: none.
#pragma once

#include "cli/console.h"
#include "holdall/ops/training.h"

namespace holdall::cli {

void print_training(Console& console, const TrainingReport& report);

// "# optimizer<TAB>where<TAB>class<TAB>step", with "<TAB>fewest steps" where some parameters have made fewer, and for each
// group "# group<TAB>where<TAB>number<TAB>parameters<TAB>key=value…";
// "# scheduler<TAB>where<TAB>class<TAB>last epoch<TAB>lr…". What is not known is "-".
void print_training_lines(Console& console, const TrainingReport& report);

}  // namespace holdall::cli

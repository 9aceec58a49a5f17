// Pages: what inspect and diff found as one HTML file that needs nothing else: no network, no other file, any browser of today.
//
// A page holds the document of --json as data, our style and scripts, and Apache ECharts compressed. Its policy (a
// Content-Security-Policy by hashes) lets no other script run and nothing be fetched; texts from files are data, and shown with
// printable()'s escapes. Without scripts the page still lists facts and tensors.
// Thread-safety: functions may be called from several threads. Ownership: a Page borrows what it shows.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>

#include "holdall/io/plan.h"
#include "holdall/ops/diff.h"
#include "holdall/ops/inspect.h"

namespace holdall {

// Hands a whole page to a sink, piece by piece. Errors: those of write_inspection() and of the sink.
using Page = std::function<Status(const Sink& sink)>;

// To be asked before anything is read. Errors: unsupported, where this build has no chart library.
Status require_pages();

// Best of inspections with statistics and of reports with Names::kKeep. They must outlive the page.
Page page_of(const Inspection& inspection);
Page page_of(const DiffReport& report);

// Puts a page at `path`, whole or not at all. Errors: those of require_pages(), of the page and of execute(); invalid argument
// where `path` is one of the files of the models that it is about.
Status save_page(const Page& page, const std::string& path, std::initializer_list<const Model*> models);

}  // namespace holdall

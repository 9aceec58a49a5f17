// Opening a path as whatever model it holds.
//
// Thread-safety: functions may be called from several threads. Ownership: a Model owns its values and shares its sources.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "holdall/formats/format.h"
#include "holdall/trust/policy.h"

namespace holdall {

// Called with work done and work in all, from one thread at a time, at most a few times a second; false cancels.
using Progress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

struct OpenOptions {
  Limits limits = {};
  Context::Wanted wanted = Context::Wanted::kSome;  // kAll: everything is loaded next, and once
  std::string format = {};                          // id of the format to read as; empty: told from the content
  std::optional<Policy> policy = {};  // what scan does not call inert under it is not opened: unsafe, naming what was found
};

// Opens a file or folder. No tensor byte is read, or with Wanted::kAll none that lies on disk as it is. Errors: not found,
// denied, io; unsupported (saying what the content looks like, or that there is no such format id); corrupt; limit; unsafe.
Result<Model> open_model(const std::string& path, const OpenOptions& options = {});
Result<Model> open_model(const Bundle& bundle, const OpenOptions& options = {});

}  // namespace holdall

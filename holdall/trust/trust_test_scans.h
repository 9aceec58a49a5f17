// A file that a test of this floor makes and scans.
#pragma once

#include <string>
#include <string_view>

#include "holdall/base/scratch_test_folder.h"
#include "holdall/trust/scan.h"

namespace holdall {

inline ScanReport scanned(const std::string& name, std::string_view content) {
  const Scratch folder;
  return scan_path(folder.write(name, content));
}

}  // namespace holdall

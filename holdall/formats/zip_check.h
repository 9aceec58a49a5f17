// The check that every format in a ZIP archive shares: each member's bytes against its CRC-32.
//
// Thread-safety: may be called from several threads.
#pragma once

#include "holdall/codec/zip.h"
#include "holdall/formats/format.h"

namespace holdall {

// Reads every member, several at a time, and counts the checksums compared; faults stand in the order of the members. Errors:
// cancelled.
Status check_zip_members(const ZipArchive& zip, const Context& context, Faults& faults);

}  // namespace holdall

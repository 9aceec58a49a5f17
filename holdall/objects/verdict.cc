#include "holdall/objects/verdict.h"

#include <array>

namespace holdall {

namespace {

constexpr std::array<std::string_view, 5> kVerdictNames = {"inert", "code", "malicious", "unreadable", "forbidden"};
static_assert(kVerdictNames.size() == static_cast<std::size_t>(Verdict::kForbidden) + 1);

}  // namespace

std::string_view name(Verdict verdict) noexcept { return kVerdictNames[static_cast<std::size_t>(verdict)]; }

}  // namespace holdall

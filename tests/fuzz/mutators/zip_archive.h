// ZIP archives by their records: local headers, payloads, central entries and end records are changed one at a time and laid
// out again with the places and sizes that must hold, so that one lie stands among truths.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "tests/fuzz/mutators/chance.h"

namespace holdall::fuzz {

bool looks_like_zip(std::string_view data);
// `inside` changes the bytes of a member, whose sizes and CRC-32 then follow.
void mutate_zip(std::string& archive, Chance& chance, const std::function<void(std::string& member)>& inside);

}  // namespace holdall::fuzz

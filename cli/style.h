// Style: how numbers, sizes and other people's texts look to a person.
//
// Thread-safety: pure functions. Ownership: results are owned texts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "holdall/base/printable.h"
#include "holdall/base/result.h"

namespace holdall::cli {

// Columns that a UTF-8 text takes on a terminal: 2 for wide East Asian characters and emoji, 0 for combining marks.
unsigned display_width(std::string_view text) noexcept;

// At most `columns` wide, the rest replaced by "…" in the middle or at the end. Precondition: `text` is printable.
std::string cut_middle(std::string_view text, unsigned columns);
std::string cut_end(std::string_view text, unsigned columns);
// A tensor's name cut by whole components: "encoder.….{0..11}.….LayerNorm.weight". Numbers and the last component stay longest,
// because they tell names apart.
std::string cut_name(std::string_view text, unsigned columns);
// All of a text, in as many lines of at most `columns` as it needs.
std::vector<std::string> broken(std::string_view text, unsigned columns);

// "22,713,728"
std::string grouped(std::uint64_t number);
// "22.7 M", three digits; the number itself below 10,000.
std::string short_count(std::uint64_t number);
// "512 B", "90.9 MB": powers of 1000, three digits.
std::string human_bytes(std::uint64_t bytes);
// "0:07", "1:02:03"
std::string human_seconds(double seconds);
// "45 s", "12 min", "5 h", "12 d": one unit; nothing is younger than 0 s.
std::string human_age(double seconds);
// Four significant digits, as short as they go: "0.001", "-1.234e-05", "nan".
std::string short_number(double number);
// "1 file", "2 files"
std::string counted(std::uint64_t number, std::string_view one, std::string_view many);

// One character a bin, "▁▂▅█▃", by the root of the counts so that small bins show; an empty bin is a space.
std::string sparkline(std::span<const std::uint64_t> bins);

// "5GB", "512MiB", "1.5 G", "4096": bytes. Errors: invalid argument.
Result<std::uint64_t> parse_size(std::string_view text);
// "30s", "90min", "36h", "7d", "2w", "1.5d": nanoseconds, more than 0. Errors: invalid argument.
Result<std::int64_t> parse_age(std::string_view text);
// 1 or more. Errors: invalid argument.
Result<std::uint64_t> parse_count(std::string_view text);
// A finite number of at least 0, in full. Errors: invalid argument.
Result<double> parse_tolerance(std::string_view text);

}  // namespace holdall::cli

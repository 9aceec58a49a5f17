#include "cli/inspect_facts.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "cli/style.h"
#include "holdall/base/text.h"

namespace holdall::cli {
namespace {

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : ", ").append(printable(word));
  return out;
}

void add(std::vector<Fact>& facts, std::string_view key, std::string value) {
  if (!value.empty()) facts.push_back({key, std::move(value)});
}

std::string size_line(const Origin& origin) {
  std::string out = human_bytes(origin.bytes);
  if (origin.bytes >= 10'000) out += text(" ({} bytes)", grouped(origin.bytes));
  return origin.files.size() > 1 ? text("{} in {} files", out, grouped(origin.files.size())) : out;
}

std::string parameter_line(const Model& model) {
  const std::uint64_t parameters = model.parameters();
  std::string out = grouped(parameters);
  if (parameters >= 10'000) out += text(" ({})", short_count(parameters));
  return out + " in " + counted(model.tensors().size(), "tensor", "tensors");
}

std::string tokenizer_line(const Tokenizer& tokenizer) {
  std::string out = printable(tokenizer.kind);
  if (tokenizer.vocabulary != 0)
    out += text("{}{}", out.empty() ? "" : ", ", counted(tokenizer.vocabulary, "entry", "entries"));
  if (!tokenizer.files.empty()) out += text(" ({})", listed(tokenizer.files));
  return out;
}

}  // namespace

std::string dtype_summary(const Model& model) {
  struct Share {
    std::uint64_t tensors = 0;
    std::uint64_t bytes = 0;
  };
  std::map<DType, Share> shares;
  std::unordered_set<std::uint32_t> seen;
  for (const NamedTensor& entry : model.tensors()) {
    if (!seen.insert(entry.index).second) continue;
    ++shares[entry.tensor.dtype()].tensors;
    shares[entry.tensor.dtype()].bytes += entry.tensor.bytes();
  }
  std::vector<std::pair<DType, Share>> sorted(shares.begin(), shares.end());
  std::ranges::stable_sort(sorted, [](const auto& a, const auto& b) { return a.second.bytes > b.second.bytes; });
  if (sorted.size() == 1) return std::string(name(sorted.front().first));
  std::string out;
  for (const auto& [dtype, share] : sorted) {
    out += text("{}{} ({}, {})", out.empty() ? "" : ", ", name(dtype), counted(share.tensors, "tensor", "tensors"),
                human_bytes(share.bytes));
  }
  return out;
}

std::vector<Fact> page_facts(const Inspection& inspection) {
  const Origin& origin = inspection.model.origin();
  const Label& label = inspection.label;
  std::vector<Fact> facts;
  add(facts, "format", printable(origin.detail.empty() ? origin.format : text("{}: {}", origin.format, origin.detail)));
  add(facts, "size", size_line(origin));
  if (inspection.model.tensors().empty()) {
    add(facts, "tensors", "none");
  } else {
    add(facts, "parameters", parameter_line(inspection.model));
    add(facts, "dtype", dtype_summary(inspection.model));
  }
  add(facts, "family",
      printable(label.task.empty() ? label.family
                                   : text("{}{}{}", label.family, label.family.empty() ? "" : ", ", label.task)));
  add(facts, "base", printable(label.base));
  add(facts, "producer", printable(label.producer));
  add(facts, "licence", printable(label.licence));
  if (inspection.tokenizer) add(facts, "tokenizer", tokenizer_line(*inspection.tokenizer));
  return facts;
}

std::vector<Fact> line_facts(const Inspection& inspection) {
  const Origin& origin = inspection.model.origin();
  const Label& label = inspection.label;
  std::vector<Fact> facts;
  add(facts, "path", printable(inspection.path));
  add(facts, "format", origin.format);
  add(facts, "detail", printable(origin.detail));
  add(facts, "bytes", text("{}", origin.bytes));
  for (const std::string& file : origin.files) add(facts, "file", printable(file));
  add(facts, "parameters", text("{}", inspection.model.parameters()));
  add(facts, "tensors", text("{}", inspection.model.tensors().size()));
  add(facts, "family", printable(label.family));
  add(facts, "task", printable(label.task));
  add(facts, "base", printable(label.base));
  add(facts, "precision", printable(label.precision));
  add(facts, "producer", printable(label.producer));
  add(facts, "licence", printable(label.licence));
  if (inspection.tokenizer) {
    add(facts, "tokenizer", printable(inspection.tokenizer->kind));
    add(facts, "vocabulary", text("{}", inspection.tokenizer->vocabulary));
  }
  return facts;
}

}  // namespace holdall::cli

#include "holdall/formats/hdf5_pickles.h"

#include <algorithm>
#include <array>
#include <utility>

#include "holdall/base/text.h"
#include "holdall/codec/pickle.h"
#include "holdall/formats/program_check.h"
#include "holdall/objects/told.h"

namespace holdall {
namespace {

using namespace std::string_view_literals;

// What all pickles of a file may come to: several may stand for the same bytes.
constexpr std::uint64_t kFewOpcodes = 20'000'000, kOpcodesAByte = 16;
// Most texts end a pickle machine at once.
constexpr std::uint64_t kReadFirst = 256;

// PyTables' words for rows that are not objects.
constexpr std::array kRowsOfTexts = {"vlstring"sv, "vlunicode"sv};
constexpr std::array kFlavors = {"numpy"sv, "python"sv, "numeric"sv, "numarray"sv, "VLString"sv, "NumPy"sv,
                                 "Tuple"sv, "List"sv,   "String"sv,  "Numeric"sv,  "NumArray"sv, "CharArray"sv};

template <class Words>
bool is_one_of(const hdf5::Attribute& attribute, const Words& words) {
  const std::string_view said = attribute.data.text().substr(0, attribute.data.text().find('\0'));
  return std::find(words.begin(), words.end(), said) != words.end();
}

// Whether PyTables takes the rows of a data set for pickles; its words may be pickles themselves.
bool has_objects(const Hdf5Object& object) {
  if (const hdf5::Attribute* kind = object.attribute("PSEUDOATOM")) return !is_one_of(*kind, kRowsOfTexts);
  const hdf5::Attribute* flavor = object.attribute("FLAVOR");
  return flavor != nullptr && !is_one_of(*flavor, kFlavors);
}

// hickle asks for these before it reads anything.
bool is_hickle(const Hdf5File& file) {
  return (file.root().attribute("CLASS") != nullptr && file.root().attribute("PYTHON_VERSION") != nullptr) ||
         std::any_of(file.objects().begin(), file.objects().end(),
                     [](const Hdf5Object& object) { return object.attribute("HICKLE_VERSION") != nullptr; });
}

const hdf5::Type& element_of(const hdf5::Type& type) noexcept {
  const hdf5::Type* element = &type;
  while (element->kind == hdf5::Class::kArray) element = element->base.get();
  return *element;
}

bool is_bytes(const hdf5::Type& type) noexcept {
  return type.size == 1 || type.kind == hdf5::Class::kString || type.kind == hdf5::Class::kOpaque;
}

// PyTables mends the pickles of its first version before it runs them: what was a text may be opcodes then.
std::optional<std::string> mended(std::string_view filters) {
  for (const std::string_view old : {"(ctables.Leaf\n"sv, "(itables.Leaf\n"sv}) {
    const std::size_t at = filters.find(old);
    if (at == std::string_view::npos) continue;
    return std::string(filters).replace(at + 2, old.size() - 2, "tables.filters\n");
  }
  return std::nullopt;
}

class PickleJudge {
 public:
  PickleJudge(const Hdf5File& file, const Context& context, Findings& findings)
      : file_(file), context_(context), told_(findings), rows_(file), is_hickle_(is_hickle(file)) {
    const std::uint64_t size = std::min(file.source()->size(), UINT64_MAX / 2 / kOpcodesAByte);
    opcodes_ = kFewOpcodes + size * kOpcodesAByte;
  }

  void run() {
    for (const Hdf5Object& object : file_.objects()) {
      where_ = text("{}@{}", file_.source()->name(), object.address);
      for (const hdf5::Attribute& attribute : object.attributes) judge_attribute(attribute);
      if (object.dataset != nullptr) judge_dataset(object);
    }
  }

 private:
  void judge_attribute(const hdf5::Attribute& attribute) {
    if (attribute.type->kind == hdf5::Class::kVariable) {
      if (const Status read = rows_.each(attribute, judge_row_); !read) refuse(read.error());
      return;
    }
    judge_bytes(attribute.data);
    if (attribute.name != "FILTERS") return;
    if (const auto old = mended(attribute.data.text())) judge_bytes(Bytes::copy(*old));
  }

  // What lies in other files is told of by itself.
  void judge_dataset(const Hdf5Object& object) {
    const Hdf5Dataset& dataset = *object.dataset;
    if (dataset.bytes == 0 || dataset.is_external || dataset.layout.kind == hdf5::Layout::Kind::kVirtual) return;
    const bool is_variable = dataset.type->kind == hdf5::Class::kVariable;
    const bool is_unpickled = is_hickle_ || (is_variable && has_objects(object));
    if (!is_unpickled && (is_variable || !is_bytes(element_of(*dataset.type)))) return;
    const Status read = is_variable ? judge_rows(dataset) : judge_data(dataset);
    if (!read && is_unpickled) refuse(read.error());
  }

  Status judge_rows(const Hdf5Dataset& dataset) {
    const bool is_swapped = !dataset.type->is_text && dataset.type->base->size != 1;  // perhaps, by PyTables
    if (is_swapped && !is_hickle_) return unsupported("rows of objects that are no bytes");
    Status read = rows_.each(dataset, where_, judge_row_);
    // Of PyTables' filters a few are known alone; rows themselves pass none.
    return read || read.error().code() != Code::kUnsupported ? read : rows_.each_anywhere(judge_row_);
  }

  Status judge_data(const Hdf5Dataset& dataset) {
    HOLDALL_ASSIGN(const Blob data, file_.data(dataset, where_));
    HOLDALL_ASSIGN(const SourceRef source, slice_source(data.source(), data.offset(), data.size(), where_));
    std::byte first{};
    HOLDALL_TRY(source->read_at(0, std::span(&first, 1)));
    if (is_pickle_opcode(std::to_integer<unsigned char>(first))) judge_source(source);
    return {};
  }

  void judge_bytes(const Bytes& bytes) {
    if (bytes.empty() || !is_pickle_opcode(static_cast<unsigned char>(bytes.text().front()))) return;
    judge_source(memory_source(bytes, where_));
  }

  void judge_source(const SourceRef& source) {
    if (opcodes_ == 0) return;
    PickleOptions options{.limits = context_.limits, .read_first = kReadFirst};
    options.limits.depth = UINT32_MAX;  // Python's has none
    options.limits.opcodes = std::min(options.limits.opcodes, opcodes_);
    Arena arena;
    const PickleProgram program = run_pickle(arena, source, 0, options);
    opcodes_ -= std::min(opcodes_, program.opcodes);
    if (opcodes_ == 0) refuse(over_limit("its pickles have too many opcodes"));
    if (const Status spent = context_.unfold(program.end); !spent) return refuse(spent.error());
    const bool calls = std::any_of(program.calls.begin(), program.calls.end(), [](const PickleCall& call) {
      return call.kind != PickleCallKind::kPersistent && call.kind != PickleCallKind::kExtension;
    });
    // A text may begin like an import, but does not come to an end.
    const Verdict least = !calls && program.error ? Verdict::kMalicious : Verdict::kCode;
    if (!program.imports.empty()) judge_acts(arena, program, source, least);
  }

  void judge_acts(const Arena& arena, const PickleProgram& program, const SourceRef& source, Verdict least) {
    // Whoever unpickles looks at nothing behind the end.
    const auto own = slice_source(source, 0, program.end, where_);
    if (!own) return refuse(own.error());
    Findings found;
    judge_program(arena, program, *own, context_, found);
    for (Finding& finding : found) {
      const bool acts = finding.severity >= least && finding.severity <= Verdict::kMalicious;
      if (acts && !is_no_import(finding)) told_.add(std::move(finding));
    }
  }

  void refuse(const Error& error) {
    if (told_.is_full(Verdict::kUnreadable, Rule::kNotUnderstood)) return;
    told_.add({Verdict::kUnreadable, Rule::kNotUnderstood, where_, error.to_string()});
  }

  const Hdf5File& file_;
  const Context& context_;
  Told told_;
  Hdf5Rows rows_;
  bool is_hickle_;
  std::uint64_t opcodes_;  // left
  std::string where_;      // of the object
  Hdf5Rows::Use judge_row_ = [this](const Bytes& row) -> Status {
    judge_bytes(row);
    return {};
  };
};

}  // namespace

void judge_hdf5_pickles(const Hdf5File& file, const Context& context, Findings& findings) {
  PickleJudge(file, context, findings).run();
}

}  // namespace holdall

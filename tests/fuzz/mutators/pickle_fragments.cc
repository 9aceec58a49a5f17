#include "tests/fuzz/mutators/pickle_fragments.h"

#include "tests/fuzz/plain_zip.h"

namespace holdall::fuzz {
namespace {

constexpr Name kListed[] = {
#define HOLDALL_BUILDER(enumerator, name)
#define HOLDALL_GLOBAL(module, name, verdict, builder) {module, name},
#define HOLDALL_ROOT(module) {module, "run"},
#include "holdall/objects/globals.inc"
#undef HOLDALL_BUILDER
#undef HOLDALL_GLOBAL
#undef HOLDALL_ROOT
};

// What no model needs; names with dots, spaces and without letters; what runs another file's pickle.
constexpr Name kHostile[] = {{"os", "system"},
                             {"posix", "system"},
                             {"nt", "system"},
                             {"builtins", "eval"},
                             {"__builtin__", "exec"},
                             {"builtins", "getattr"},
                             {"builtins", "__import__"},
                             {"builtins", "globals"},
                             {"builtins", "print.__self__.eval"},
                             {"subprocess", "Popen"},
                             {"importlib", "import_module"},
                             {"operator", "attrgetter"},
                             {"operator", "methodcaller"},
                             {"functools", "partial"},
                             {"functools", "reduce"},
                             {"runpy", "run_path"},
                             {"pickle", "loads"},
                             {"_pickle", "loads"},
                             {"torch", "load"},
                             {"torch.hub", "load"},
                             {"torch.storage", "_load_from_bytes"},
                             {"joblib", "load"},
                             {"joblib.numpy_pickle", "NumpyArrayWrapper"},
                             {"numpy", "load"},
                             {"pathlib", "os.system"},
                             {"collections", "OrderedDict.__init__"},
                             {"types", "CodeType"},
                             {"marshal", "loads"},
                             {"sys", "modules"},
                             {"unknown.third", "Party"},
                             {"__main__", "Model"},
                             {"", "x"},
                             {"os", ""}};

std::string import_of(const Name& name, Chance& chance) {
  const std::string module(name.module), attribute(name.name);
  switch (chance.below(6)) {
    case 0:
    case 1:
      return "c" + module + "\n" + attribute + "\n";
    case 2:
      return some_text(module, chance) + some_text(attribute, chance) + "\x93";
    case 3:
      return some_text(module, chance) + "\x94" + some_text(attribute, chance) + "\x94\x93\x94";
    case 4:  // through the memo
      return some_text(attribute, chance) + "q\7" + "0" + some_text(module, chance) + "h\7\x93";
    default:
      return "(i" + module + "\n" + attribute + "\n";
  }
}

std::string some_number(Chance& chance) {
  static constexpr std::string_view kNumbers[] = {
      "K\1", "K\xff", "M\1\1", "J\xff\xff\xff\xff", "I01\n", "I-7\n", "\x8a\1\5", "L12L\n", "F1.5\n", "\x88", "N", "I0x1f\n"};
  return std::string(chance.of(kNumbers));
}

std::string some_arguments(Chance& chance) {
  std::string out = "(";
  for (std::size_t i = chance.below(4); i-- > 0;) {
    if (chance.one_in(4)) {
      out += import_of(some_name(chance), chance);
    } else if (chance.one_in(2)) {
      out += some_text("x", chance);
    } else {
      out += some_number(chance);
    }
  }
  return out + "t";
}

std::string call(Chance& chance) {
  const Name name = some_name(chance);
  const std::string arguments = some_arguments(chance);
  switch (chance.below(6)) {
    case 0:
      return import_of(name, chance) + arguments + "\x81";
    case 1:
      return import_of(name, chance) + arguments + "}\x92";
    case 2:
      return "(" + import_of(name, chance) + some_number(chance) + "o";
    case 3:
      return "(" + some_text("x", chance) + "i" + std::string(name.module) + "\n" + std::string(name.name) + "\n";
    default:
      return import_of(name, chance) + arguments + "R";
  }
}

std::string tensor(Chance& chance) {
  const std::string key = chance.one_in(3) ? "1" : "0";
  return "ctorch._utils\n_rebuild_tensor_v2\n((X\7" + std::string(3, '\0') + "storagectorch\nFloatStorage\nX\1" +
         std::string(3, '\0') + key + "X\3" + std::string(3, '\0') + "cpuK\4tQK" + std::string(1, '\0') +
         "K\2K\2\x86K\2K\1\x86\x89" + "ccollections\nOrderedDict\n)RtR";
}

std::string array() {
  return std::string("cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK") + std::string(1, '\0') + "\x85" +
         "C\1btR(K\1K\2\x85" + "cnumpy\ndtype\n(X\2" + std::string(3, '\0') + "f4K" + std::string(1, '\0') + "K\1tR(K\3X\1" +
         std::string(3, '\0') + "<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK" + std::string(1, '\0') + "tb\x89" + "C\x08" +
         std::string(8, '\1') + "tb";
}

// Around what a call gave: forgotten, kept, changed, filled.
std::string used(std::string made, Chance& chance) {
  switch (chance.below(8)) {
    case 0:
      return made + "0";
    case 1:
      return "(" + made + "1";
    case 2:
      return made + "}" + some_text("__setstate__", chance) + import_of(some_name(chance), chance) + "sb";
    case 3:
      return made + "q\5" + "h\5" + some_number(chance) + "a";
    case 4:
      return made + some_text("k", chance) + some_number(chance) + "s";
    case 5:
      return made + some_arguments(chance) + "b";
    case 6:
      return "}(" + some_text("k", chance) + made + "u";
    default:
      return "]" + made + "a";
  }
}

}  // namespace

Name some_name(Chance& chance) {
  return chance.one_in(2) ? chance.of(std::span<const Name>(kListed)) : chance.of(std::span<const Name>(kHostile));
}

std::string some_text(std::string_view text, Chance& chance) {
  text = text.substr(0, 255);
  std::string out;
  switch (chance.below(6)) {
    case 0:
      out = "X";
      put_le(out, static_cast<std::uint32_t>(text.size()));
      return out.append(text);
    case 1:
      return ("V" + std::string(text)) + "\n";
    case 2:
      return ("S'" + std::string(text)) + "'\n";
    case 3:
      return std::string("U") + static_cast<char>(text.size()) + std::string(text);
    default:
      return std::string("\x8c") + static_cast<char>(text.size()) + std::string(text);
  }
}

std::string some_instruction(Chance& chance) {
  std::string out;
  switch (chance.below(12)) {
    case 0:
      return some_number(chance);
    case 1:
      return some_text(some_name(chance).module, chance);
    case 2:
      return import_of(some_name(chance), chance);
    case 3:
      return (chance.one_in(2) ? "q" : "h") + std::string(1, static_cast<char>(chance.below(8)));
    case 4:
      return (chance.one_in(2) ? "p" : "g") + std::to_string(chance.below(8)) + "\n";
    case 5:
      return "\x80" + std::string(1, static_cast<char>(chance.below(7)));
    case 6:
      return "\x82" + std::string(1, static_cast<char>(chance.below(4)));
    case 7:
      return "C\3abc";
    case 8:
      out = chance.one_in(2) ? "\x96" : "\x8e";
      put_le(out, std::uint64_t{3});
      return out + "abc";
    case 9:
      return "Pid\n";
    default:
      return std::string(1, kPlainOpcodes[chance.below(sizeof kPlainOpcodes - 1)]);
  }
}

std::string some_fragment(Chance& chance) {
  switch (chance.below(8)) {
    case 0:
      return import_of(some_name(chance), chance);
    case 1:
      return call(chance);
    case 2:
    case 3:
      return used(call(chance), chance);
    case 4:
      return tensor(chance);
    case 5:
      return array();
    case 6:  // a program in a program's bytes
      return "ctorch.storage\n_load_from_bytes\n(C\x05" + std::string("cos\nX") + "tR";
    default:
      return some_text("x", chance) + some_number(chance) + "\x86\x94";
  }
}

}  // namespace holdall::fuzz

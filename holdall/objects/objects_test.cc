// Verdicts of globals, the judge of pickle programs, and the meaning of pickled objects, against what torch and NumPy wrote.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "holdall/codec/json.h"
#include "holdall/codec/pickle.h"
#include "holdall/objects/globals.h"
#include "holdall/objects/interpret.h"
#include "holdall/objects/judge.h"
#include "holdall/objects/torch_types.h"

namespace holdall {
namespace {

std::string contents(const std::string& name) {
  std::ifstream file(std::string(HOLDALL_SOURCE_DIR) + "/holdall/objects/testdata/" + name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Findings judged(std::string pickle) {
  Arena arena;
  const PickleProgram program = run_pickle(arena, memory_source(Bytes::adopt(std::move(pickle)), "p"), 0);
  Findings findings;
  judge(arena, program, "p", findings);
  return findings;
}

Verdict worst(const Findings& findings) {
  Verdict verdict = Verdict::kInert;
  for (const Finding& finding : findings) verdict = std::max(verdict, finding.severity);
  return verdict;
}

struct Read {
  Arena arena;
  Value root;
  std::vector<Tensor> tensors;
};

void read(Read& result, const std::string& name) {
  const auto program = run_pickle(result.arena, memory_source(Bytes::adopt(contents(name)), name), 0);
  ASSERT_FALSE(program.error) << program.error->to_string();
  InterpretOptions options;
  options.add = [&](Tensor tensor) {
    result.tensors.push_back(std::move(tensor));
    return static_cast<std::uint32_t>(result.tensors.size() - 1);
  };
  const auto status = interpret(result.arena, 0, program.root, options);
  ASSERT_TRUE(status.has_value()) << status.error().to_string();
  result.root = result.arena.at(program.root);
}

TEST(Globals, WhatTorchsWeightsOnlyLoaderAllowsIsInert) {
  std::istringstream lines(contents("torch_allowed.txt"));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const std::size_t dot = line.rfind('.');
    EXPECT_EQ(verdict_of_global(line.substr(0, dot), line.substr(dot + 1)), Verdict::kInert) << line;
  }
  EXPECT_GT(count, 100u);
}

TEST(Globals, WhatIsOffTheListIsJudgedByItsRoot) {
  EXPECT_EQ(verdict_of_global("os", "system"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("posix", "system"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("builtins", "eval"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("__builtin__", "exec"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("torch", "load"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("numpy", "load"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("torch.nn.modules.linear", "no_such_class"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("stranger.models", "Net"), Verdict::kCode);
  EXPECT_EQ(verdict_of_global("__main__", "Net"), Verdict::kCode);
}

// numpy.dtype(code, False, True) with a state of version 3: its array, size of an element and flags.
std::string dtype(const std::string& code, const std::string& fields, int size, int flags) {
  const auto number = [](int value) { return "I" + std::to_string(value) + "\n"; };
  return "cnumpy\ndtype\n(V" + code + "\n\x89\x88tR(" + number(3) + "V|\nNN" + fields + number(size) + "I-1\n" + number(flags) +
         "tb";
}

TEST(Judge, WhatNumPyBelievesOfATypeIsHeldToTheType) {
  const auto verdict = [](const std::string& made) { return worst(judged("\x80\x02" + made + ".")); };
  EXPECT_EQ(verdict(dtype("O8", "N", -1, 63)), Verdict::kInert);
  EXPECT_EQ(verdict(dtype("O8", "N", -1, 0)), Verdict::kMalicious);
  EXPECT_EQ(verdict(dtype("f8", "N", -1, 63)), Verdict::kMalicious);
  EXPECT_EQ(verdict(dtype("f8", "N", 4096, 0)), Verdict::kMalicious);
  const auto field = [](int offset) { return "}Va\n(" + dtype("f8", "N", -1, 0) + "I" + std::to_string(offset) + "\nts"; };
  EXPECT_EQ(verdict(dtype("V12", field(4), 12, 16)), Verdict::kInert);
  EXPECT_EQ(verdict(dtype("V12", field(5), 12, 16)), Verdict::kMalicious);
  EXPECT_EQ(verdict(dtype("V12", field(-1), 12, 16)), Verdict::kMalicious);
}

TEST(Globals, WhatOrdinaryFilesHoldIsNotMalicious) {
  EXPECT_EQ(verdict_of_global("builtins", "ValueError"), Verdict::kInert);
  EXPECT_EQ(verdict_of_global("typing", "Any"), Verdict::kInert);
  EXPECT_EQ(verdict_of_global("torch._dynamo.decorators", "_DimRange"), Verdict::kInert);
  EXPECT_EQ(verdict_of_global("torch._utils", "torch.channels_last"), Verdict::kInert);
  EXPECT_EQ(verdict_of_global("torch._C", "_VariableFunctionsClass"), Verdict::kInert);
  EXPECT_EQ(verdict_of_global("pandas.core.indexes.base", "_new_Index"), Verdict::kInert);
  EXPECT_EQ(verdict_of_global("pandas.api.typing", "DataFrameGroupBy"), Verdict::kCode);
  EXPECT_EQ(verdict_of_global("__main__", "torch.channels_last"), Verdict::kCode);
  EXPECT_EQ(verdict_of_global("__main__", "torch.load"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("torch.hub", "torch.channels_last"), Verdict::kMalicious);
}

TEST(Globals, WhatIsBelowARootIsJudgedAsTheRoot) {
  EXPECT_EQ(verdict_of_global("gevent.subprocess", "Popen"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("sklearn.datasets", "fetch_openml"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("sklearn.datasets._openml", "fetch_openml"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("sklearn.datasets.base", "Bunch"), Verdict::kCode);
  EXPECT_EQ(verdict_of_global("sklearn.datasetsx", "fetch_openml"), Verdict::kCode);
  EXPECT_EQ(verdict_of_global("sklearn.strange", "Estimator"), Verdict::kCode);
  EXPECT_EQ(verdict_of_global("geventx", "Popen"), Verdict::kCode);
}

TEST(Globals, ADottedNameIsJudgedByEveryComponent) {
  EXPECT_EQ(verdict_of_global("pathlib", "os.system"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("stranger", "os.system"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("stranger", "Net.__globals__"), Verdict::kMalicious);
  EXPECT_EQ(verdict_of_global("stranger", "Outer.Inner"), Verdict::kCode);
}

// Every pair of the table, as it is listed.
constexpr std::pair<std::string_view, std::string_view> kListed[] = {
#define HOLDALL_BUILDER(id, name)
#define HOLDALL_ROOT(module)
#define HOLDALL_GLOBAL(module, global, verdict, builder) {module, global},
#include "holdall/objects/globals.inc"
#undef HOLDALL_BUILDER
#undef HOLDALL_ROOT
#undef HOLDALL_GLOBAL
};

TEST(Globals, NoPairIsListedTwice) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const auto& pair : kListed) EXPECT_TRUE(seen.insert(pair).second) << pair.first << "." << pair.second;
}

TEST(Judge, AnImportIsFoundWhetherOrNotItsResultIsKept) {
  EXPECT_EQ(worst(judged("cos\nsystem\n(S'x'\ntR.")), Verdict::kMalicious);
  EXPECT_EQ(worst(judged("cos\nsystem\n0N.")), Verdict::kMalicious);
  EXPECT_EQ(worst(judged("cstranger\nNet\n)R.")), Verdict::kCode);
  EXPECT_EQ(worst(judged("ccollections\nOrderedDict\n)R.")), Verdict::kInert);
}

TEST(Judge, APayloadBeforeADefectIsBothMaliciousAndUnreadable) {
  const Findings findings = judged("cos\nsystem\n(S'x'\ntR");
  std::set<Verdict> severities;
  for (const Finding& finding : findings) severities.insert(finding.severity);
  EXPECT_TRUE(severities.contains(Verdict::kMalicious));
  EXPECT_TRUE(severities.contains(Verdict::kUnreadable));
}

TEST(Judge, ExtensionCodesAndChangedImportsAreMalicious) {
  EXPECT_EQ(worst(judged("\x80\x02\x82\x01.")), Verdict::kMalicious);
  EXPECT_EQ(worst(judged("ccollections\nOrderedDict\n}S'x'\nI1\nsb.")), Verdict::kMalicious);
}

// Each of these gives back, calls or changes something imported by means of names that are all inert.
TEST(Judge, WhatTheInertIsCalledWithIsJudged) {
  const std::string identity = "ctorch.nn.modules.linear\nIdentity\n)R";
  const std::string from_type = "ctorch._tensor\n_rebuild_from_type\n";
  const std::string space = "cargparse\nNamespace\n";
  for (const std::string& program : std::vector<std::string>{
           from_type + "(" + identity + "ctorch\nTensor\n(" + space +
               "t}tRN}S'x'\nI1\ns\x86"
               "b.",
           from_type + "(" + space + "ctorch\nTensor\n)}tR.",
           from_type + "(ctorch._tensor\n_rebuild_from_type_v2\nctorch\nTensor\n)}tR.",
           from_type + "(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n(" + space + "t}tR.",
           from_type + "(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\nctorch\nSize\n)R}tR.",
           "cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O'\ntR" + space + "tR.", "cnumpy\nobject_\n(" + space + "tR.",
           "ctorch.nn.cpp\nModuleWrapper\n(" + space + "tR.", "ctorch.optim.swa_utils\nAveragedModel\n(" + space + ")RtR.",
           "cuuid\nUUID\n(cpathlib\nPosixPath\ntR.", "cuuid\nUUID\n((lp0\n((lp1\ng0\natacpathlib\nPosixPath\natR.",
           "ccopyreg\n__newobj__\n(cuuid\nUUID\ncpathlib\nPosixPath\ntR.",
           "ccopyreg\n_reconstructor\n(" + space + "cpathlib\nPosixPath\nNtR.",
           "ccollections\ndefaultdict\n(" + identity + "tR.",
           "cuuid\nUUID\n(ccollections\nOrderedDict\n)R}S'replace'\ncpathlib\nPosixPath\nsbtR.",
           "cuuid\nUUID\n((dp0\nS'x'\ncpathlib\nPosixPath\nstR0g0\nS'x'\nI1\ns.",
           "((S'module'\n" + space + "S'f'\nS's'\ntp0\n0g0\nQ}S'x'\nI1\nsb."}) {
    EXPECT_EQ(worst(judged(program)), Verdict::kMalicious) << program;
  }
}

// type() of anything but a constant of Python gives a class that the file chooses, which a BUILD then changes, or makes one.
TEST(Judge, TypeIsAskedOnlyAboutConstants) {
  const std::string type = "c__builtin__\ntype\n";
  const std::string identity = "ctorch.nn.modules.linear\nIdentity\n";
  for (const std::string& program : std::vector<std::string>{
           type + "(" + identity + ")RtR.", type + "(" + identity + "tR.", type + "(I1\ntR.", type + "(" + type + "tR.",
           type + "(S'X'\n(t(dtR.", type + "(S'X'\n(" + identity + "t(dtR.", type + "((NttR.", "(" + type + "I1\no.",
           "\x80\x02" + type + "K\x01\x85\x81.", "\x80\x04" + type + identity + ")R\x85}\x92.",
           "ccopyreg\n__newobj__\n(" + type + identity + ")RtR.", "ccopyreg\n_reconstructor\n(" + type + type + "I1\ntR.",
           "ccollections\ndefaultdict\n(" + type + "tR.", "cuuid\nUUID\n(" + type + "tR.", type + "}S'x'\nI1\nsb."}) {
    EXPECT_EQ(worst(judged(program)), Verdict::kMalicious) << program;
  }
}

TEST(Judge, MethodsThatAnObjectWasGivenAreNotCalled) {
  const std::string space = "cargparse\nNamespace\n)R";
  const std::string path = "cpathlib\nPosixPath\n";
  EXPECT_EQ(worst(judged(space + "}S'__setstate__'\n" + path + "sbS'/'\nb.")), Verdict::kMalicious);
  EXPECT_EQ(worst(judged(space + "}S'append'\n" + path + "sbS'/'\na.")), Verdict::kMalicious);
  EXPECT_EQ(worst(judged(space + "}S'append'\n" + path + "sb.")), Verdict::kMalicious);
  EXPECT_EQ(worst(judged(space + "}S'activation'\nctorch\nrelu\nsb.")), Verdict::kInert);
}

TEST(Judge, AStateIsADictByNamesAndTheLastThatAnObjectIsGiven) {
  const std::string space = "cargparse\nNamespace\n)R", map = "ccollections\nOrderedDict\n)R",
                    text = "ccollections\nUserString\n(S'x'\ntR";
  EXPECT_EQ(worst(judged(space + "}S'a'\nI1\nsb.")), Verdict::kInert);
  EXPECT_EQ(worst(judged(map + "S'a'\nI1\ns}S'b'\nI2\nsb.")), Verdict::kInert);
  for (const std::string& program :
       std::vector<std::string>{text + map + "S'a'\nI1\nsb.",  // a mapping that is an object
                                text + "(N" + map + "tb.",     // the same for the slots
                                text + "cbuiltins\ndict\n(tRb.", text + "cbuiltins\ntuple\n((lNa}atRb.",
                                text + "}cnumpy\nstr_\n(S'a'\ntRI1\nsb.",  // a name that is computed
                                space + "}S'__array_interface__'\n}sb.",   // what NumPy asks every object for
                                space + "}S'f'\n(lcnumpy\nmemmap\nasb.",   // what picklers alone name
                                space + "}S'f'\n" + map + "I0\ncnumpy\nndarray\nssb.",
                                map + "}b" + "S'a'\nI1\ns.",  // items behind the state
                                map + "}b}b.",
                                // a state that says something else by the end
                                "}p0\nS'__array_interface__'\n}s0" + space + "g0\nbg0\nS'__array_interface__'\nI1\ns0.",
                                text + "S'a'\nI1\ns.",  // items of what has none
                                "cnumpy\nndarray\n((I1\ntS'O'\nS'12345678'\ntR.", "cnumpy\nndarray\n(tR."}) {
    const bool is_empty = program.ends_with("(tR.");
    EXPECT_EQ(worst(judged(program)), is_empty ? Verdict::kInert : Verdict::kMalicious) << program;
  }
}

TEST(Judge, HooksOfAModuleAreObjectsThatAreMadeForIt) {
  const auto hooked = [](const std::string& hook) {
    return worst(judged("ctorch.nn.modules.linear\nIdentity\n)\x81}S'_forward_pre_hooks'\nccollections\nOrderedDict\n)RI0\n" +
                        hook + "ssb."));
  };
  const auto wrapped = [](const std::string& hook) {
    return "ctorch.nn.modules.module\n_WrappedHook\n)\x81}S'hook'\n" + hook + "sb";
  };
  EXPECT_EQ(hooked("ctorch.nn.utils.weight_norm\nWeightNorm\n)\x81}b"), Verdict::kInert);
  EXPECT_EQ(hooked(wrapped("ctorch.nn.utils.spectral_norm\nSpectralNormLoadStateDictPreHook\n)\x81}b")), Verdict::kInert);
  EXPECT_EQ(hooked("cbuiltins\nsum\n"), Verdict::kMalicious);
  EXPECT_EQ(hooked(wrapped("cbuiltins\nsum\n")), Verdict::kMalicious);
  EXPECT_EQ(hooked("ctorch.nn.modules.linear\nIdentity\n)\x81}b"), Verdict::kMalicious);
}

TEST(Judge, WhatLoadingAsksForATextHidesNoMethod) {
  const std::string spoken = "ctorch.nn.modules.linear\nIdentity\n)\x81}S'extra_repr'\ncbuiltins\nsum\nsb";
  EXPECT_EQ(worst(judged(spoken + ".")), Verdict::kMalicious);
  const std::string module = "ctorch.nn.modules.linear\nIdentity\n)\x81}b";
  const std::string scaler = "csklearn.preprocessing._data\nStandardScaler\n)\x81}S'_sklearn_version'\n";
  EXPECT_EQ(worst(judged(scaler + module + "sb.")), Verdict::kMalicious);
  EXPECT_EQ(worst(judged(scaler + "S'1.5.0'\nsb.")), Verdict::kInert);
  const std::string made = "ccopyreg\n_reconstructor\n(cbuiltins\n";
  EXPECT_EQ(worst(judged(made + "str\ncbuiltins\nstr\n(l" + module + "atR.")), Verdict::kMalicious);
  EXPECT_EQ(worst(judged(made + "list\ncbuiltins\nlist\n(l" + module + "atR.")), Verdict::kInert);
}

TEST(Judge, EntriesOfWhatKeepsThemAsAttributesAreJudgedHoweverTheyAreGiven) {
  const std::string result = "ccopyreg\n_reconstructor\n(cscipy.optimize._optimize\nOptimizeResult\ncbuiltins\ndict\n";
  EXPECT_EQ(worst(judged(result + "}S'x'\nI1\nstR.")), Verdict::kInert);
  EXPECT_EQ(worst(judged(result + "}S'__array_interface__'\n}stR.")), Verdict::kMalicious);
  EXPECT_EQ(worst(judged(result + "(l(S'x'\nI1\ntatR.")), Verdict::kMalicious);
}

TEST(Judge, ScorersAndWhatFunctionsAreKeptWithCallNothing) {
  EXPECT_EQ(worst(judged("csklearn.metrics._scorer\n_Scorer\n(NI1\n}S'__setstate__'\ntR.")), Verdict::kMalicious);
  const auto kept = [](const std::string& metric) {
    const std::string function = "csklearn.metrics.pairwise\npairwise_distances\n";
    return worst(judged("cfunctools\npartial\n(" + function + "tR(" + function + ")}S'metric'\n" + metric + "sNtb."));
  };
  EXPECT_EQ(kept("csklearn.metrics.pairwise\ncosine_distances\n"), Verdict::kInert);
  EXPECT_EQ(kept("S'cosine'\n"), Verdict::kInert);
  EXPECT_EQ(kept("csklearn.metrics._scorer\n_Scorer\n)\x81}b"), Verdict::kMalicious);
}

TEST(Judge, PythonsTypesAreCalledWithWhatPicklersWrite) {
  const std::string range = "cbuiltins\nrange\n(I1000000000\ntR";
  for (const std::string& program : std::vector<std::string>{
           "c_codecs\nencode\n(S'nop'\nS'rot13'\ntR.", "c_codecs\nencode\n(S'a'\ntR.", "cbuiltins\nset\n(" + range + "tR.",
           "ccollections\ndeque\n(" + range + "I0\ntR.", "cbuiltins\ndict\n((l" + range + "atR.",
           "cbuiltins\nbytearray\n(I100000000\ntR.", "cfractions\nFraction\n(S'1e1000000000'\ntR.",
           "cdecimal\nDecimal\n(S'1e999999999'\ntR.", "cbuiltins\nint\n(cdecimal\nDecimal\n(S'1'\ntRtR."}) {
    EXPECT_EQ(worst(judged(program)), Verdict::kMalicious) << program;
  }
  for (const std::string& program :
       std::vector<std::string>{"c_codecs\nencode\n(S'a'\nS'latin1'\ntR.", "cbuiltins\nset\n((l" + range + "atR.",
                                "cfractions\nFraction\n(S'1/3'\ntR.", "cdecimal\nDecimal\n(S'-1.5E-10'\ntR.",
                                "cdecimal\nDecimal\n(S'Infinity'\ntR."}) {
    EXPECT_EQ(worst(judged(program)), Verdict::kInert) << program;
  }
}

TEST(Judge, ManyHarmlessOdditiesHideNoOther) {
  std::string program = "cstranger\nNet\n)R";
  for (int i = 0; i < 200; ++i) program += "}b";
  EXPECT_EQ(worst(judged(program + ".")), Verdict::kCode);
  EXPECT_EQ(worst(judged(program + "0cuuid\nUUID\nctorch\nSize\n)RR.")), Verdict::kMalicious);
}

TEST(Judge, ArgumentsThatOrdinaryFilesHaveAreInert) {
  const std::string no_tensor = "(I0\nI0\n(I1\nt(I1\ntI00\nccollections\nOrderedDict\n)Rt";
  for (const std::string& program : std::vector<std::string>{
           "ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch.nn.parameter\nParameter\n" +
               no_tensor + "}S'tag'\nctorch\nfloat32\nstR.",
           "cbuiltins\nset\n((lcnumpy\nfloat32\natR.",
           "ccollections\nOrderedDict\n((l(S'a'\nctorch.nn.modules.linear\nIdentity\n)RtatR.",
           "ccollections\ndefaultdict\n(cbuiltins\ndict\ntR.",
           "ccopyreg\n_reconstructor\n(cargparse\nNamespace\ncbuiltins\nobject\nNtR.",
           "carray\n_array_reconstructor\n(carray\narray\nS'd'\nI3\nNtR.",
           "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR.", "cnumpy\ndtype\n(cnumpy\nrecord\ntR.",
           "cnumpy.random._pickle\n__bit_generator_ctor\n(cnumpy.random._pcg64\nPCG64\ntR.",
           "cdatetime\ntimezone\n(cdatetime\ntimedelta\n(I0\ntRtR.", "c__builtin__\ntype\n(NtR.",
           "c__builtin__\ntype\n(c__builtin__\nEllipsis\ntR.",
           "\x80\x04\x8c\x08"
           "builtins\x8c\x04"
           "type\x93\x8c\x08"
           "builtins\x8c\x0e"
           "NotImplemented\x93\x85R."}) {
    const Findings findings = judged(program);
    EXPECT_THAT(findings, testing::IsEmpty()) << program << ": " << (findings.empty() ? "" : findings[0].what);
  }
}

TEST(Judge, AWordInAStringIsNoFinding) { EXPECT_THAT(judged("S'os.system eval'\n."), testing::IsEmpty()); }

TEST(Judge, NumpysPicklesAreInert) {
  for (const char* name : {"arrays_0.pkl", "arrays_2.pkl", "arrays_4.pkl", "arrays_5.pkl", "scalars.pkl", "python_0.pkl"}) {
    const Findings findings = judged(contents(name));
    EXPECT_THAT(findings, testing::IsEmpty()) << name << ": " << (findings.empty() ? "" : findings[0].what);
  }
}

class NumpyPickles : public testing::TestWithParam<int> {};

TEST_P(NumpyPickles, ArraysBecomeTensors) {
  Read result;
  read(result, "arrays_" + std::to_string(GetParam()) + ".pkl");
  Arena arena;
  const Value expected = arena.at(*parse_json(arena, contents("expected.json"))).find("arrays");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::string name(expected.key(i).as_string());
    const Value found = result.root.find(name);
    ASSERT_TRUE(found.is(ValueKind::kTensor)) << name;
    const Tensor& tensor = result.tensors[found.as_tensor().index];
    const Value facts = expected.mapped(i);
    EXPECT_EQ(holdall::name(tensor.dtype()), facts.find("dtype").as_string()) << name;
    EXPECT_EQ(tensor.logical(), facts.find("logical").as_string()) << name;
    EXPECT_EQ(tensor.shape().size(), facts.find("shape").size()) << name;
    EXPECT_EQ(to_hex(*tensor.digest()), facts.find("sha256").as_string()) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Protocols, NumpyPickles, testing::Values(0, 2, 3, 4, 5));

TEST(NumpyScalars, AreNumbersUnderTheNameOfTheirClass) {
  Read result;
  read(result, "scalars.pkl");
  const auto argument = [&](std::string_view key, std::string_view class_name) {
    const Value object = result.root.find(key);
    EXPECT_TRUE(object.is(ValueKind::kObject)) << key;
    EXPECT_TRUE(object.of(object.as_object().callee).is_global("numpy", class_name)) << key;
    return object.of(object.as_object().args).item(0);
  };
  EXPECT_EQ(argument("f4", "float32").as_float(), static_cast<double>(0.1f));
  EXPECT_EQ(argument("f8", "float64").as_float(), -2.5);
  EXPECT_EQ(argument("i2", "int16").as_int(), -7);
  EXPECT_EQ(argument("u8", "uint64").as_big_int(), "18446744073709551615");
  EXPECT_TRUE(argument("b", "bool_").as_bool());
  EXPECT_EQ(argument("c", "complex64").as_complex(), std::complex<double>(1, -2));
  EXPECT_EQ(argument("e", "float16").as_float(), 65504.0);
}

class PythonPickles : public testing::TestWithParam<int> {};

TEST_P(PythonPickles, BuiltInTypesAreValues) {
  Read result;
  read(result, "python_" + std::to_string(GetParam()) + ".pkl");
  EXPECT_TRUE(result.root.find("set").is(ValueKind::kSet));
  EXPECT_EQ(result.root.find("set").item(0).as_int(), 1);
  EXPECT_TRUE(result.root.find("frozen").is(ValueKind::kFrozenSet));
  EXPECT_EQ(result.root.find("complex").as_complex(), std::complex<double>(1, -2));
  EXPECT_EQ(result.root.find("bytes").as_bytes(), std::string_view("\x00\xe9", 2));
  const Value ordered = result.root.find("ordered");
  ASSERT_TRUE(ordered.is(ValueKind::kObject));
  ASSERT_EQ(ordered.as_object().pairs.size(), 2u);
  EXPECT_EQ(ordered.of(ordered.as_object().pairs[0]).as_string(), "b");
}

INSTANTIATE_TEST_SUITE_P(Protocols, PythonPickles, testing::Values(0, 1, 2, 4));

TEST(TorchTypes, EveryDTypeOfTorchIsFoundBothWays) {
  for (const char* name : {"float32", "bfloat16", "uint64", "complex32", "float8_e8m0fnu", "qint32"}) {
    const TorchDType* row = torch_dtype(name);
    ASSERT_NE(row, nullptr) << name;
    EXPECT_EQ(torch_dtype_for(row->dtype), row);
  }
  EXPECT_EQ(torch_storage_dtype("FloatStorage")->dtype, DType::kFloat32);
  EXPECT_EQ(torch_storage_dtype("NoStorage"), nullptr);
  EXPECT_EQ(torch_dtype_for(DType::kQ4_0), nullptr);
}

TEST(Interpret, CallsThatEncodeOneTextShareItsBytes) {
  std::string pickle = "V" + std::string(100'000, 'a') + "\np0\n0c_codecs\nencode\np1\n0(l";
  for (int i = 0; i < 1000; ++i) pickle += "g1\n(g0\nS'latin1'\ntRa";
  Arena arena;
  const auto program = run_pickle(arena, memory_source(Bytes::adopt(pickle + "."), "p"), 0);
  ASSERT_FALSE(program.error) << program.error->to_string();
  const std::uint64_t before = arena.memory();
  ASSERT_TRUE(interpret(arena, 0, program.root, {}));
  ASSERT_EQ(arena.at(program.root).size(), 1000u);
  EXPECT_EQ(arena.at(program.root).item(999).as_bytes(), std::string(100'000, 'a'));
  EXPECT_LT(arena.memory(), before + 200'000);
}

}  // namespace
}  // namespace holdall

#include "holdall/codec/python_text.h"

#include <gtest/gtest.h>

namespace holdall {
namespace {

TEST(PythonText, LiteralsNamesAndArithmeticActNot) {
  for (const char* text : {"",
                           "{0: 'person', 1: 'traffic light (red)'}",
                           "[640, 640]",
                           "(1, 2) + (3,)",
                           "[17, 3]",
                           "32",
                           "nn.SiLU",
                           "a[0].b",
                           "not (1)",
                           "x if (y) else (z)",
                           "'os.system(1)'",
                           "\"a\\\"(\"",
                           "'''it's (x)'''",
                           "b'x(1)'",
                           "r'\\(x)'",
                           "1 # f(2)",
                           "{'form': 'a'}",
                           "x.import_",
                           "formal",
                           "'for'",
                           "-1e-3",
                           "('a', 'w')",
                           "(sys.stdout,)"})
    EXPECT_FALSE(acting_in_python(text)) << text;
}

TEST(PythonText, CallsAreFound) {
  EXPECT_EQ(acting_in_python("__import__('os').system('x')"), "__import__");
  EXPECT_EQ(acting_in_python("{0: os.system ('x')}"), "os.system");
  EXPECT_EQ(acting_in_python("[a, b\\\n(1)]"), "b");
  EXPECT_EQ(acting_in_python("(f)(1)"), ")");
  EXPECT_EQ(acting_in_python("x[0](1)"), "]");
  EXPECT_EQ(acting_in_python("'a'(1)"), "'a'");
  EXPECT_EQ(acting_in_python("'a' # '\n+ f(1)"), "f");
  EXPECT_EQ(acting_in_python("'''a''' + 'b' + g()"), "g");
  EXPECT_EQ(acting_in_python("ﬁ(1)"), "ﬁ");
}

TEST(PythonText, SoDoesWhatActsWithoutACall) {
  for (const char* text :
       {"f'{x}'", "rF\"{x}\"", "[0 for x.y in z]", "lambda: 0", "import os", "@x\nclass A: pass", "(a := b)", "del a"})
    EXPECT_TRUE(acting_in_python(text)) << text;
}

TEST(PythonText, ASingleCallGivesItsName) {
  EXPECT_EQ(single_call("nn.SiLU()"), "nn.SiLU");
  EXPECT_EQ(single_call("nn.LeakyReLU(0.1, inplace=True) "), "nn.LeakyReLU");
  EXPECT_FALSE(single_call("nn.SiLU"));
  EXPECT_FALSE(single_call("nn.SiLU(f(1))"));
  EXPECT_FALSE(single_call("nn.SiLU() or os.system('x')"));
  EXPECT_FALSE(single_call("nn.SiLU)("));
  EXPECT_FALSE(single_call("(1)"));
}

}  // namespace
}  // namespace holdall

"""Tests of the checks and counts that are more than a pattern."""

import textwrap
import unittest

import cpp_tests
import house
import tally
import tree


class OnlyCode(unittest.TestCase):
    def test_comments_and_strings_are_blank_and_lines_stay(self):
        source = 'int a = 1\'000;  // "x"\nauto s = "// no"; /* b\n c */ char q = \'"\'; int d;\n'
        blank = tree.only_code(source)
        self.assertEqual(blank.count("\n"), source.count("\n"))
        self.assertNotIn("x", blank)
        self.assertNotIn("no", blank)
        self.assertNotIn("c */", blank)
        self.assertIn("int d;", blank)

    def test_raw_strings_are_blank(self):
        self.assertNotIn("torch", tree.only_code('auto s = R"(a " torch // )";\nint x;'))

    def test_strings_stay_when_only_comments_go(self):
        self.assertIn('"gguf"', tree.without_comments('if (id == "gguf") {}  // "safetensors"'))


class Functions(unittest.TestCase):
    def lengths(self, source):
        return [length for _, length in house.cpp_functions(textwrap.dedent(source))]

    def test_a_free_function_is_measured_from_its_signature(self):
        self.assertEqual(self.lengths("""
            int f(int a,
                  int b) {
              if (a) {
                return b;
              }
              return a;
            }
            """), [7])

    def test_members_inside_a_class_are_measured(self):
        self.assertEqual(self.lengths("""
            class A {
             public:
              int f() {
                return 1;
              }
              void g() {
                for (;;) {
                }
              }
            };
            """), [3, 4])

    def test_a_class_that_ends_a_namespace_is_no_function(self):
        self.assertEqual(self.lengths("""
            class A {
              int a_ = 0;
            };

            }  // namespace
            """), [])

    def test_a_namespace_is_no_function(self):
        self.assertEqual(self.lengths("""
            namespace a {

            int f() {
              return 1;
            }

            }  // namespace a
            """), [3])


class Names(unittest.TestCase):
    def test_words_of_an_identifier(self):
        self.assertEqual(house.words_of("FileManagerImpl_x"), {"file", "manager", "impl", "x"})
        self.assertEqual(house.words_of("std_utility"), {"std", "utility"})
        self.assertEqual(house.words_of("HOLDALL_UTIL"), {"holdall", "util"})


class Counts(unittest.TestCase):
    def test_gtest_that_finished(self):
        text = "[==========] 5 tests from 2 test suites ran. (3 ms total)\n[  PASSED  ] 3 tests.\n[  FAILED  ] 2 tests, listed below:\n"
        self.assertEqual(cpp_tests.counted(text, 1), (3, 2, 0))

    def test_gtest_that_crashed_is_one_failure_more(self):
        self.assertEqual(cpp_tests.counted("[ RUN      ] A.B\n[       OK ] A.B (0 ms)\n[ RUN      ] A.C\n", -11), (1, 1, 0))

    def test_a_clean_end_with_a_bad_status_is_a_failure(self):
        text = "[==========] 2 tests from 1 test suite ran. (3 ms total)\n[  PASSED  ] 2 tests.\n"
        self.assertEqual(cpp_tests.counted(text, 1), (2, 1, 0))
        self.assertEqual(cpp_tests.counted(text, 0), (2, 0, 0))

    def test_replayed_inputs_count_as_tests(self):
        self.assertEqual(cpp_tests.counted("12 inputs replayed\n", 0), (12, 0, 0))
        self.assertEqual(cpp_tests.counted("a\n", -6), (0, 1, 0))

    def test_closing_lines_of_others(self):
        self.assertEqual(tally.tally("x\n3 failed, 12 passed, 1 skipped, 2 errors in 3.21s\n", 1), [12, 5, 1])
        self.assertEqual(tally.tally("1 passed in 0.1s\nlater line\n", 0), [1, 0, 0])
        self.assertEqual(tally.tally("Ran 6 tests in 0.1s\n\nFAILED (failures=1, errors=1)\n", 1), [4, 2, 0])
        self.assertEqual(tally.tally("Ran 6 tests in 0.1s\n\nOK\n", 0), [6, 0, 0])

    def test_silence_and_a_bad_status_are_failures(self):
        self.assertEqual(tally.tally("", 0), [0, 1, 0])
        self.assertEqual(tally.tally("3 passed in 1s\n", 2), [3, 1, 0])


if __name__ == "__main__":
    unittest.main()

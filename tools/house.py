"""Checks the rules of the house that a compiler does not: who includes whom, sizes, names, words, what stands beside what.

Usage: house.py [CHECK…]. Each check below is a generator of faults ("path:line: fault") and counts as one test; the last line
is "N passed, N failed".
"""

import ast
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

from tree import FLOORS, ROOT, code_files, files, formats, is_test, matches, only_code, text, without_comments

FILE_LINES = 600
FUNCTION_LINES = 60
BANNED_NAMES = {"util", "utils", "common", "helper", "helpers", "manager", "impl"}


def rank(path):
    """The height of a file: its floor, then the whole library, then the command."""
    if path.parts[0] == "cli":
        return len(FLOORS) + 1
    return FLOORS.index(path.parts[1]) if path.parts[1] in FLOORS else len(FLOORS)


def includes_go_down():
    for path in code_files("holdall", "cli"):
        for line, target in enumerate(text(path).splitlines(), 1):
            found = re.match(r'#include "((?:holdall|cli)/[^"]+)"', target)
            if not found:
                continue
            included = pathlib.PurePosixPath(found[1])
            if rank(included) > rank(path):
                yield f"{path}:{line}: includes {included}, which is a floor above"
            if included.parts[:2] == ("holdall", "formats") and path.parts[:2] == ("holdall", "formats"):
                if len(included.parts) == 4 and (len(path.parts) != 4 or included.parts[2] != path.parts[2]):
                    yield f"{path}:{line}: includes {included}, the inside of another format"


def own_header_comes_first():
    for path in code_files("holdall", "cli"):
        header = path.with_suffix(".h")
        first = re.search(r'^#include ["<]([^">]+)[">]', text(path), re.M)
        if path.suffix == ".cc" and (ROOT / header).exists() and first and first[1] != str(header):
            yield f"{path}: includes {first[1]} before its own header"


def headers_say_pragma_once():
    for path in code_files():
        if path.suffix == ".h" and "#pragma once" not in text(path).splitlines():
            yield f"{path}: no #pragma once"


def headers_open_with_their_purpose():
    for path in code_files("holdall", "cli"):
        if path.suffix == ".h" and not text(path).startswith(("//", "/*")):
            yield f"{path}: does not open with its purpose, thread-safety and ownership"


def files_are_short():
    for path in files():
        if path.suffix in (".h", ".cc", ".py", ".sh", ".cmake", ".js", ".css") or str(path) in ("run", "test"):
            lines = text(path).count("\n")
            if lines > FILE_LINES:
                yield f"{path}: {lines} lines, {FILE_LINES} allowed: two ideas"


def cpp_functions(source):
    """(first line, number of lines) of functions, by the layout that clang-format gives: a body is indented deeper than its
    signature and ends with a brace alone, at the signature's indentation."""
    lines = only_code(source).splitlines()
    written = source.splitlines()
    depths = [("", range(len(lines)))]
    opened = None
    for number, line in enumerate(lines):
        if re.match(r"(class|struct)\b[^;]*$", line):
            opened = number
        elif line.startswith("};") and opened is not None:
            depths.append(("  ", range(opened + 1, number)))
            opened = None
    for indent, span in depths:
        start = None
        for number in span:
            line = lines[number]
            if line.rstrip() == indent + "}" and written[number].rstrip() == indent + "}":
                if start is not None:
                    yield start + 1, number - start + 1
                start = None
            elif re.match(indent + r"[^\s#})]", line):
                before = lines[number - 1].rstrip() if number else ""
                if start is None or before == "" or before.endswith((";", "}", ":", ">")):
                    start = number


def functions_are_short():
    for path in code_files():
        for line, length in cpp_functions(text(path)):
            if length > FUNCTION_LINES:
                yield f"{path}:{line}: a function of {length} lines, {FUNCTION_LINES} allowed"
    for path in files():
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(text(path))):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    length = node.end_lineno - node.lineno + 1
                    if length > FUNCTION_LINES:
                        yield f"{path}:{node.lineno}: a function of {length} lines, {FUNCTION_LINES} allowed"


def words_of(identifier):
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)}


def names_say_something():
    for path in files():
        for part in (*path.parts[:-1], path.stem):
            if words_of(part) & BANNED_NAMES:
                yield f"{path}: a name that says nothing: {part}"
    for path in code_files():
        for number, line in enumerate(only_code(text(path)).splitlines(), 1):
            for name in re.findall(r"(?<!std::)\b[A-Za-z_]\w*", "" if line.startswith("#include") else line):
                if words_of(name) & BANNED_NAMES:
                    yield f"{path}:{number}: a name that says nothing: {name}"


def only_publication_renames():
    for path in code_files("holdall", "cli"):
        if not re.match(r"holdall/io/(publish|\w*system)", str(path)) and not is_test(path):
            yield from matches(path, only_code(text(path)), r"(::rename|\brenameat2?|system\w*\(?\)?(\.|->)rename)\s*\(",
                               "only io/publish puts files in their place")


def nobody_asks_which_format():
    for name in formats():
        own = f"holdall/formats/{name}/"
        pattern = f'[=!]= *"{name.replace("_", "-")}"'
        for path in code_files("holdall", "cli"):
            if not str(path).startswith(own) and not is_test(path):
                yield from matches(path, without_comments(text(path)), pattern, "a format's name decides outside its folder")


def a_format_is_a_whole_folder():
    present = {str(path) for path in files()}
    folders = {path.parts[2] for path in files() if path.parts[:2] == ("holdall", "formats") and len(path.parts) > 3}
    for name in sorted(folders | set(formats())):
        for part in (f"{name}.cc", f"{name}_test.cc", f"{name}_fuzz.cc", "README.md", "testdata/generate.py"):
            if f"holdall/formats/{name}/{part}" not in present:
                yield f"holdall/formats/{name}: no {part}"
        if name not in formats():
            yield f"holdall/formats/{name}: not in formats.inc"


def documents_name_every_format():
    path = pathlib.PurePosixPath("docs/formats.md")
    linked = re.findall(r"\(\.\./holdall/formats/(\w+)/README\.md\)", text(path))
    if linked != formats():
        yield f"{path}: links {linked}, formats.inc has {formats()}"


def document_links_lead_somewhere():
    for path in files():
        if path.suffix == ".md":
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text(path)):
                if "://" not in target and not (ROOT / path.parent / target).exists():
                    yield f"{path}: links {target}, which is not there"


def fuzz_targets_have_seeds():
    targets = {path.stem for path in code_files("holdall") if path.stem.endswith("_fuzz")}
    for kind in ("fuzz/corpus", "regress"):
        kept = {path.parts[-2] for path in files() if str(path).startswith(f"tests/{kind}/") and path.suffix not in CODE_OR_TEXT}
        for name in sorted(kept - targets):
            yield f"tests/{kind}/{name}: no fuzz target of that name"
        if kind == "fuzz/corpus":
            for name in sorted(targets - kept):
                yield f"{name}: no seeds in tests/{kind}/{name}"


CODE_OR_TEXT = (".h", ".cc", ".md", ".py")


def nothing_is_left_for_later():
    words = "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"])
    for path in files():
        if path.suffix in (".h", ".cc", ".py", ".md", ".cmake", ".sh", ".inc", ".txt", ".js", ".css", ""):
            yield from matches(path, text(path), rf"\b({words})\b", "left for later")


def nothing_is_commented_out():
    pattern = r"(?m)^\s*//\s*(return|if \(|for \(|while \(|auto |const |int |std::)[^/\n]*[;{]$"
    for path in code_files():
        yield from matches(path, text(path), pattern, "commented-out code")


def skipped_tests_say_why():
    for path in files():
        if path.suffix in (".cc", ".py") and path.parts[0] != "tools":
            yield from matches(path, text(path), r"GTEST_SKIP\(\)\s*;|\bDISABLED_\w+|pytest\.skip\(\)", "skipped without a reason")


def nothing_of_one_machine():
    hosts = ["pypi" + ".org", "python" + "hosted.org", "deb.deb" + "ian.org", "npm" + "js.org", "golang" + ".org"]
    places = ["wo" + "rk", "ro" + "ot", "ho" + "me"]
    pattern = "|".join([*(re.escape(host) for host in hosts), rf"(?<![\w.~/\]-])/({'|'.join(places)})/[\w.]"])
    for path in files():
        if (ROOT / path).stat().st_size <= 1 << 20:
            yield from matches(path, text(path), pattern, "true on one machine only")


def the_library_is_silent():
    pattern = r"\bstd::(cout|cerr|clog|abort|exit|terminate|getenv)\b|\b(printf|fprintf|puts|perror|abort|getenv|_exit)\s*\("
    for path in code_files("holdall"):
        if not is_test(path):
            yield from matches(path, only_code(text(path)), pattern, "the library prints nothing, never aborts, reads no environment")


def bad_input_throws_nothing():
    for path in code_files("holdall", "cli"):
        if not is_test(path):
            yield from matches(path, only_code(text(path)), r"\bthrow\b(?! std::bad_alloc\(\))", "errors are results")


def codecs_know_no_models():
    for path in code_files("holdall"):
        if path.parts[1] == "codec" and not is_test(path):
            yield from matches(path, only_code(text(path)), r"(?i)\b\w*(torch|layer)\w*\b", "a codec speaks of bytes and values")


def code_is_laid_out_by_clang_format():
    def check(path):
        done = subprocess.run(["clang-format-19", "--dry-run", "-Werror", path], cwd=ROOT, capture_output=True, text=True)
        return f"{path}: run clang-format-19 -i" if done.returncode else None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(check, code_files()))


def the_changelog_grows():
    if "## next" not in text(pathlib.PurePosixPath("CHANGELOG.md")).splitlines():
        yield "CHANGELOG.md: no heading '## next'"


def scripts_pass_the_shell():
    for path in files():
        if text(path).startswith("#!/bin/bash"):
            done = subprocess.run(["bash", "-n", path], cwd=ROOT, capture_output=True, text=True)
            if done.returncode:
                yield f"{path}: {done.stderr.strip()}"


CHECKS = [
    includes_go_down, own_header_comes_first, headers_say_pragma_once, headers_open_with_their_purpose, files_are_short,
    functions_are_short, names_say_something, only_publication_renames, nobody_asks_which_format, a_format_is_a_whole_folder,
    documents_name_every_format, document_links_lead_somewhere, fuzz_targets_have_seeds, nothing_is_left_for_later,
    nothing_is_commented_out, skipped_tests_say_why, nothing_of_one_machine, the_library_is_silent, bad_input_throws_nothing,
    codecs_know_no_models, code_is_laid_out_by_clang_format, the_changelog_grows, scripts_pass_the_shell,
]


def main():
    failed = 0
    chosen = [check for check in CHECKS if not sys.argv[1:] or check.__name__ in sys.argv[1:]]
    for check in chosen:
        faults = list(check())
        failed += bool(faults)
        print(f"{'FAILED' if faults else 'passed'} {check.__name__}")
        for fault in faults:
            print(f"  {fault}")
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

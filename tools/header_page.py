"""A C++ or C header as a page: its opening comment, then each declaration with the comment before it.

Private parts, definitions that follow their declarations and namespaces of details are left out.
"""

import re


def header_page(path, name):
    source = re.sub(r"^/\* (.*?) ?\*/$", lambda block: commented(block[1]), path.read_text(), flags=re.M | re.S)
    source = re.sub(r"^namespace [\w:]*\bdetail \{\n.*?^\}  // namespace [\w:]*\bdetail\n", "", source, flags=re.M | re.S)
    opening = re.match(r"(?://.*\n)+", source)[0].splitlines()
    lines = [f"# {name.removeprefix('holdall/')}", "", *prose(opening), "", f"```cpp\n#include <{name}>\n```", ""]
    for comment, code in declarations(source[source.index("#pragma once") :]):
        if section := re.match(r"// --- (.*?) -+$", comment[0] if comment else ""):
            lines += [f"## {section[1]}", ""]
            comment = comment[1:]
        code = public(code)
        names = names_of(code)
        if code and names:
            lines += [f"### {', '.join(names)}", "", *shown(code, prose(comment))]
    return "\n".join(lines)


def shown(code, words):
    """A declaration and what is said of it; a class with its members one by one."""
    if " public:" not in code:
        whole = re.match(r"(template <.*>)?(struct|class|enum|#define)", "".join(code))
        return ["```cpp", *(code if whole else without_bodies(code)), "```", "", *words, ""]
    body = code.index(" public:")
    lines = ["```cpp", *code[:body], "  …", "};", "```", "", *words, ""]
    members = "\n".join(line.removeprefix("  ") for line in code[body + 1 :] if line != " public:").rsplit("};", 1)[0]
    for comment, member in declarations(members):
        member = without_bodies(member)
        names = [name for name in names_of(member) if not name.startswith("operator")]
        heading = [f"#### {', '.join(names)}", ""] if names and names[0] != "friend" else []
        lines += [*heading, "```cpp", *member, "```", "", *prose(comment), ""]
    return lines


def without_bodies(code):
    """Functions without what they do."""
    text = re.sub(r"(\)[^;{}()]*)( : [^{;]*)? \{(\}$| [^\n]* \}$|\n(?:(?:  .*)?\n)*\})", r"\1;", "\n".join(code), flags=re.M)
    return re.sub(r"^inline (?!constexpr)", "", text, flags=re.M).splitlines()


def commented(block):
    return "\n".join("// " + re.sub(r"^ \* ?", "", line) for line in block.splitlines())


def declarations(source):
    """(comment lines, code lines) of what stands at the top of the header or of namespace holdall."""
    comment, code, depth = [], [], 0
    for line in source.splitlines():
        if depth == 0 and re.match(r'(namespace holdall[\w:]* \{|\}  // namespace holdall|extern "C" \{|#(?!define)|\}$)', line):
            continue
        if depth == 0 and code and (not line.strip() or line.startswith("//")) and not code[-1].endswith("\\"):
            yield comment, code
            comment, code = [], []
        if depth == 0 and line.startswith("//"):
            comment.append(line)
        elif depth == 0 and not line.strip():
            if comment and not comment[0].startswith("// --- "):
                comment = []
        else:
            code.append(line)
            bare = re.sub(r'//.*|"(?:\\.|[^"])*"', "", line)
            depth += bare.count("{") + bare.count("(") - bare.count("}") - bare.count(")")
    if code:
        yield comment, code


def public(code):
    """Without private members, and without the second line of a macro."""
    kept, hidden = [], False
    for line in code:
        if re.match(r" (private|protected):", line):
            hidden = True
        elif re.match(r" public:|\};", line):
            hidden = False
        if line.startswith("#define") and re.match(r"#define \w+_\(|#define HOLDALL_(JOIN|API)\b", line):
            break
        if not hidden:
            kept.append(line.replace("HOLDALL_API ", ""))
    while len(kept) > 1 and not kept[-2].strip():
        del kept[-2]
    return kept


def names_of(code):
    """What the code declares; nothing for definitions of what was declared before."""
    text = re.sub(r"//.*", "", "\n".join(code))
    if re.fullmatch(r"(class|struct) \w+;", text) or re.match(r"(inline|template[^\n]*\n)[^\n{;]*\b[A-Z]\w*::\w+\([^\n]*\{", text):
        return []
    whole = re.match(r"(?:template <.*?>\n)?(?:typedef )?(?:class|struct|enum class|enum|concept)\s+(?:\[\[\w+\]\] )?(\w+)(?![^{]*\()", text)
    if whole:
        return [whole[1]]
    names = re.findall(r"^(?:#define |using |typedef .*?(?=\w+;))(\w+)", text, re.M)
    names += re.findall(r"^(?:\[\[\w+\]\] )?(?!#|using|typedef|template|\s|\}).*?([A-Za-z_]\w*|operator\S+)\(", text, re.M)
    names += re.findall(r"^(?:inline )?constexpr \S+ (k\w+) =", text, re.M)
    return list(dict.fromkeys(names)) or (["constants"] if text.startswith("enum {") else [])


def prose(comment):
    lines, fenced = [], False
    for line in comment:
        text = line.removeprefix("//").removeprefix(" ")
        indented = text.startswith("  ")
        if text.startswith(("Thread-safety:", "Ownership:")):
            lines.append("")
        if indented and not fenced:
            lines += ["", "```cpp"]
        if fenced and not indented:
            lines += ["```", ""]
        fenced = indented
        lines.append(text.removeprefix("  ") if fenced else text.replace("<", "&lt;").replace("*", r"\*"))
    return lines + ["```"] * fenced

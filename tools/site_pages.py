"""mkdocs' hook: the pages of the site that stand elsewhere in the tree, or are made of what the program says.

Documents beside the code (PAGES, the formats' READMEs) become pages, with links between them made to fit; the pages of
reference/cpp/ are made of the headers that they are named after; `<!-- generated: NAME … -->` in a page is replaced by what GENERATED
makes. HOLDALL_COMMAND is the command whose help is shown, and that draws the pages of the guide to charts by the guide's own code.
Whatever cannot be resolved ends a strict build.
"""

import json
import os
import pathlib
import posixpath
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from header_page import header_page  # noqa: E402
from tree import ROOT, formats  # noqa: E402

# Documents of the tree, and the pages that they are.
PAGES = {
    "README.md": "index.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    **{f"holdall/formats/{name}/README.md": f"formats/{name}.md" for name in formats()},
}
HEADERS = "reference/cpp/"


def on_files(files, config):
    shown = list(navigated(config.nav))
    for source, page in PAGES.items():
        if page not in files.src_uris:
            files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    for page in shown:
        if page.startswith(HEADERS) and page not in files.src_uris:
            header = "holdall/" + page.removeprefix(HEADERS).removesuffix(".md") + ".h"
            files.append(File.generated(config, page, content=header_page(ROOT / header, header)))
    for included in re.findall(r'^#include "holdall/(\S+)\.h"', (ROOT / "holdall/holdall.h").read_text(), re.M):
        if f"{HEADERS}{included}.md" not in shown:
            raise PluginError(f"holdall.h includes {included}.h, which has no page in the navigation")
    return files


def on_config(config):
    command()
    return config


def on_post_build(config):
    """The pages that the guide to charts shows, made by the guide's own code and commands."""
    guide = (pathlib.Path(config.docs_dir) / "guides/charts.md").read_text()
    charts = pathlib.Path(config.site_dir) / "charts"
    charts.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for kind, block in re.findall(r"^```(python|console)\n(.*?)^```$", guide, re.M | re.S):
            if kind == "python":
                guided([sys.executable, "-c", block], folder)
            for line in re.findall(r"^\$ holdall (.*)$", block, re.M) if kind == "console" else ():
                guided([command(), *shlex.split(line)], folder, 1 if line.startswith("diff") else 0)
        pages = sorted(pathlib.Path(folder).glob("*.html"))
        shown = sorted(re.findall(r'<iframe [^>]*src="\.\./charts/([^"]+)"', guide))
        if [page.name for page in pages] != shown:
            raise PluginError(f"the guide to charts shows {shown}, its commands write {[page.name for page in pages]}")
        for page in pages:
            shutil.copyfile(page, charts / page.name)


def guided(arguments, folder, status=0):
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True)
    if done.returncode != status:
        raise PluginError(f"the code of the guide to charts ended with {done.returncode}: {done.stderr}")


def command():
    """The command that the site is made with."""
    path = os.environ.get("HOLDALL_COMMAND")
    if path is None or shutil.which(path) is None:
        found = "which is not set" if path is None else f"and there is no command {path}"
        raise PluginError(f"the site needs HOLDALL_COMMAND, the path of a built holdall whose help and pages it shows, {found}")
    return str(pathlib.Path(shutil.which(path)).absolute())


def navigated(nav):
    for entry in nav if isinstance(nav, list) else nav.values():
        if isinstance(entry, str):
            yield entry
        else:
            yield from navigated(entry)


def on_page_markdown(markdown, page, config, files):
    origin = f"docs/{page.file.src_uri}"
    if page.file.generated_by is not None:
        origin = next((source for source, made in PAGES.items() if made == page.file.src_uri), origin)
    markdown = re.sub(r"<!-- generated: (\w+) ?(.*?) *-->", generated, markdown)
    prose = re.split(r"(^ *```.*?^ *```)", markdown, flags=re.M | re.S)
    prose[::2] = [re.sub(r"(!?)\[((?:[^][]|\[[^]]*\])*)\]\(([^)#\s]+)(#[^)]*)?\)", lambda link: fitted(link, origin, page, files), part) for part in prose[::2]]
    return "".join(prose)


def fitted(link, origin, page, files):
    """A link as it stands in the tree, made to fit the site: to a page, or nothing but the path of what is no page."""
    image, words, target, anchor = link.groups()
    if "://" in target or page.file.src_uri.startswith(HEADERS):
        return link[0]
    place = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
    header = HEADERS + place.removeprefix("holdall/").removesuffix(".h") + ".md"
    made = PAGES.get(place) or (header if header in files.src_uris else place.removeprefix("docs/") if place.startswith("docs/") else None)
    if made is not None:
        return f"{image}[{words}]({posixpath.relpath(made, posixpath.dirname(page.file.src_uri) or '.')}{anchor or ''})"
    if not (ROOT / place).exists():
        raise PluginError(f"{origin}: links {target}, which is not there")
    return words if words.startswith("`") and words.strip("`") in place else f"{words} (`{place}`)"


def generated(marker):
    make = GENERATED.get(marker[1])
    if make is None:
        raise PluginError(f"nothing is generated by the name {marker[1]}")
    return make(*marker[2].split())


def printed(*arguments):
    return subprocess.run([command(), *arguments], check=True, capture_output=True, text=True).stdout.rstrip()


def verb_help(*verb):
    return f"```text\n{printed(*verb, '--help')}\n```"


def codes_table():
    rows = re.findall(r'^HOLDALL_CODE\((\w+), "([^"]+)", (\d), "(\w+)"\)', (ROOT / "holdall/base/codes.inc").read_text(), re.M)
    lines = ["| code | C++ | C | Python | exit status |", "|---|---|---|---|---|"]
    for name, text, status, python in rows:
        constant = "HOLDALL_" + text.upper().replace(" ", "_")
        lines.append(f"| {text} | `Code::{name}` | `{constant}` | [`{python}`][holdall.errors.{python}] | {status} |")
    return "\n".join(lines)


def dtypes_table():
    kinds: dict[str, list[str]] = {}
    pattern = r'^HOLDALL_DTYPE\(\w+, "([^"]+)", (\d+), (\d+), k(\w+)\)'
    for name, elements, size, kind in re.findall(pattern, (ROOT / "holdall/core/dtypes.inc").read_text(), re.M):
        block = "" if size == "0" or elements == "1" else f" ({elements} in {size} byte{'s' if size != '1' else ''})"
        kinds.setdefault(kind, []).append(f"`{name}`{block}")
    return "\n".join(["| kind | dtypes |", "|---|---|", *(f"| {kind.lower()} | {', '.join(names)} |" for kind, names in kinds.items())])


def formats_table():
    """`holdall formats`, with links to the formats' pages."""
    lines = ["| format | files | |", "|---|---|---|"]
    for line in printed("formats").splitlines():
        name, files, access, *_ = line.split("\t")
        lines.append(f"| [`{name}`](../holdall/formats/{name.replace('-', '_')}/README.md) | {files} | {access} |")
    return "\n".join(lines)


def rules():
    """A section a rule, of what the command says about itself."""
    driver = json.loads(printed("scan", "--sarif", str(ROOT / "README.md")))["runs"][0]["tool"]["driver"]
    sections = []
    for rule in driver["rules"]:
        short, full, remedy = (rule[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
        sections.append(f"### {rule['id']} {{#{rule['id']}}}\n\n*{short}*\n\n{full}\n\n**What to do.** {remedy}\n")
    return "\n".join(sections)


def limits():
    source = (ROOT / "holdall/base/limits.h").read_text()
    lines = ["| limit | default | of |", "|---|---|---|"]
    what = ""
    for line in re.search(r"struct Limits \{\n(.*?)\n\n", source, re.S)[1].splitlines():
        if comment := re.match(r"\s*// (.*)", line):
            what = comment[1].rstrip(".")
        elif field := re.match(r"\s*std::uint\d+_t (\w+) = ([\d']+);", line):
            lines.append(f"| `{field[1]}` | {int(field[2].replace(chr(39), '')):,} | {what} |")
    return "\n".join(lines)


GENERATED = {"help": verb_help, "codes": codes_table, "dtypes": dtypes_table, "formats": formats_table, "limits": limits, "rules": rules}

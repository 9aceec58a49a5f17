"""inspect(html=) and diff(html=): the page beside the document, whole or not at all, and errors that say why there is none."""

import json
import pathlib
import re

import pytest
import torch

import holdall


@pytest.fixture
def files(tmp_path):
    torch.save({"w": torch.arange(6.0), "</script>": torch.ones(2)}, tmp_path / "a.pt")
    torch.save({"w": torch.arange(6.0) + 1, "</script>": torch.ones(2)}, tmp_path / "b.pt")
    return tmp_path


def data_of(page):
    text = pathlib.Path(page).read_text()
    assert "Content-Security-Policy" in text and "</html>" in text
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


def test_the_page_holds_the_document_that_is_returned(files):
    document = holdall.inspect(files / "a.pt", html=files / "a.html")
    assert data_of(files / "a.html") == {"inspection": document}
    assert document["tensors"][0]["statistics"]["std"] == pytest.approx(float(torch.arange(6.0).std(correction=0)))
    document = holdall.diff(files / "a.pt", files / "b.pt", html=str(files / "d.html"))
    assert data_of(files / "d.html") == {"difference": document, "names": ["w", "</script>"], "only_a": [], "only_b": []}
    assert not document["same"]


def test_a_page_that_cannot_be_written_is_an_error_and_leaves_what_was_there(files):
    before = (files / "a.pt").read_bytes()
    with pytest.raises(holdall.Error, match="being read"):
        holdall.inspect(files / "a.pt", html=files / "a.pt")
    with pytest.raises(holdall.Error, match="being read"):
        holdall.diff(files / "a.pt", files / "b.pt", html=files / "b.pt")
    assert (files / "a.pt").read_bytes() == before
    with pytest.raises(holdall.MissingError):
        holdall.inspect(files / "a.pt", html=files / "nowhere" / "a.html")
    (files / "old.html").write_text("old")
    with pytest.raises(holdall.Error):
        holdall.inspect(files / "missing.pt", html=files / "old.html")
    assert (files / "old.html").read_text() == "old"

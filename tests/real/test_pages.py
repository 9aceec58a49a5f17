"""The pages of --html as a person's browser shows them: charts drawn, tables that search and sort, names that stay names, and nothing asked of
the network."""

import base64
import hashlib
import html.parser
import json
import re

import numpy
import pytest
import safetensors.numpy
import torch

from browser import Browser

HOSTILE = [
    "</script><script>document.title='owned'</script>", "<img src=x onerror=\"document.title='owned'\">", "<!--", "a\u202egnp.exe", "__proto__",
    "constructor", "{b|x}{c}", "tab\tline\nend", "x.&lt;b&gt;", "'\"`${1}", "",
]


@pytest.fixture(scope="module")
def browser():
    driven = Browser()
    yield driven
    driven.close()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two checkpoints of one small network, the second trained on, and what a stranger might send."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    weights = {"embed.weight": torch.randn(500, 32)}
    for layer in range(6):
        weights |= {f"layers.{layer}.attn.weight": torch.randn(32, 32), f"layers.{layer}.attn.bias": torch.zeros(32), f"layers.{layer}.mlp.weight": torch.randn(64, 32).half()}
    torch.save({"epoch": 3, "loss": float("nan"), "model": weights, "history": list(range(500))}, folder / "a.pt")
    trained = {name: tensor.clone() for name, tensor in weights.items()}
    for layer in range(3, 6):
        trained[f"layers.{layer}.attn.weight"] += 10.0 ** (layer - 6)
    trained["layers.0.attn.weight"][0, 0] = float("nan")
    trained["layers.1.mlp.weight"] = torch.zeros(7, dtype=torch.float16)
    del trained["layers.2.attn.bias"]
    trained["layers.2.lora.weight"] = torch.ones(3)
    torch.save({"epoch": 4, "loss": float("nan"), "model": trained, "history": list(range(500))}, folder / "b.pt")
    torch.save({name: torch.full((i + 1,), float(i)) for i, name in enumerate(HOSTILE)} | {"</script>": "<b>text</b>"}, folder / "hostile.pt")
    return folder


def inspected(holdall, model, *flags):
    page = model.with_suffix(".html")
    holdall("inspect", "--html", page, *flags, model)
    return page


def differences(holdall, models, a="a.pt", b="b.pt"):
    page = models / f"{a}-{b}.html"
    holdall("diff", "--html", page, models / a, models / b, status=(0, 1))
    return page


class Source(html.parser.HTMLParser):
    """What a page's source says before any script has run."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.inner, self.stack = [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.stack.append(len(self.tags) - 1)

    def handle_data(self, data):
        if self.stack:
            self.inner[self.stack[-1]] = self.inner.get(self.stack[-1], "") + data

    def handle_endtag(self, tag):
        while self.stack and self.tags[self.stack.pop()][0] != tag:
            pass

    def of(self, tag):
        return [(attributes, self.inner.get(i, "")) for i, (name, attributes) in enumerate(self.tags) if name == tag]


def sound(browser, page):
    assert browser.run("return document.documentElement.dataset.fault || null") is None
    assert browser.console == []
    assert browser.requests == [page.as_uri()]


def drawn(browser, selector):
    """How many colours a chart's canvas shows; a blank one shows one."""
    return browser.run(
        """const canvas = document.querySelector(arguments[0] + " canvas");
        const pixels = new Uint32Array(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer);
        return new Set(pixels).size""",
        selector,
    )


def test_the_policy_allows_by_hash_what_the_page_holds_and_nothing_else(holdall, models):
    for page in (inspected(holdall, models / "hostile.pt"), differences(holdall, models)):
        source = Source(page.read_text())
        (policy,) = [tag["content"] for tag, _ in source.of("meta") if tag.get("http-equiv") == "Content-Security-Policy"]
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules.keys() == {"default-src", "script-src", "style-src", "base-uri", "form-action"}
        assert {rules[key] for key in ("default-src", "base-uri", "form-action")} == {"'none'"}
        digest = lambda text: "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
        ((_, style),) = source.of("style")
        assert rules["style-src"] == digest(style)
        assert [tag.get("type") for tag, _ in source.of("script")] == ["application/json", "application/gzip", None]
        assert rules["script-src"].split()[0] == digest(source.of("script")[2][1]) and len(rules["script-src"].split()) == 2
        assert not any({"src", "href", "srcset", "style", "onload", "onerror"} & tag.keys() for _, tag in source.tags)


def test_the_data_is_the_document_of_json(holdall, models):
    said = json.loads(Source(inspected(holdall, models / "hostile.pt").read_text()).of("script")[0][1])
    assert said["inspection"] == holdall("inspect", "--json", "--stats", models / "hostile.pt").json
    said = json.loads(Source(differences(holdall, models).read_text()).of("script")[0][1])
    assert said["difference"] == holdall("diff", "--json", models / "a.pt", models / "b.pt", status=1).json


def test_inspect_shows_a_map_a_histogram_a_tensor_and_the_values(holdall, models, browser):
    page = inspected(holdall, models / "a.pt")
    browser.open(page)
    sound(browser, page)
    assert browser.run("return document.title") == "a.pt · Holdall"
    cards = browser.run("return [...document.querySelectorAll('.card dd')].map(card => card.firstChild.textContent)")
    assert {"pytorch", "19", "inert"} <= set(cards)
    note = browser.run("return document.querySelector('#h-map').parentElement.querySelector('.note').textContent")
    assert int(re.search(r"(\d+) parts drawn", note)[1]) >= 7 and drawn(browser, ".treemap") > 10
    legend = browser.run("return [...document.querySelectorAll('.legend .chip')].map(chip => chip.childNodes[1].textContent)")
    assert legend == ["float32", "float16"]
    assert browser.run("return document.querySelectorAll('svg.strip path').length") == 19
    values = browser.run("return document.querySelector('.values').textContent")
    assert "epoch" in values and "float nan" in values


def test_the_map_is_entered_by_mouse_and_by_keyboard(holdall, models, browser):
    browser.open(inspected(holdall, models / "a.pt"))
    crumbs = "return [...document.querySelectorAll('.crumbs button')].map(button => button.textContent)"
    before = browser.run(crumbs)
    first = browser.run("const button = document.querySelector('.parts button'); button.focus(); return button.querySelector('.name').textContent")
    browser.press("Enter")
    if browser.run("return document.querySelector('dialog') !== null"):  # the largest part is a tensor
        browser.press("Escape")
        first = browser.run("const button = document.querySelectorAll('.parts button')[1]; button.focus(); return button.querySelector('.name').textContent")
        browser.press("Enter")
    assert browser.run(crumbs) == [*before, first]
    browser.run("document.querySelector('.crumbs button').click()")
    x, y = browser.run("const map = document.querySelector('.treemap'); map.scrollIntoView(); const box = map.getBoundingClientRect(); return [box.left + 40, box.top + 60]")
    entered = "return document.querySelector('dialog') !== null || document.querySelectorAll('.crumbs button').length > 1"
    browser.until(entered, lambda: browser.click_at(x, y))


def test_the_table_searches_filters_sorts_and_opens(holdall, models, browser):
    browser.open(inspected(holdall, models / "a.pt"))
    rows = "return [...document.querySelectorAll('tbody tr[data-row]')].map(row => row.cells[0].textContent)"
    browser.run("const search = document.querySelector('input'); search.value = 'LAYERS.1 weight'; search.dispatchEvent(new Event('input'))")
    assert browser.run(rows) == ["model.layers.1.attn.weight", "model.layers.1.mlp.weight"]
    browser.run("const choice = document.querySelector('select'); choice.value = 'float16'; choice.dispatchEvent(new Event('change'))")
    assert browser.run(rows) == ["model.layers.1.mlp.weight"]
    browser.open(inspected(holdall, models / "a.pt"))
    browser.run("[...document.querySelectorAll('th button')].find(button => button.textContent === 'bytes').click()")
    assert browser.run(rows)[0] == "model.embed.weight"
    assert browser.run("return document.querySelector('th[aria-sort]').getAttribute('aria-sort')") == "descending"
    browser.run("document.querySelector('tbody .link').focus()")
    browser.press("Enter")
    assert "standard deviation" in browser.run("return document.querySelector('dialog').textContent")


def test_names_from_files_are_text(holdall, models, browser):
    for page in (inspected(holdall, models / "hostile.pt"), differences(holdall, models, "hostile.pt", "a.pt")):
        browser.open(page)
        sound(browser, page)
        assert browser.run("return document.title") != "owned"
        assert browser.run("return document.querySelectorAll('img, b, main script').length") == 0
        text = browser.run("return document.querySelector('main').textContent")
        assert "<img src=x onerror=" in text and "a\\u202egnp.exe" in text and "tab\\tline\\nend" in text and "__proto__" in text
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)


def test_diff_maps_layers_by_kinds(holdall, models, browser):
    page = differences(holdall, models)
    browser.open(page)
    sound(browser, page)
    shown = """const chart = echarts.getInstanceByDom(document.querySelector('.wide .chart')).getOption();
    return {layers: chart.xAxis[0].data, kinds: chart.yAxis[0].data, cells: chart.series[0].data.map(cell => [chart.yAxis[0].data[cell.value[1]], chart.xAxis[0].data[cell.value[0]],
      typeof cell.itemStyle.color === 'string' ? cell.itemStyle.color : 'hatched', cell.label.formatter])}"""
    found = browser.run(shown)
    assert found["layers"] == ["–", *map(str, range(6))]
    assert found["kinds"] == ["model.embed.weight", "model.layers.·.attn.weight", "model.layers.·.attn.bias", "model.layers.·.mlp.weight", "model.layers.·.lora.weight"]
    cells = {(kind, layer): (colour, label) for kind, layer, colour, label in found["cells"]}
    grey = cells["model.layers.·.attn.bias", "0"][0]
    assert cells["model.layers.·.attn.bias", "2"] == ("hatched", "A") and cells["model.layers.·.lora.weight", "2"] == ("hatched", "B")
    assert cells["model.layers.·.mlp.weight", "1"][1] == "≠" and cells["model.layers.·.attn.weight", "0"][1] == "!"
    colours = [cells["model.layers.·.attn.weight", str(layer)][0] for layer in range(3, 6)]
    assert len({grey, *colours}) == 4 and drawn(browser, ".wide") > 10
    browser.run("[...document.querySelectorAll('.switch button')].find(button => button.textContent === 'absolute').click()")
    labels = {(kind, layer): label for kind, layer, _, label in browser.run(shown)["cells"]}
    assert [labels["model.layers.·.attn.weight", str(layer)] for layer in range(3, 6)] == ["1e−3", "0.01", "0.1"]
    assert "/epoch" in browser.run("return document.querySelector('.changes').textContent")


def test_diff_finds_the_layers_of_a_nested_model_and_tells_what_one_side_has(holdall, tmp_path, browser):
    encoder = torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 3)
    state = torch.nn.Sequential(torch.nn.Embedding(5, 8), encoder, torch.nn.Linear(8, 5)).state_dict()
    state |= {f"moe.{layer}.experts.{expert}.w1": torch.ones(2) for layer in range(2) for expert in range(4)}
    torch.save(state, tmp_path / "a.pt")
    state["1.layers.1.linear1.weight"] = state["1.layers.1.linear1.weight"] + 1
    del state["2.bias"]
    state["extra"] = torch.ones(2, 3, dtype=torch.float16)
    torch.save(state, tmp_path / "b.pt")
    browser.open(differences(holdall, tmp_path))
    kinds = browser.run(
        """const chart = echarts.getInstanceByDom(document.querySelector('.wide .chart')).getOption(), kinds = {};
        for (const {value: [x, y]} of chart.series[0].data) (kinds[chart.yAxis[0].data[y]] ??= []).push(chart.xAxis[0].data[x]);
        return kinds"""
    )
    assert sorted(kinds["1.layers.·.linear1.weight"]) == ["0", "1", "2"] and len([kind for kind in kinds if kind.startswith("1.layers.·.")]) == 12
    assert sorted(kinds["moe.·.experts.*.w1"]) == ["0", "1"]
    assert all(browser.run("return [...document.querySelectorAll('.scale span')].map(end => end.textContent)"))
    rows = browser.run("return [...document.querySelectorAll('tbody tr[data-row]')].map(row => [...row.cells].slice(0, 4).map(cell => cell.textContent))")
    assert ["2.bias", "only in A", "float32 [5]", "–"] in rows and ["extra", "only in B", "–", "float16 [2, 3]"] in rows


def test_the_same_models_are_said_to_be_the_same(holdall, models, browser):
    page = models / "same.html"
    assert holdall("diff", "--html", page, models / "a.pt", models / "a.pt").out.startswith("written\t")
    browser.open(page)
    sound(browser, page)
    assert "= the same" in browser.run("return document.querySelector('.title').textContent")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 520])
def test_both_themes_and_a_narrow_window_keep_within_it(holdall, models, browser, scheme, width):
    for page in (inspected(holdall, models / "a.pt"), differences(holdall, models)):
        browser.open(page, scheme, width)
        sound(browser, page)
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
        bright = browser.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0] > 128")
        assert bright == (scheme == "light")


LONG = ["1.layers.0.self_attn.in_proj_weight", "model.layers.0.post_attention_layernorm.weight", "vision." + "encoder." * 12 + "0.weight", "x." + "w" * 90, "w" * 90]


@pytest.mark.parametrize("width", [1400, 900, 420])
def test_a_name_is_shown_whole_or_with_an_ellipsis_where_it_is_cut(holdall, tmp_path, browser, width):
    torch.save({name: torch.ones(2) for name in LONG}, tmp_path / "a.pt")
    torch.save({name: torch.zeros(2) for name in LONG}, tmp_path / "b.pt")
    for page in (inspected(holdall, tmp_path / "a.pt"), differences(holdall, tmp_path)):
        browser.open(page, width=max(width, 520))
        browser.run("document.body.style.width = arguments[0] + 'px'", width)
        names = browser.run(
            """const pen = document.createElement('canvas').getContext('2d');
            return [...document.querySelectorAll('td .link, .parts .name')].map(link => {
              const style = getComputedStyle(link.lastChild);
              pen.font = style.font;
              const letter = pen.measureText('…').width, held = link.getBoundingClientRect().right + 1;
              return {text: link.textContent, row: link.closest('td') !== null, title: link.closest('[title]')?.title, parts: [...link.children].map(part => ({
                whole: part.scrollWidth <= part.clientWidth, ellipsis: getComputedStyle(part).textOverflow === 'ellipsis',
                room: part.clientWidth / letter, held: part.getBoundingClientRect().right <= held}))};
            })"""
        )
        assert {name["text"] for name in names} >= set(LONG)
        for name in names:
            assert name["title"].endswith(name["text"]) and all(part["held"] for part in name["parts"])
            assert all(part["whole"] or (part["ellipsis"] and part["room"] > 2) for part in name["parts"]), name
        if width >= 900:
            assert all(part["whole"] for name in names if name["row"] and name["text"] in LONG[:2] for part in name["parts"])


def test_a_hundred_thousand_tensors_are_a_page_that_opens(holdall, tmp_path, browser):
    one = numpy.ones(1, numpy.float32)
    safetensors.numpy.save_file({f"t{i}": one for i in range(100_000)}, tmp_path / "many.safetensors")
    page = inspected(holdall, tmp_path / "many.safetensors")
    browser.open(page)
    sound(browser, page)
    assert browser.run("return document.querySelectorAll('*').length") < 3000
    browser.run("document.querySelector('.scroll').scrollTop = 50000 * 34")
    browser.run("const search = document.querySelector('input'); search.value = 't99999'; search.dispatchEvent(new Event('input'))")
    assert browser.run("return [...document.querySelectorAll('tbody tr[data-row]')].map(row => row.cells[0].textContent)") == ["t99999"]


def test_without_scripts_facts_and_tensors_are_there(holdall, models):
    text = inspected(holdall, models / "hostile.pt").read_text()
    plain = text[text.index("<noscript>") : text.index("</noscript>")]
    assert "verdict: inert" in plain and plain.count("<tr>") == len(HOSTILE) + 1
    assert "&lt;img src=x onerror=" in plain and "<img" not in plain and "a\\u202egnp.exe" in plain


def test_the_page_is_written_whole_or_not_at_all(holdall, models, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("old")
    broken = tmp_path / "broken.pt"
    broken.write_bytes((models / "a.pt").read_bytes()[:-100])
    holdall("inspect", "--html", page, broken, status=2)
    assert page.read_text() == "old" and sorted(tmp_path.iterdir()) == [broken, page]
    written, name, size = holdall("inspect", "--html", page, models / "a.pt").out.rstrip("\n").split("\t")
    assert (written, name, int(size)) == ("written", str(page), page.stat().st_size)
    assert holdall("inspect", "--html", "-", models / "a.pt").out == page.read_text()
    assert holdall("inspect", "--quiet", "--html", page, models / "a.pt").out == ""
    assert holdall("inspect", "--json", "--html", page, models / "a.pt").json["format"] == "pytorch"


def test_a_page_takes_the_place_of_no_model_it_is_about(holdall, models):
    before = (models / "a.pt").read_bytes()
    assert "being read" in holdall("inspect", "--html", models / "a.pt", models / "a.pt", status=2).err
    assert "being read" in holdall("diff", "--html", models / "a.pt", models / "b.pt", models / "a.pt", status=2).err
    assert (models / "a.pt").read_bytes() == before
    assert holdall("inspect", "--json", "--html", "-", models / "a.pt", status=2).err
    assert holdall("inspect", "--html", models / "nowhere" / "x.html", models / "a.pt", status=2).err

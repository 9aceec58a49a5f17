"""YAML and Jinja that are scanned against what PyYAML and Jinja make of them: what those would construct or reach for, the verdict knows."""

import collections
import json
import os
import random
import re

import jinja2
import pytest
import yaml

ROUNDS = int(os.environ.get("HOLDALL_SCAN_ROUNDS", "3000"))
HOSTILE_TAG = re.compile(r"tag:yaml\.org,2002:python/(object|name|module)")

YAML_PIECES = (
    *("a", "b: ", "key: value", "- ", "? ", ": ", "x", "_target_: ", "_target_", "os.system", "'", '"', "''", '\\"', "\\x5f", "\\n", "\\"),
    *("!!python/object/apply:os.system", "!!python/name:os.system ", "!!str ", "!e!os.system ", "!p!object/new:x.Y ", "!", "!!", "! "),
    *("!<tag:yaml.org,2002:python/module:os> ", "!!python%2fobject:os.x ", "%TAG !e! tag:yaml.org,2002:python/object/apply:\n", "%YAML 1.1\n"),
    *("%TAG !p! tag:yaml.org,2002:python/\n", "%TAG !! tag:e.org:\n", "%TAG ! tag:yaml.org,2002:python/name:\n", "&a ", "*a ", "*a", "<<: "),
    *("[", "]", "{", "}", ", ", ",", "[1, 2]", "{}", "[]", "{a: b}", "|\n", ">\n", "|-\n", ">2\n", "|+1\n", "# ", "#", " # a", "---\n", "---", "--- "),
    *("...\n", "\n...\n---\n", "\n---\n", "\r\n", "\r", "\n", "\n", "\n", "\n  ", "\n  ", "\n    ", " ", " ", "  ", "\t", "\x85", "\u2028", "é"),
)
JINJA_PIECES = (
    *("{{ ", "{{", " }}", "}}", "{% ", "{%- ", " %}", "-%}", "%}", "{# ", "{#", " #}", "#}", "{", "}", "%", "#", "-", "+"),
    *("{% raw %}", "{%raw-%}", "{%- endraw %}", "{% endraw -%}", "endraw", "raw", "{% if a %}", "{% endif %}", "{% for a in b %}", "{% endfor %}"),
    *("x", "a.b", "x.__class__", "x['__class__']", "x|attr('__class__')", "__class__", "'__class__'", "['__cla' 'ss__']", ".__class__", "|trim"),
    *("x['\\x5f\\137class__']", "|length", "'", '"', "\\", "\\'", "'}}'", '"%}"', "'#}'", "''", " ~ ", " + ", "(", ")", "[", "]", "{'a': 1}", "1", "\n", " "),
    *("{% set y = 'a' %}", "{% set y %}", "{% endset %}", "{{ x.__class__ }}", "{{ a }}", "{{ '__class__'.b }}", "text"),
)


@pytest.fixture(scope="module")
def verdicts(holdall, tmp_path_factory):
    """The verdicts of many texts, in one run of the command."""

    def scan(texts, extension):
        folder = tmp_path_factory.mktemp("scanned")
        names = [f"{i}.{extension}" for i in range(len(texts))]
        for name, text in zip(names, texts):
            (folder / name).write_bytes(text.encode())
        return [report["verdict"] for report in json.loads(holdall("scan", "--json", *names, status=None, cwd=folder).out)]

    return scan


def mixed(rng, pieces, whole):
    """Pieces at random; or a text as people write it, with a few of them put in or cut out."""
    if rng.random() < 0.4:
        return "".join(rng.choice(pieces) for _ in range(rng.randint(1, 14)))
    text = rng.choice(whole)
    for _ in range(rng.randint(0, 4)):
        at = rng.randint(0, len(text))
        text = text[:at] + (rng.choice(pieces) + text[at:] if rng.random() < 0.8 else text[at + rng.randint(1, 5) :])
    return text


def constructed(text):
    """The tags and _target_s of PyYAML's documents up to its first fault, and whether there was one."""
    found = set()

    def visit(node, seen):
        if node is None or id(node) in seen:
            return
        seen.add(id(node))
        found.add(node.tag)
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == "_target_" and isinstance(value, yaml.ScalarNode):
                    found.add(f"_target_ {value.value}")
                visit(key, seen)
                visit(value, seen)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                visit(item, seen)

    try:
        for document in yaml.compose_all(text, yaml.Loader):
            visit(document, set())
    except (yaml.YAMLError, ValueError, IndexError):  # it has faults of its own, as in "!<"
        return found, True
    return found, False


YAML_WHOLE = (
    "model:\n  _target_: torch.nn.Linear\n  args: [1, 2]\nlist:\n- &a {x: 'y'}\n- *a\n",
    "a: |\n  !!python/object/apply:os.system\n  text\nb: '!!python/name:os.system'\nc: \"_target_: os.system\"\n# !!python/name:os.system\n",
    "%TAG !e! tag:yaml.org,2002:python/object/apply:\n---\nx: {y: [a, 'b', !e!os.system [id]]}\n",
    "a: b\n---\nc: !!python/object/apply:os.system\n- id\n...\n---\n- d\n",
    '{"_target_": "os.system", "a": ["b # c", {"d": null}]}\n',
    "? - a\n  - b\n: >-\n  folded\n   more\n\n  text\nkey: 'a\n  b'\n",
)


def test_what_pyyaml_constructs_is_seen(verdicts):
    rng = random.Random(20)
    texts = [mixed(rng, YAML_PIECES, YAML_WHOLE) for _ in range(ROUNDS)]
    counts = collections.Counter()
    for text, verdict in zip(texts, verdicts(texts, "yaml")):
        found, failed = constructed(text)
        hostile = any(HOSTILE_TAG.match(tag) or tag.startswith("_target_ os.") for tag in found)
        if hostile:
            assert verdict in ("malicious", "code", "unreadable"), (text, found)
            counts["hostile"] += 1
        elif failed or any("_target_" in tag or "python" in tag for tag in found):
            counts["unsure"] += 1
        else:
            assert verdict == "inert" or text.strip() == "", (text, found)
            counts["harmless"] += 1
    assert min(counts.values()) > ROUNDS // 20 and len(counts) == 3, counts


JINJA_WHOLE = (
    "{% for m in messages %}{{ '<|' ~ m['role'] ~ '|>' ~ m.content|trim }}{% endfor %}",
    "{# x.__class__ #}{% raw %}{{ x.__class__ }}{% endraw %}{{ a['b'] }}__class__",
    "{% if a %}{{ x['__class__'] }}{% endif %}{{ {'k': {'l': a}}['k'] }}",
    "{% set y = {'a': '}}'} %}{{ y['a'] ~ (x).__class__ }}{%- raw -%}{% endraw %}",
)


def reached(text):
    """The names and texts of the code that Jinja sees, or None where it refuses the template."""
    try:
        tree = jinja2.Environment().parse(text)  # noqa: S701 - nothing is rendered
    except (jinja2.TemplateSyntaxError, RecursionError):
        return None
    names = {node.attr for node in tree.find_all(jinja2.nodes.Getattr)} | {node.name for node in tree.find_all(jinja2.nodes.Name)}
    return names | {node.value for node in tree.find_all(jinja2.nodes.Const) if isinstance(node.value, str)}


def test_what_jinja_reaches_for_is_seen(verdicts):
    rng = random.Random(21)
    texts = [mixed(rng, JINJA_PIECES, JINJA_WHOLE) for _ in range(ROUNDS)]
    counts = collections.Counter()
    for text, verdict in zip(texts, verdicts(texts, "jinja")):
        names = reached(text)
        if names is None:
            counts["refused"] += 1
        elif "__class__" in names:
            assert verdict == "malicious", (text, names)
            counts["hostile"] += 1
        elif not any("_" in name for name in names):
            assert verdict != "malicious", (text, names)
            counts["harmless"] += 1
    assert min(counts.values()) > ROUNDS // 20 and len(counts) == 3, counts

"""Pages with parts that a program writes: what stands between `<!-- NAME -->` and `<!-- /NAME -->`, on lines of their own."""

import pathlib


def _span(text, name):
    start = text.index(f"<!-- {name} -->\n") + len(f"<!-- {name} -->\n")
    return start, text.index(f"<!-- /{name} -->", start)


def read(path, name):
    text = pathlib.Path(path).read_text()
    start, end = _span(text, name)
    return text[start:end]


def write(path, name, lines):
    path = pathlib.Path(path)
    text = path.read_text()
    start, end = _span(text, name)
    path.write_text(text[:start] + "\n".join(lines) + "\n" + text[end:])

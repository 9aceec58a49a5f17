"""Compares the digests of two `holdall inspect --digest --json` documents: prints "N of N tensors bit-equal"."""

import json
import pathlib
import sys


def digests(path):
    tensors = json.loads(pathlib.Path(path).read_text())["tensors"]
    return {tensor["name"]: (tensor["dtype"], tensor["shape"], tensor["sha256"]) for tensor in tensors}


def main():
    a, b = digests(sys.argv[1]), digests(sys.argv[2])
    names = a.keys() | b.keys()
    equal = sum(1 for name in names if name in a and a[name] == b.get(name))
    print(f"{equal} of {len(names)} tensors bit-equal")
    return 0 if equal == len(names) else 1


if __name__ == "__main__":
    sys.exit(main())

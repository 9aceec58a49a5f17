"""Golden archives for tar_test.cc: the same files by GNU tar 1.34 and by Python 3.11's tarfile, in every format that each
writes and that has room for their names."""

import io
import pathlib
import subprocess
import tarfile
import tempfile

HERE = pathlib.Path(__file__).parent
LONG = "folder/" + "a" * 60 + "/" + "b" * 60 + "/file"
LONGER = "c" * 300 + "/ü"  # longer than Linux lets a name be
SHORTER = "c" * 200 + "/ü"
FILES = {"a": b"first", "folder/empty": b"", "folder/b": b"x" * 1000, LONG: b"deep", LONGER: b"deeper"}
NAMES = {"v7": 3, "ustar": 4}  # how many of them


def gnu(kind, target, names):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name in names:
            at = root / (SHORTER if name == LONGER else name)
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(FILES[name])
        renamed = [f"--transform=s,{SHORTER},{LONGER},", "--show-transformed-names"] if LONGER in names else []
        subprocess.run(["tar", f"--format={kind}", "--sort=name", "--mtime=2017-01-01 12:00:00.5", "--owner=user:1000",
                        "--group=user:1000", "-cf", target, "-C", folder, *renamed, "."], check=True)


def python(kind, target, names):
    with tarfile.open(target, "w", format=kind) as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(FILES[name]), 1483272000.5  # a fraction, as TarFile.add() takes it from the file
            archive.addfile(entry, io.BytesIO(FILES[name]))


def main():
    names = list(FILES)
    for kind in ("v7", "ustar", "gnu", "posix"):
        gnu(kind, HERE / ("v7.tar" if kind == "v7" else f"gnu_{kind}.tar"), names[:NAMES.get(kind)])
    for name, kind in (("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT)):
        python(kind, HERE / f"python_{name}.tar", names[:NAMES.get(name)])


if __name__ == "__main__":
    main()

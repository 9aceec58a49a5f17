"""Races Holdall against its rivals and the bare machine, and writes the tables.

Usage: run.py [--quick] [--runs N] [--only WORD]… [--folder DIR] [--python PYTHON] [--ztensor PYTHON]
              [--build DIR] [--write]

Every row is a race: its contenders take turns in one run, and the ratio is of their medians; nothing else about the machine is
compared. --quick takes 64 MB instead of 1 GB and 2 runs instead of 7. --write puts the table between README's `<!-- bench -->`
marks and the details in docs/benchmarks.md. Cold means that the file was dropped from the page cache before the run.
"""

import argparse
import dataclasses
import datetime
import glob
import json
import math
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable

import marked
import scanners

ROOT = pathlib.Path(__file__).resolve().parents[1]
RIVALS = ROOT / "bench" / "rivals.py"
PACKAGE = ROOT / "bench" / "package.py"
FRAMEWORKS = ROOT / "bench" / "frameworks.py"
TRAINING = ROOT / "bench" / "training.py"
LAUNCH = ROOT / "bench" / "launch.py"


@dataclasses.dataclass
class Sample:
    seconds: float
    resident: int  # bytes, at most, of the whole process


@dataclasses.dataclass
class Contender:
    name: str
    command: list[str]
    inside: bool  # the program prints its own time; else the whole process counts
    before: Callable[[], None] = lambda: None
    statuses: tuple[int, ...] = (0,)


@dataclasses.dataclass
class Bar:
    """A ratio to show: `rival` over Holdall where larger is better, Holdall over `rival` where `below`."""

    rival: str
    ratio: float
    below: bool = False


@dataclasses.dataclass
class Race:
    key: str
    work: str
    contenders: list[Contender]
    bars: list[Bar]
    most_seconds: float | None = None
    most_resident: int | None = None


def drop(*paths):
    """Out of the page cache, once it is on disk."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def warm(path):
    with open(path, "rb", buffering=0) as file:
        buffer = bytearray(1 << 22)
        while file.readinto(buffer):
            pass


def remove(path):
    shutil.rmtree(path) if os.path.isdir(path) else pathlib.Path(path).unlink(missing_ok=True)


def measure(contender):
    contender.before()
    line = subprocess.run([sys.executable, "-S", "-E", LAUNCH, *contender.command], check=True, stdout=subprocess.PIPE).stdout
    taken = json.loads(line)
    if taken["status"] not in contender.statuses:
        raise RuntimeError(f"{contender.name}: status {taken['status']}: {' '.join(contender.command)}")
    return Sample(float(taken["output"]) if contender.inside else taken["seconds"], taken["resident"])


def run(race, runs):
    samples = {contender.name: [] for contender in race.contenders}
    for i in range(runs):
        # Each begins in turn: who follows a contender that has just given back its memory may be served faster.
        first = i % len(race.contenders)
        for contender in race.contenders[first:] + race.contenders[:first]:
            samples[contender.name].append(measure(contender))
    return {name: Sample(statistics.median(s.seconds for s in list_), max(s.resident for s in list_)) for name, list_ in samples.items()}


def seconds_text(seconds):
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def size_text(size):
    return f"{size / 1e6:.0f} MB" if size >= 1e7 else f"{size / 1e6:.1f} MB"


class Field:
    """The files that are raced over, and the commands that do it."""

    def __init__(self, options):
        self.folder = pathlib.Path(options.folder).resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.python = options.python
        self.command = str(pathlib.Path(options.build).resolve() / "holdall")
        self.bench = str(pathlib.Path(options.build).resolve() / "holdall_bench")
        self.ztensor = options.ztensor
        self.installed = str(self.folder / "package")
        self.tensors = 64
        self.floats = (1 << 18) if options.quick else (1 << 22)
        self.small = 20_000
        self.trees = 100 if options.quick else 1_000
        self.pickles = 1_000 if options.quick else 10_000

    @property
    def bytes(self):
        return self.tensors * self.floats * 4

    def at(self, name):
        return str(self.folder / name)

    def rival(self, name, work, *arguments, before=lambda: None):
        return Contender(name, [self.python, str(RIVALS), work, *map(str, arguments)], True, before)

    def framework(self, name, work, *arguments, before=lambda: None):
        return Contender(name, [self.python, str(FRAMEWORKS), work, *map(str, arguments)], True, before)

    def package(self, work, *arguments, name="Holdall", before=lambda: None):
        """Through the Python package."""
        return Contender(name, ["env", f"PYTHONPATH={self.installed}", self.python, str(PACKAGE), work, *map(str, arguments)], True, before)

    def training(self, name, work, *arguments, before=lambda: None):
        """A training, by Holdall's package or by others."""
        return Contender(name, ["env", f"PYTHONPATH={self.installed}", self.python, str(TRAINING), work, *map(str, arguments)], True, before)

    def inside(self, name, work, *arguments, before=lambda: None):
        return Contender(name, [self.bench, work, *map(str, arguments)], True, before)

    def whole(self, name, *command, before=lambda: None, statuses=(0,)):
        return Contender(name, list(map(str, command)), False, before, statuses)

    def make(self):
        """Writes what is not there yet."""
        big, small = (self.tensors, self.floats), (self.small, 64)
        for name, work, shape in (("big.pt", "torch-save", big), ("big.safetensors", "safetensors-save", big), ("big.npz", "numpy-save", big),
                                  ("small.pt", "torch-save", small), ("small.safetensors", "safetensors-save", small)):
            if not os.path.exists(self.at(name)):
                print(f"making {name}", file=sys.stderr)
                measure(self.rival(name, work, self.at(name), *shape))
        self.make_framework_files()
        remove(self.installed)
        wheel = max(glob.glob(str(ROOT / "build" / "dist" / "*.whl")), key=os.path.getmtime)
        subprocess.run([self.python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", self.installed, wheel], check=True)
        self.make_scanned()
        for path in self.folder.iterdir():
            if path.is_file():
                drop(path)

    def save_races(self):
        for format_, rival, ratio in (("pt", "torch.save", 2), ("safetensors", "safetensors", 1.5)):
            out = self.at(f"out.{format_}")
            clean = lambda out=out: remove(out)  # noqa: E731
            work = "torch-save" if format_ == "pt" else "safetensors-save"
            checks = "CRCs" if format_ == "pt" else "checksums"
            yield Race(f"save-{format_}", f"save 1 GB `.{format_}` with {checks}, durable", [
                self.inside("Holdall", "save", out, self.tensors, self.floats * 4, before=clean),
                self.rival(rival, work, out, self.tensors, self.floats, before=clean),
                self.inside("raw write", "raw-write", out, self.bytes, before=clean),
            ], [Bar(rival, ratio), Bar("raw write", 0.9)])
            yield Race(f"save-small-{format_}", f"save 20,000 small tensors as `.{format_}`, durable", [
                self.inside("Holdall", "save", out, self.small, 256, before=clean),
                self.rival(rival, work, out, self.small, 64, before=clean),
            ], [Bar(rival, 10 if format_ == "pt" else 3)])

    def load_races(self):
        for format_, rival, work in (("pt", "torch.load", "torch-load"), ("safetensors", "safetensors", "safetensors-load"),
                                     ("npz", "numpy", "numpy-load")):
            path = self.at(f"big.{format_}")
            raw_bars = [] if format_ == "npz" else [Bar("raw read", 0.7)]
            ratios = {"pt": (2.5, 1.5), "safetensors": (2, 3), "npz": (2, 2)}[format_]
            for heat, prepare, ratio in (("warm", lambda p=path: warm(p), ratios[0]), ("cold", lambda p=path: drop(p), ratios[1])):
                contenders = [
                    self.inside("Holdall", "load", path, before=prepare),
                    self.rival(rival, work, path, before=prepare),
                    self.inside("raw read", f"raw-read-{heat}", path, before=prepare),
                ]
                if self.ztensor is not None:
                    contenders.append(Contender("zTensor", [self.ztensor, str(RIVALS), "ztensor-load", path], True, prepare))
                yield Race(f"load-{format_}-{heat}", f"load 1 GB `.{format_}` into fresh memory, {heat}", contenders,
                           [Bar(rival, ratio), *raw_bars])
        for format_, rival, work, ratio in (("pt", "torch.load", "torch-load", 10), ("safetensors", "safetensors", "safetensors-load", 3)):
            path = self.at(f"small.{format_}")
            yield Race(f"load-small-{format_}", f"load 20,000 small tensors from `.{format_}`", [
                self.inside("Holdall", "load", path, before=lambda p=path: warm(p)),
                self.rival(rival, work, path, before=lambda p=path: warm(p)),
            ], [Bar(rival, ratio)])

    def command_races(self):
        big, out = self.at("big.pt"), self.at("converted.safetensors")
        yield Race("inspect", "`inspect` 1 GB `.pt`, whole process", [
            self.whole("Holdall", self.command, "inspect", "--json", big, before=lambda: warm(big)),
            self.whole("Python with torch", self.python, RIVALS, "torch-list", big, before=lambda: warm(big)),
        ], [Bar("Python with torch", 50)], 0.020, 20_000_000)

        def ready():
            remove(out)
            warm(big)

        yield Race("convert", "`convert` 1 GB `.pt` → safetensors, durable", [
            self.whole("Holdall", self.command, "convert", "--quiet", big, out, before=ready),
            self.rival("cp", "copy", big, out, before=ready),
            self.rival("Python", "torch-to-safetensors", big, out, before=ready),
        ], [Bar("cp", 1.5, below=True), Bar("Python", 4)], None, 64_000_000)
        yield Race("start", "start of `formats`, whole process", [
            self.whole("Holdall", self.command, "formats"),
            self.whole("/bin/true", "/bin/true"),
        ], [], 0.005)
        yield Race("start-cold", "the same with the program out of the page cache", [
            self.whole("Holdall", self.command, "formats", before=lambda: drop(self.command)),
            self.whole("/bin/true", "/bin/true", before=lambda: drop("/bin/true")),
        ], [])

    def scan_races(self):
        """Against other scanners, each as its own users run it; what they say about the files is the business of catches.py."""
        home = self.at("home")
        os.makedirs(home, exist_ok=True)
        setting = [f"{name}={value}" for name, value in scanners.variables(home).items()]
        big, many, some, folder = self.at("big.pt"), self.at("pickles"), self.at("some-pickles"), self.at("huggingface")

        def contenders(path, rivals, before=lambda: None):
            yield self.whole("Holdall", self.command, "scan", "--quiet", path, before=before, statuses=(0,))
            for rival in rivals:
                yield self.whole(rival, "env", "-C", home, *setting, *scanners.command(rival, path), before=before, statuses=(0, 1, 2, 3))

        everyone = tuple(scanners.COMMANDS)
        for heat, ready in (("warm", lambda: warm(big)), ("cold", lambda: drop(big))):
            yield Race(f"scan-pt-{heat}", f"`scan` 1 GB `.pt`, whole process, {heat}", [*contenders(big, everyone, ready)],
                       [Bar("picklescan", 8)], 0.010, 64_000_000)
        # The time that modelaudit takes for a folder grows faster than the folder: hours for all.
        yield Race("scan-many", f"`scan` {self.pickles:,} small pickles", [*contenders(many, everyone[:3])], [Bar("picklescan", 8)], None, 64_000_000)
        yield Race("scan-some", "`scan` 100 of them", [*contenders(some, everyone)], [Bar("picklescan", 8)], None, 64_000_000)
        yield Race("scan-folder", "`scan` a folder of transformers, 50 MB of weights twice", [*contenders(folder, everyone)],
                   [Bar("picklescan", 1)], None, 64_000_000)

    def make_scanned(self):
        """The folders that are scanned only."""
        many, some, folder = (pathlib.Path(self.at(name)) for name in ("pickles", "some-pickles", "huggingface"))
        if not many.is_dir():
            many.mkdir()
            measure(self.rival("pickles", "small-pickles", many, self.pickles))
        if not some.is_dir():
            some.mkdir()
            for path in sorted(many.iterdir())[:100]:
                shutil.copy(path, some)
        if not folder.is_dir():
            measure(self.framework("huggingface", "make-huggingface", folder))

    def package_races(self):
        for format_, rival, work, ratio in (("pt", "torch.save", "torch-save", 2), ("safetensors", "safetensors", "safetensors-save", 1.5)):
            out = self.at(f"out.{format_}")
            clean = lambda out=out: remove(out)  # noqa: E731
            for key, size, shape, bar in (("save", "1 GB", (self.tensors, self.floats), ratio), ("save-small", "20,000 small tensors", (self.small, 64), 3)):
                yield Race(f"python-{key}-{format_}", f"Python: save {size} as `.{format_}`, durable", [
                    self.package("save", out, *shape, before=clean), self.rival(rival, work, out, *shape, before=clean),
                ], [Bar(rival, 10 if (key, format_) == ("save-small", "pt") else bar)])
        for format_, rival, work in (("pt", "torch.load", "torch-load"), ("safetensors", "safetensors", "safetensors-load")):
            path = self.at(f"big.{format_}")
            for heat, prepare, ratio in (("warm", lambda p=path: warm(p), 2.5 if format_ == "pt" else 2),
                                         ("cold", lambda p=path: drop(p), 1.5 if format_ == "pt" else 3)):
                contenders = [self.package("load", path, before=prepare), self.rival(rival, work, path, before=prepare)]
                if self.ztensor is not None:
                    contenders.append(Contender("zTensor", [self.ztensor, str(RIVALS), "ztensor-load", path], True, prepare))
                yield Race(f"python-load-{format_}-{heat}", f"Python: load 1 GB `.{format_}` into torch, {heat}", contenders, [Bar(rival, ratio)])
            small = self.at(f"small.{format_}")
            ready = lambda p=small: warm(p)  # noqa: E731
            yield Race(f"python-load-small-{format_}", f"Python: load 20,000 small tensors from `.{format_}`", [
                self.package("load", small, before=ready), self.rival(rival, work, small, before=ready),
            ], [Bar(rival, 10 if format_ == "pt" else 3)])
        path = self.at("big.safetensors")
        for heat, prepare, ratio in (("warm", lambda: warm(path), 2), ("cold", lambda: drop(path), 3)):
            for how, bar in (("eager", ratio), ("lazy", 1)):
                yield Race(f"python-sum-{how}-{heat}", f"Python: 1 GB `.safetensors`, open to the sum of every tensor, {how}, {heat}", [
                    self.package(f"sum-{how}", path, before=prepare), self.rival("safetensors", f"safetensors-sum-{how}", path, before=prepare),
                ], [Bar("safetensors", bar)])
        ready = lambda: warm(path)  # noqa: E731
        # The memory of a Python with NumPy and of little more than the tensors.
        yield Race("python-memory", "Python: load 1 GB `.safetensors` into NumPy", [self.package("load-numpy", path, before=ready)],
                   [], None, self.bytes + 64_000_000 + 40_000_000)
        yield Race("python-first", "Python: import and the first tensor of 1 GB", [
            self.package("first-tensor", path, before=ready), self.rival("safetensors", "safetensors-first-tensor", path, before=ready),
            self.rival("torch", "torch-first-tensor", self.at("big.pt"), before=ready),
        ], [Bar("safetensors", 1)])
        yield Race("python-import", "Python: import", [
            self.package("import-package"), self.rival("safetensors with NumPy", "safetensors-import"), self.rival("torch", "torch-import"),
        ], [], 0.030)

    def checkpoint_races(self):
        folder = self.at("checkpoints")
        state = (folder, self.tensors, self.floats)
        clean = lambda: remove(folder)  # noqa: E731
        of = lambda name, work, *what: self.training(name, work, *state, *what, before=clean)  # noqa: E731
        # A Python with torch, the state, and one copy of it.
        yield Race("checkpoint-waits", "a checkpoint of 1 GB behind a training: the step waits", [
            of("Holdall", "holdall", "waited"), of("memcpy", "memcpy"), of("DCP async_save", "dcp", "waited"), of("torch.save", "torch-waits"),
            of("safetensors", "safetensors-waits"),
        ], [Bar("memcpy", 1.2, below=True)], None, 2 * self.bytes + 600_000_000)
        yield Race("checkpoint-steps", "the same: a step meanwhile", [
            of("Holdall", "holdall", "slowed"), of("no checkpoint", "steps-alone"), of("DCP async_save", "dcp", "slowed"),
        ], [Bar("no checkpoint", 1.15, below=True)])
        yield Race("checkpoint-whole", "the same: until it is on disk", [
            of("Holdall", "holdall", "whole"), of("Holdall with no step beside it", "holdall-now"), of("DCP async_save", "dcp", "whole"),
        ], [Bar("Holdall with no step beside it", 1.5, below=True)])
        restored = self.at("restored")
        if not os.path.isdir(restored):
            measure(self.training("restored", "make-restorable", restored, self.bytes))
        ready = lambda: [warm(path) for path in glob.glob(restored + "/*.pt*")]  # noqa: E731
        for name, what in (("resumes", "a new module and AdamW take up 1 GB, warm"), ("goes-back", "those of a training that has begun go back to it")):
            yield Race(f"checkpoint-{name}", what, [
                self.training("Holdall", f"holdall-{name}", restored, self.bytes, before=ready),
                self.training("torch.load", f"torch-{name}", restored, self.bytes, before=ready),
            ], [Bar("torch.load", 2)])
        many = self.at("many-checkpoints")
        if not os.path.isdir(many):
            measure(self.training("many", "make-many", many, 10_000))
        yield Race("checkpoint-ls", "`checkpoint ls` of 10,000, whole process", [
            self.whole("Holdall", self.command, "checkpoint", "ls", many), self.whole("ls -l", "ls", "-l", many),
        ], [], 0.050)

    def make_framework_files(self):
        if not os.path.exists(self.at("big-tf.index")):
            measure(self.framework("big.h5", "make-keras", self.folder, self.tensors, math.isqrt(self.floats)))
        for name, work, *more in (("gzip.h5", "make-h5-gzip"), ("big.joblib", "make-joblib", 0), ("zlib.joblib", "make-joblib", 3),
                                 ("big.onnx", "make-onnx"), ("big.gguf", "make-gguf"), ("big.msgpack", "make-flax"), ("big.jit", "make-jit"),
                                 ("big.tflite", "make-tflite"), ("matrices.safetensors", "make-matrices")):
            count = self.tensors if name.startswith(("big", "matrices")) else self.tensors // 4  # compressing takes its time
            if not os.path.exists(self.at(name)):
                measure(self.framework(name, work, self.at(name), count, self.floats, *more))
        for name, work in (("trees.ubj", "make-xgboost"), ("trees.txt", "make-lightgbm")):
            if not os.path.exists(self.at(name)):
                measure(self.framework(name, work, self.at(name), self.trees))

    def framework_races(self):
        for kind, name, file, size, rivals, heats in (
            ("h5", "big.h5", "big.h5", "1 GB `.h5` of Keras", (("h5py", "h5py-load", 1), ("Keras", "keras-load", 1)), ("warm", "cold")),
            ("h5-gzip", "gzip.h5", "gzip.h5", "a quarter of it, `.h5` by gzip", (("h5py", "h5py-load", 3),), ("warm",)),
            ("keras", "big.keras", "big.keras", "1 GB `.keras`", (("Keras", "keras-load", 1),), ("warm", "cold")),
            ("tf", "big-tf", "big-tf.data-00000-of-00001", "1 GB checkpoint of TensorFlow", (("TensorFlow", "tensorflow-load", 1),), ("warm", "cold")),
            ("joblib", "big.joblib", "big.joblib", "1 GB `.joblib`", (("joblib", "joblib-load", 1),), ("warm", "cold")),
            ("onnx", "big.onnx", "big.onnx", "1 GB `.onnx`", (("onnx", "onnx-load", 2),), ("warm", "cold")),
            ("gguf", "big.gguf", "big.gguf", "1 GB `.gguf`", (("gguf", "gguf-load", 1),), ("warm", "cold")),
            ("flax", "big.msgpack", "big.msgpack", "1 GB `.msgpack` of Flax", (("Flax", "flax-load", 1),), ("warm", "cold")),
            ("jit", "big.jit", "big.jit", "1 GB TorchScript", (("torch.jit", "jit-load", 1),), ("warm", "cold")),
            ("tflite", "big.tflite", "big.tflite", "1 GB `.tflite`", (("LiteRT", "litert-load", 1),), ("warm", "cold")),
            ("joblib-zlib", "zlib.joblib", "zlib.joblib", "a quarter of it, `.joblib` by zlib", (("joblib", "joblib-load", 1.5),), ("warm",)),
        ):
            path = self.at(name)
            whole = self.bytes if len(heats) == 2 else self.bytes // 4
            for heat in heats:
                ready = lambda p=self.at(file), h=heat: (warm if h == "warm" else drop)(p)  # noqa: E731
                yield Race(f"python-load-{kind}-{heat}", f"Python: load {size} into NumPy, {heat}", [
                    self.package("load-numpy", path, before=ready),
                    *(self.framework(rival, work, path, before=ready) for rival, work, _ in rivals),
                ], [Bar(rival, bar) for rival, _, bar in rivals], None, whole + 64_000_000 + 40_000_000)
        for name, what, rivals in (("big.h5", "1 GB `.h5` of Keras", (("Python with h5py", "h5py-list", 0), ("Python with Keras", "keras-list", 20))),
                                   ("big-tf", "1 GB checkpoint of TensorFlow", (("Python with TensorFlow", "tensorflow-list", 20),)),
                                   ("big.joblib", "1 GB `.joblib`", (("Python with joblib", "joblib-list", 20),)),
                                   ("big.onnx", "1 GB `.onnx`", (("Python with onnx", "onnx-list", 20),)),
                                   ("big.gguf", "1 GB `.gguf`", (("Python with gguf", "gguf-list", 20),)),
                                   ("big.msgpack", "1 GB `.msgpack` of Flax", (("Python with Flax", "flax-list", 20),)),
                                   ("big.jit", "1 GB TorchScript", (("Python with torch.jit", "jit-list", 20),)),
                                   ("big.tflite", "1 GB `.tflite`", (("Python with LiteRT", "litert-list", 20),))):
            yield Race(f"inspect-{name}", f"`inspect` {what}, whole process", [
                self.whole("Holdall", self.command, "inspect", "--json", self.at(name)),
                *(self.whole(rival, self.python, FRAMEWORKS, work, self.at(name)) for rival, work, _ in rivals),
            ], [Bar(rival, bar) for rival, _, bar in rivals if bar], None, 64_000_000)

    def tree_races(self):
        """Models that are nothing but small arrays: the rival builds its own trees, Holdall an array of each."""
        for name, what, rival, work in (("trees.ubj", "1,000 trees of XGBoost, `.ubj`", "XGBoost", "xgboost"),
                                        ("trees.json", "the same, `.json`", "XGBoost", "xgboost"),
                                        ("trees.txt", "1,000 trees of LightGBM", "LightGBM", "lightgbm")):
            path = self.at(name)
            size = os.path.getsize(path)
            ready = lambda p=path: warm(p)  # noqa: E731
            yield Race(f"python-load-{name}", f"Python: load {what} into NumPy, warm", [
                self.package("load-numpy", path, before=ready), self.framework(rival, f"{work}-load", path, before=ready),
            ], [Bar(rival, 1)], None, 2 * size + 64_000_000 + 40_000_000)
            yield Race(f"inspect-{name}", f"`inspect` {what}, whole process", [
                self.whole("Holdall", self.command, "inspect", "--json", path),
                self.whole(f"Python with {rival}", self.python, FRAMEWORKS, f"{work}-list", path),
            ], [Bar(f"Python with {rival}", 2)], None, 2 * size + 64_000_000)

    def quantize_races(self):
        source, out = self.at("matrices.safetensors"), self.at("out.gguf")

        def ready():
            remove(out)
            warm(source)

        for kind in ("q8_0", "q4_0", "q4_1", "q5_0", "q5_1"):
            yield Race(f"quantize-{kind}", f"`convert --dtype {kind}` 1 GB safetensors → `.gguf`", [
                self.whole("Holdall", self.command, "convert", "--quiet", "--no-sync", "--dtype", kind, source, out, before=ready),
                self.framework("gguf", "gguf-quantize", source, out, kind, before=ready),
            ], [Bar("gguf", 10)], None, 64_000_000)

    def races(self):
        yield from self.checkpoint_races()
        yield from self.save_races()
        yield from self.load_races()
        yield from self.package_races()
        yield from self.command_races()
        yield from self.scan_races()
        yield from self.framework_races()
        yield from self.tree_races()
        yield from self.quantize_races()


def verdicts(race, medians):
    """(what is shown, what was to be shown, whether it is met) for each bar."""
    own = medians["Holdall"]
    for bar in race.bars:
        ratio = own.seconds / medians[bar.rival].seconds if bar.below else medians[bar.rival].seconds / own.seconds
        met = ratio <= bar.ratio if bar.below else ratio >= bar.ratio
        sign = "≤" if bar.below else "≥"
        yield f"{ratio:.2f} × {bar.rival}" if ratio < 10 else f"{ratio:.0f} × {bar.rival}", f"{sign} {bar.ratio:g} ×", met
    if race.most_seconds is not None:
        yield seconds_text(own.seconds), f"≤ {seconds_text(race.most_seconds)}", own.seconds <= race.most_seconds
    if race.most_resident is not None:
        yield f"{size_text(own.resident)} resident", f"≤ {size_text(race.most_resident)}", own.resident <= race.most_resident


def stripped_size(command):
    copy = command + ".stripped"
    subprocess.run(["strip", "-o", copy, command], check=True)
    size = os.path.getsize(copy)
    os.unlink(copy)
    return size


def table(results):
    lines = ["| work | Holdall | rivals | ratio | bar |", "|---|---|---|---|---|"]
    for race, medians in results:
        others = ", ".join(f"{name} {seconds_text(s.seconds)}" for name, s in medians.items() if name != "Holdall")
        shown = list(verdicts(race, medians))
        ratios = "; ".join(text for text, _, _ in shown)
        bars = "; ".join(bar + ("" if met else " **missed**") for _, bar, met in shown)
        lines.append(f"| {race.work} | {seconds_text(medians['Holdall'].seconds)} | {others} | {ratios} | {bars} |")
    return lines


def size_line(size):
    met = "" if size <= 12_000_000 else " **missed**"
    return f"| the command's size, stripped | {size_text(size)} | | | ≤ 12 MB{met} |"


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{len(os.sched_getaffinity(0))} cores ({model}), {memory:.0f} GB, Linux {platform.release().split('-')[0]}"


def versions(python):
    code = ("import importlib.metadata as m;"
            "print(', '.join(f'{n} {m.version(n)}' for n in ('torch', 'safetensors', 'numpy', 'h5py', 'keras', 'tensorflow-cpu', 'joblib', 'onnx', 'gguf', 'flax', 'ai-edge-litert', 'xgboost-cpu', 'lightgbm')))")
    found = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    return f"{found}, {scanners.versions()}"


CATCHES = """What each scanner says about the tests' own vectors, by `bench/catches.py`: the attacks of `tests/real/pickles.py` and `attacks.py`, and the
harmless files of `pickles.py` and `benign.py`, which the real frameworks write. Every program got the path of every vector on its command line;
only exit statuses count, for all alike: 1 (found) and 2 (an error, so nobody takes the file for checked) are caught or flagged, 0 is neither, nor
is modelscan's 3 (no file that it looks at). fickling's command takes one bare pickle, so files went the way that its `--huggingface` goes
through a repository. modelscan and modelaudit had the frameworks that they can make use of, picklescan and modelaudit py7zr. The
vectors are Holdall's own: they were written to test it, and it was mended where one passed. Whoever wants a judge who is nobody's should take files of their own.
The three that Holdall lets pass are shared lists and YAML that is deep or refers to itself: loading them takes memory, and runs nothing. Vectors that are
newer than the table are not in it."""


def write_documents(lines, results, options, runs):
    page = ROOT / "docs" / "benchmarks.md"
    marked.write(ROOT / "README.md", "bench", lines)
    details = ["| work | contender | seconds (median) | resident at most |", "|---|---|---|---|"]
    for race, medians in results:
        details += [f"| {race.work} | {name} | {s.seconds:.4f} | {size_text(s.resident)} |" for name, s in medians.items()]
    text = f"""# Benchmarks

Written by `bench/run.py --write` on {datetime.date.today()}: {machine()}; {versions(options.python)}.
Every row is a race of its own: the contenders took turns {runs} times, the medians are compared, and only ratios within a row mean
anything. "1 GB" is 64 float32 tensors of 16.8 MB. Durable means that file and folder were synced before the clock stopped, for the
rivals too. Cold means that the file had been dropped from the page cache. Where a bar names "raw", that is the bare machine: the
fastest plain program that moves the same bytes (`bench/holdall_bench.cc`).

{chr(10).join(lines)}

## Catches

{CATCHES}

<!-- catches -->
{marked.read(page, "catches").rstrip()}
<!-- /catches -->

## Seconds and memory

{chr(10).join(details)}
"""
    page.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--only", action="append", default=[], metavar="WORD")
    parser.add_argument("--folder")
    parser.add_argument("--python", default=scanners.tests_python())
    parser.add_argument("--build", default=ROOT / "build" / "release")
    parser.add_argument("--ztensor", metavar="PYTHON", help="a Python with the package ztensor; without it zTensor does not run")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    options.folder = options.folder or ROOT / "build" / ("bench-quick" if options.quick else "bench")
    runs = options.runs or (2 if options.quick else 7)
    field = Field(options)
    field.make()
    results = []
    for race in field.races():
        if options.only and not any(word in race.key for word in options.only):
            continue
        try:
            medians = run(race, runs)
        except (RuntimeError, ValueError, OSError) as fault:
            print(f"{race.key}: left out: {fault}", file=sys.stderr)
            continue
        results.append((race, medians))
        print("\n".join(table([results[-1]])[2:]), flush=True)
    lines = [*table(results), size_line(stripped_size(field.command))]
    if options.write:
        write_documents(lines, results, options, runs)
    print(json.dumps({race.key: {name: s.seconds for name, s in medians.items()} for race, medians in results}))
    return 0


if __name__ == "__main__":
    sys.exit(main())

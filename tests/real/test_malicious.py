"""What a file may try: every verdict is by exact name and opcode, in every wrapping that a loader would open."""

import bz2
import collections
import functools
import gzip
import io
import lzma
import operator
import pickle
import re
import string
import struct
import tarfile
import zipfile
import zlib

import joblib
import numpy
import pytest
import torch
import torch.nn.utils.prune

import pickles
import samples
import torch_tar

def tar_of(data, name="folder/state.pkl"):
    return torch_tar.packed({name: data})


WRAPPINGS = {
    "bare": lambda data: data,
    "pt": pickles.zipped,
    "pt_deflated": lambda data: pickles.zipped(data, compression=zipfile.ZIP_DEFLATED),
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zip_in_zip": lambda data: pickles.zipped(pickles.BENIGN, [("inner.pt", pickles.zipped(data))]),
    "tar": tar_of,
    "tar_gz": lambda data: gzip.compress(tar_of(data)),
    "tar_in_zip": lambda data: pickles.zipped(pickles.BENIGN, [("inner.tar", tar_of(data))]),
    "other_member": lambda data: pickles.zipped(pickles.BENIGN, [("extra/state.pkl", data)]),
}


def verdict(holdall, path):
    outcome = holdall("scan", path, "--json", status=None, timeout=60)
    document = outcome.json
    assert outcome.status == {"inert": 0, "code": 1, "malicious": 1, "unreadable": 2}[document["verdict"]], outcome
    if document["verdict"] != "inert":
        assert document["findings"], "a verdict says why"
    return document["verdict"]


@pytest.mark.parametrize("name", pickles.MALICIOUS)
def test_an_attack_is_malicious(holdall, tmp_path, name):
    (tmp_path / "model.pkl").write_bytes(pickles.MALICIOUS[name])
    assert verdict(holdall, tmp_path / "model.pkl") == "malicious"


@pytest.mark.parametrize("name", pickles.MALICIOUS)
def test_an_attack_in_an_archive_is_malicious(holdall, tmp_path, name):
    (tmp_path / "model.pt").write_bytes(pickles.zipped(pickles.MALICIOUS[name]))
    assert verdict(holdall, tmp_path / "model.pt") == "malicious"


@pytest.mark.parametrize("name", pickles.SUSPICIOUS)
@pytest.mark.parametrize("wrapping", ["bare", "pt"])
def test_what_is_not_known_is_never_clean(holdall, tmp_path, name, wrapping):
    (tmp_path / "model.pt").write_bytes(WRAPPINGS[wrapping](pickles.SUSPICIOUS[name]))
    assert verdict(holdall, tmp_path / "model.pt") != "inert"


@pytest.mark.parametrize("wrapping", [name for name in WRAPPINGS if name not in ("zip_in_zip", "tar_in_zip", "other_member")])
@pytest.mark.parametrize("name", pickles.INERT)
def test_words_are_no_attack(holdall, tmp_path, name, wrapping):
    (tmp_path / "model.bin").write_bytes(WRAPPINGS[wrapping](pickles.INERT[name]))
    assert verdict(holdall, tmp_path / "model.bin") == "inert"


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("extension", ["pt", "safetensors", "txt", "npy", ""])
def test_an_attack_is_found_in_any_wrapping_under_any_name(holdall, tmp_path, wrapping, extension):
    path = tmp_path / f"model.{extension}"
    path.write_bytes(WRAPPINGS[wrapping](pickles.SYSTEM))
    assert verdict(holdall, path) == "malicious"


def test_a_tar_of_torch_that_lacks_its_members_is_never_clean(holdall, tmp_path):
    (tmp_path / "model.tar").write_bytes(tar_of(pickles.SYSTEM, "pickle"))
    assert verdict(holdall, tmp_path / "model.tar") == "malicious"
    (tmp_path / "old.pt").write_bytes(tar_of(pickles.BENIGN, "pickle"))
    assert verdict(holdall, tmp_path / "old.pt") == "unreadable"
    assert "PyTorch tar file from before 0.1.10" in holdall("inspect", tmp_path / "old.pt", status=2).err


@pytest.mark.parametrize("member", torch_tar.MEMBERS)
def test_an_attack_in_any_member_of_a_torch_tar_is_malicious(holdall, tmp_path, member):
    parts = torch_tar.members({"w": torch.ones(2)}, views=True)
    (tmp_path / "old.pt").write_bytes(torch_tar.packed(parts))
    assert verdict(holdall, tmp_path / "old.pt") == "inert"
    for changed in (pickles.SYSTEM, pickles.SYSTEM + parts[member], parts[member] + pickles.SYSTEM):
        (tmp_path / "old.pt").write_bytes(torch_tar.packed({**parts, member: changed}))
        assert verdict(holdall, tmp_path / "old.pt") == "malicious"
    (tmp_path / "old.pt").write_bytes(torch_tar.packed({**parts, "more": pickles.SYSTEM}))
    assert verdict(holdall, tmp_path / "old.pt") == "malicious"


@pytest.mark.parametrize("member", ["storages", "tensors"])
def test_an_attack_in_any_pickle_of_a_member_of_a_torch_tar_is_malicious(holdall, tmp_path, member):
    """Each storage and tensor has a pickle of its own between raw numbers; the attack leaves what it was in place."""
    parts = torch_tar.members({"w": torch.ones(2), "v": torch.arange(3)}, views=True)
    data = parts[member]
    starts = [at for at in range(len(data) - 1) if data[at:at + 2] == b"\x80\x02"]
    assert len(starts) >= 3
    for start in starts:
        changed = data[:start + 2] + pickles.BODY + b"0" + data[start + 2:]
        (tmp_path / "old.pt").write_bytes(torch_tar.packed({**parts, member: changed}))
        assert verdict(holdall, tmp_path / "old.pt") == "malicious", start


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_the_name_of_a_tars_first_member_may_be_the_attack(holdall, tmp_path, form):
    """A tar for torch.load, a pickle for pickle.load."""
    name = f"(S'{pickles.COMMAND}'\nios\nsystem\n."
    parts = torch_tar.members({"w": torch.ones(2)})
    (tmp_path / "old.pt").write_bytes(torch_tar.packed({name: b"", **parts}, form, mtime=0))
    assert verdict(holdall, tmp_path / "old.pt") == "malicious"
    assert torch_tar.load(tmp_path / "old.pt")["w"].sum() == 2
    (tmp_path / "any.tar").write_bytes(torch_tar.packed({name: pickles.BENIGN}, form, mtime=0))
    assert verdict(holdall, tmp_path / "any.tar") == "malicious"


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_every_file_of_a_tar_counts(holdall, tmp_path, compress):
    path = tmp_path / "models.tar"
    files = {"a/model.pkl": pickles.BENIGN, "a/readme.txt": b"A model.\n", "b/new.pt": pickles.zipped(pickles.BENIGN)}
    path.write_bytes(compress(torch_tar.packed(files)))
    assert verdict(holdall, path) == "inert"
    path.write_bytes(compress(torch_tar.packed({**files, "c": b"\x00\x01\x02"})))
    assert verdict(holdall, path) == "unreadable"
    assert "models.tar!c" in holdall("scan", path, status=2).out
    path.write_bytes(compress(torch_tar.packed({**files, "c": pickles.SYSTEM})))
    assert verdict(holdall, path) == "malicious"


def test_a_tar_that_two_readers_see_differently_is_never_clean(holdall, tmp_path):
    data = tar_of(pickles.BENIGN)
    path = tmp_path / "models.tar"
    for damaged in (data + b"x", data[:-9000] + data[:1024], data[:600], torch_tar.packed({"a": b"", "./a": b"x"})):
        path.write_bytes(damaged)
        assert verdict(holdall, path) == "unreadable"
        assert " @ " in holdall("scan", path, status=2).out
    path.write_bytes(data + pickles.SYSTEM)
    assert verdict(holdall, path) == "malicious"


def test_an_empty_file_is_never_clean(holdall, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"")
    assert verdict(holdall, tmp_path / "model.pt") == "unreadable"
    assert "empty" in holdall("inspect", tmp_path / "model.pt", status=2).err


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_attack_that_breaks_off_is_malicious(holdall, tmp_path, compress):
    """gzip.open(…) under pickle.load gives what it has before it meets the missing end."""
    data = compress(pickles.SYSTEM)
    (tmp_path / "model.pkl").write_bytes(data[:-6])
    assert verdict(holdall, tmp_path / "model.pkl") != "inert"
    if compress is gzip.compress:
        assert verdict(holdall, tmp_path / "model.pkl") == "malicious"


def test_bytes_behind_the_storages_of_a_legacy_file_are_looked_at(holdall, tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "model.pt", _use_new_zipfile_serialization=False)
    data = (tmp_path / "model.pt").read_bytes()
    (tmp_path / "model.pt").write_bytes(data + b"rubbish")
    assert verdict(holdall, tmp_path / "model.pt") == "unreadable"
    (tmp_path / "model.pt").write_bytes(data + pickles.SYSTEM)
    assert verdict(holdall, tmp_path / "model.pt") == "malicious"


def test_no_file_of_noise_is_called_malicious(holdall, tmp_path):
    """Chance makes opcodes, never the name of a function in the right place."""
    (tmp_path / "noise.bin").write_bytes(numpy.random.default_rng(7).bytes(8 << 20))
    assert verdict(holdall, tmp_path / "noise.bin") == "unreadable"


def test_the_magic_number_of_a_legacy_file_may_be_the_attack(holdall, tmp_path):
    magic = pickles.call("builtins", "eval", pickles.unicode("0x1950a86a20f9469cfc6c"))
    rest = [pickle.dumps(1001, 2), pickle.dumps({"little_endian": True}, 2), pickle.dumps({}, 2), pickle.dumps([], 2)]
    (tmp_path / "model.pt").write_bytes(magic + b"".join(rest))
    assert verdict(holdall, tmp_path / "model.pt") == "malicious"


@pytest.mark.parametrize("which", range(5))
def test_every_pickle_of_a_legacy_file_is_judged(holdall, tmp_path, which):
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(2)}, buffer, _use_new_zipfile_serialization=False)
    data, streams = buffer.getvalue(), []
    reader = io.BytesIO(data)
    for _ in range(5):
        start = reader.tell()
        for opcode, _, position in __import__("pickletools").genops(reader):
            pass
        streams.append(data[start:reader.tell()])
    streams[which] = pickles.SYSTEM
    (tmp_path / "model.pt").write_bytes(b"".join(streams) + data[reader.tell():])
    assert verdict(holdall, tmp_path / "model.pt") == "malicious"


def test_numpy_object_arrays_are_judged(holdall, tmp_path):
    class Evil:
        def __reduce__(self):
            return (__import__("os").system, (pickles.COMMAND,))

    array = numpy.empty(1, dtype=object)
    array[0] = Evil()
    numpy.save(tmp_path / "a.npy", array, allow_pickle=True)
    numpy.savez(tmp_path / "a.npz", x=numpy.ones(2), y=array)
    numpy.savez_compressed(tmp_path / "b.npz", x=numpy.ones(2), y=array)
    for name in ("a.npy", "a.npz", "b.npz"):
        assert verdict(holdall, tmp_path / name) == "malicious", name


def test_pickled_arrays_and_torch_tensors_are_inert_and_open(holdall, tmp_path):
    """A tensor in a plain pickle is a torch file in bytes, which torch.load opens without any restriction: it is judged too."""
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"n": numpy.arange(4), "s": numpy.float32(1)}, 4))
    assert verdict(holdall, tmp_path / "a.pkl") == "inert"
    state = {"w": torch.arange(6.0).reshape(2, 3).t(), "p": torch.nn.Parameter(torch.ones(3)), "h": torch.ones(2, dtype=torch.bfloat16)}
    state["big"] = torch.arange(5000, dtype=torch.int16)
    for protocol in range(6):
        (tmp_path / "b.pkl").write_bytes(pickle.dumps(state, protocol))
        assert verdict(holdall, tmp_path / "b.pkl") == "inert"
        torch.save(state, tmp_path / "b.pt")
        pickled = holdall.inspect(tmp_path / "b.pkl").tensors
        assert {name: entry["sha256"] for name, entry in pickled.items()} == {
            name: entry["sha256"] for name, entry in holdall.inspect(tmp_path / "b.pt").tensors.items()
        }


class WithLists(torch.nn.Module):
    """What TorchScript archives name from torch.jit._pickle."""

    def __init__(self):
        super().__init__()
        self.sizes = [1, 2, 3]

    def forward(self, x):
        return x + self.sizes[0]


def test_what_ordinary_files_hold_beside_tensors_is_not_malicious(holdall, tmp_path):
    jagged = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)], layout=torch.jagged)
    torch.save({"n": jagged, "e": ValueError("nan"), "any": __import__("typing").Any}, tmp_path / "a.pt", pickle_protocol=4)
    assert verdict(holdall, tmp_path / "a.pt") == "inert"
    torch.save({"format": torch.channels_last}, tmp_path / "b.pt", pickle_protocol=4)
    assert verdict(holdall, tmp_path / "b.pt") == "inert"
    scaled, pruned = torch.amp.GradScaler("cpu"), torch.nn.Linear(4, 4)
    torch.nn.utils.prune.random_unstructured(pruned, "weight", 2)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(3)))
    normal = torch.distributions.Normal(torch.zeros(1), torch.ones(1))
    plain = [collections.ChainMap({"a": 1}), collections.UserDict(a=1), re.compile("a+"), string.Template("$a"), numpy.poly1d([1, 2])]
    for value in (torch.__version__, scaled, pruned, torch.nn.utils.spectral_norm(torch.nn.Linear(3, 3)), loader, normal, *plain):
        torch.save({"w": torch.ones(2), "value": value}, tmp_path / "o.pt")
        assert verdict(holdall, tmp_path / "o.pt") == "inert", value
    quantized = torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(torch.nn.Linear(3, 4)), {torch.nn.Linear}, dtype=torch.qint8)
    for value in (quantized, torch.nn.LazyLinear(3), operator.itemgetter(1), torch.finfo, functools.partial(operator.itemgetter, 1)):
        torch.save({"w": torch.ones(2), "value": value}, tmp_path / "o.pt")
        assert verdict(holdall, tmp_path / "o.pt") == "code", value
    torch.jit.save(torch.jit.script(WithLists()), tmp_path / "s.pt")
    assert verdict(holdall, tmp_path / "s.pt") == "inert"
    optimizer = torch.optim.SGD([torch.ones(1)], 0.1)
    cyclic, sampler = torch.optim.lr_scheduler.CyclicLR(optimizer, 0.1, 0.2, cycle_momentum=False), torch.utils.data.DistributedSampler([1, 2], 2, 0)
    torch.save({"activation": torch.relu, "init": torch.nn.init.xavier_uniform_, "rate": torch.optim.swa_utils.SWALR(optimizer, 0.05), "cyclic": cyclic, "sampler": sampler}, tmp_path / "c.pt")
    assert verdict(holdall, tmp_path / "c.pt") == "inert"
    (tmp_path / "d.pkl").write_bytes(pickles.call("pandas.api.typing", "DataFrameGroupBy"))
    assert verdict(holdall, tmp_path / "d.pkl") == "code"


def test_a_folder_is_as_bad_as_its_worst_file(holdall, tmp_path):
    folder = tmp_path / "repo"
    (folder / "sub").mkdir(parents=True)
    torch.save({"w": torch.ones(2)}, folder / "good.pt")
    assert verdict(holdall, folder) == "inert"
    (folder / "sub" / "optimizer.bin").write_bytes(pickles.zipped(pickles.SYSTEM))
    assert verdict(holdall, folder) == "malicious"


def test_code_beside_the_weights_is_code(holdall, tmp_path):
    folder = tmp_path / "repo"
    folder.mkdir()
    torch.save({"w": torch.ones(2)}, folder / "pytorch_model.bin")
    (folder / "config.json").write_text('{"model_type": "x", "auto_map": {"AutoModel": "modeling_x.Model"}}')
    (folder / "modeling_x.py").write_text("import os\n")
    assert verdict(holdall, folder) in ("code", "malicious")


def rewritten(data, change):
    """A zip whose bytes were changed after it was made."""
    data = bytearray(data)
    change(data)
    return bytes(data)


def other_local_name(data):
    at = data.index(b"archive/data.pkl")
    data[at:at + 16] = b"archive/dota.pkl"


def encrypted_flag(data):
    data[6] |= 1
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1


def bad_crc(data):
    for mark, offset in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        at = data.index(mark)
        data[at + offset] ^= 0xFF


@pytest.mark.parametrize("change", [other_local_name, encrypted_flag, bad_crc])
@pytest.mark.parametrize("payload", ["BENIGN", "SYSTEM"])
def test_an_archive_read_in_two_ways_is_never_clean(holdall, tmp_path, change, payload):
    (tmp_path / "model.pt").write_bytes(rewritten(pickles.zipped(getattr(pickles, payload)), change))
    assert verdict(holdall, tmp_path / "model.pt") != "inert"
    assert holdall("verify", tmp_path / "model.pt", status=(1, 2))


@pytest.mark.parametrize("extra", [b"junk at the end", pickles.SYSTEM, pickles.zipped(pickles.SYSTEM)])
@pytest.mark.parametrize("before", [True, False])
def test_bytes_around_an_archive_are_never_clean(holdall, tmp_path, extra, before):
    archive = pickles.zipped(pickles.BENIGN)
    (tmp_path / "model.pt").write_bytes(extra + archive if before else archive + extra)
    assert verdict(holdall, tmp_path / "model.pt") != "inert"


def test_a_storage_that_no_tensor_names_is_looked_at(holdall, tmp_path):
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(2), "v": torch.zeros(3)}, buffer)
    for name, content, expected in [("attack", pickles.SYSTEM, "malicious"), ("numbers", bytes(range(64)), "inert")]:
        path = tmp_path / f"{name}.pt"
        path.write_bytes(buffer.getvalue())
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("archive/data/7", content)
        assert verdict(holdall, path) == expected


def test_a_name_twice_in_an_archive_is_never_clean(holdall, tmp_path):
    with pytest.warns(UserWarning):
        data = pickles.zipped(pickles.BENIGN, [("data.pkl", pickles.SYSTEM)])
    (tmp_path / "model.pt").write_bytes(data)
    assert verdict(holdall, tmp_path / "model.pt") != "inert"


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../../evil"])
def test_a_member_outside_of_the_archive_is_never_clean(holdall, tmp_path, name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickles.BENIGN)
        archive.writestr("archive/version", "3\n")
        archive.writestr(name, "x")
    (tmp_path / "model.pt").write_bytes(buffer.getvalue())
    assert verdict(holdall, tmp_path / "model.pt") != "inert"


def test_unknown_archives_are_unreadable(holdall, tmp_path):
    (tmp_path / "model.7z").write_bytes(b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(100))
    assert verdict(holdall, tmp_path / "model.7z") == "unreadable"


def test_several_paths_give_an_array_and_the_worst_status(holdall, tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickles.BENIGN)
    (tmp_path / "b.pkl").write_bytes(pickles.SYSTEM)
    documents = holdall("scan", tmp_path / "a.pkl", tmp_path / "b.pkl", "--json", status=1).json
    assert [document["verdict"] for document in documents] == ["inert", "malicious"]
    assert [document["path"] for document in documents] == [str(tmp_path / "a.pkl"), str(tmp_path / "b.pkl")]


def test_expansion_is_bounded(holdall, tmp_path):
    laughs = pickles.proto(2, b"]" + b"".join(b"q\x00](" + b"h\x00" * 10 + b"e" for _ in range(60)))
    (tmp_path / "laughs.pkl").write_bytes(laughs)
    bomb = gzip.compress(bytes(1 << 30), 9)
    (tmp_path / "bomb.pkl.gz").write_bytes(gzip.compress(bomb, 9))
    for name in ("laughs.pkl", "bomb.pkl.gz"):
        holdall("scan", tmp_path / name, status=None, memory=1 << 30, timeout=60)
        holdall("inspect", tmp_path / name, status=None, memory=1 << 30, timeout=60)


@pytest.mark.parametrize("name", pickles.MALICIOUS)
def test_no_verb_runs_what_a_file_says(holdall, tmp_path, name):
    (tmp_path / "model.pkl").write_bytes(pickles.MALICIOUS[name])
    for verb in (["inspect"], ["verify"], ["convert", tmp_path / "model.pkl", tmp_path / "out.npz"]):
        arguments = verb if len(verb) > 1 else [*verb, tmp_path / "model.pkl"]
        outcome = holdall(*arguments, status=None)
        assert "holdall-was-here" not in outcome.out.replace(pickles.COMMAND, ""), outcome


@pytest.mark.parametrize("name", samples.STATES)
def test_every_state_is_inert_whatever_its_pickle_protocol(holdall, tmp_path, name):
    for protocol in (2, 3, 4, 5):
        torch.save(samples.STATES[name](), tmp_path / "model.pt", pickle_protocol=protocol)
        assert verdict(holdall, tmp_path / "model.pt") == "inert", protocol


@pytest.mark.parametrize("start", [b"\x82\x05\x01", b"\x83\x05\x00\x01", b"\x84\x05\x00\x00\x00\x01"])
def test_raw_bytes_that_begin_like_an_extension_code_are_unreadable_and_no_attack(holdall, tmp_path, start):
    raw = start + bytes(range(1, 200)) * 4
    (tmp_path / "raw.bin").write_bytes(raw)
    assert verdict(holdall, tmp_path / "raw.bin") == "unreadable"
    (tmp_path / "broken.pkl").write_bytes(b"\x80\x02\x82\x05)R\x01")
    assert verdict(holdall, tmp_path / "broken.pkl") == "malicious"


def rebuilt(key, size=b"K\x01\x85", hooks=None):
    """A tensor as torch's pickles spell it; what was made for it alone is forgotten by whoever reads many."""
    storage = pickles.unicode("storage") + pickles.global_("torch", "FloatStorage") + pickles.unicode(key) + pickles.unicode("cpu") + b"K\x01"
    hooks = hooks or pickles.reduce(pickles.global_("collections", "OrderedDict"))
    return pickles.reduce(pickles.global_("torch._utils", "_rebuild_tensor_v2"), b"(" + storage + b"tQ", b"K\x00", size, size, b"\x89", hooks)


def many_tensors(*rest):
    """A list of three tensors, none of which is kept in detail, and what follows them."""
    return pickles.proto(2, b"]", *(rebuilt(str(i)) + b"a" for i in range(3)), *rest)


SHELL = pickles.reduce(pickles.global_("posix", "system"), pickles.unicode(pickles.COMMAND))
AMONG_TENSORS = {
    "behind": (SHELL, b"a"),
    "as_hooks": (rebuilt("3", hooks=SHELL), b"a"),
    "as_size": (rebuilt("3", size=SHELL), b"a"),
    "dropped_within": (rebuilt("3", hooks=SHELL + b"0N"), b"a"),
    "by_the_memo": (rebuilt("3", size=pickles.unicode(pickles.COMMAND) + b"\x85q\x090K\x01\x85"), b"a",
                    pickles.global_("posix", "system"), b"h\x09Ra"),
    "on_a_tensor": (rebuilt("3"), SHELL, b"ba"),
    "of_a_tensor": (rebuilt("3"), b")Ra"),
    "as_its_storage": (pickles.reduce(pickles.global_("torch._utils", "_rebuild_tensor_v2"),
                                      pickles.reduce(pickles.global_("torch.storage", "_load_from_bytes"),
                                                     pickles.bytes_(pickles.call("posix", "system", pickles.unicode(pickles.COMMAND)))),
                                      b"K\x00", b"K\x01\x85", b"K\x01\x85", b"\x89", b"}"), b"a"),
}


@pytest.mark.parametrize("name", AMONG_TENSORS)
def test_an_attack_among_many_tensors_is_malicious(holdall, tmp_path, name):
    storages = [(f"data/{i}", bytes(4)) for i in range(4)]
    (tmp_path / "model.pt").write_bytes(pickles.zipped(many_tensors(*AMONG_TENSORS[name]), storages))
    assert verdict(holdall, tmp_path / "model.pt") == "malicious"


def test_tensors_may_share_what_they_are_made_of(holdall, tmp_path):
    """No pickler of torch does it: the size of one tensor is fetched from the memo for another."""
    storages = [(f"data/{i}", bytes(4)) for i in range(5)]
    pickled = many_tensors(rebuilt("3", size=b"K\x01\x85q\x09"), b"a", rebuilt("4", size=b"h\x09"), b"a")
    (tmp_path / "model.pt").write_bytes(pickles.zipped(pickled, storages))
    assert verdict(holdall, tmp_path / "model.pt") == "inert"
    assert [tensor["shape"] for tensor in holdall("inspect", tmp_path / "model.pt", "--json").json["tensors"]] == [[1]] * 5


def joblib_array(module, data, behind):
    """A pickle of joblib with an array of bytes in it, the name of whose wrapper's module is spelled as `module`."""
    dtype = pickles.reduce(pickles.global_("numpy", "dtype"), pickles.unicode("u1"), b"\x89", b"\x88")
    dtype += b"(K\x03" + pickles.unicode("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    state = {"subclass": pickles.global_("numpy", "ndarray"), "shape": b"K" + bytes([len(data)]) + b"\x85", "order": pickles.unicode("C"),
             "dtype": dtype, "allow_mmap": b"\x88", "numpy_array_alignment_bytes": b"N"}
    items = b"".join(pickles.unicode(name) + value for name, value in state.items())
    return pickles.proto(4, b"V" + module + b"\nVNumpyArrayWrapper\n\x93)\x81}(" + items + b"ub" + data + behind)


@pytest.mark.parametrize("module", [b"joblib.numpy_pickle", b"joblib.numpy_pick\\u006ce"])
def test_an_array_that_hides_what_joblib_runs_behind_it_is_malicious(holdall, tmp_path, module):
    """A reader that does not know the wrapper takes the array, and the attack behind it, for a text."""
    attack = pickles.reduce(pickles.global_("os", "system"), pickles.unicode(f"touch {tmp_path}/fired")) + b"0"
    path = tmp_path / "model.joblib"
    path.write_bytes(joblib_array(module, b"X" + struct.pack("<I", 3 + len(attack)) + b"abc", attack))
    joblib.load(path)
    assert (tmp_path / "fired").exists()
    assert verdict(holdall, path) == "malicious"

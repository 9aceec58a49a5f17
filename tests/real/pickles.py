"""Pickles written by hand, opcode by opcode: what an attacker would send. Nothing here is ever loaded by a test."""

import io
import pickle
import struct
import zipfile

# One call of a shell, in every spelling of a call that the pickle machine has.
COMMAND = "echo holdall-was-here"


def proto(version, *parts):
    return b"\x80" + bytes([version]) + b"".join(parts) + b"."


def unicode(text):
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def short(text):
    data = text.encode()
    return b"\x8c" + bytes([len(data)]) + data


def global_(module, name):
    return f"c{module}\n{name}\n".encode()


def stack_global(module, name):
    return short(module) + short(name) + b"\x93"


def reduce(function, *arguments):
    return function + b"(" + b"".join(arguments) + b"tR"


def call(module, name, *arguments):
    return proto(2, reduce(global_(module, name), *arguments))


def zipped(pickled, members=(), folder="archive", **options):
    """A .pt archive around a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        archive.writestr(f"{folder}/data.pkl", pickled)
        archive.writestr(f"{folder}/version", "3\n")
        for name, data in members:
            archive.writestr(f"{folder}/{name}", data)
    return buffer.getvalue()


def bytes_(data):
    return b"B" + struct.pack("<I", len(data)) + data


def latin1(data):
    """Bytes as protocols 0 to 2 spell them."""
    return reduce(global_("_codecs", "encode"), unicode(data.decode("latin1")), unicode("latin1"))


def load_from_bytes(data, spell=bytes_, version=3):
    return proto(version, reduce(global_("torch.storage", "_load_from_bytes"), spell(data)))


def legacy(pickled):
    """What torch.save(object, _use_new_zipfile_serialization=False) writes for an object without tensors."""
    return b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {})) + pickled + pickle.dumps([], 2)


def global_object(module, name):
    return global_(module, name) + b")R"


# An argument that comes back as it is, in two ways; whose slots a BUILD then sets.
def given_back(value):
    identity = global_object("torch.nn.modules.linear", "Identity")
    return reduce(global_("torch._tensor", "_rebuild_from_type"), identity, global_("torch", "Tensor"), b"(" + value + b"t", b"}")


def object_scalar(value):
    return reduce(global_("numpy._core.multiarray", "scalar"), reduce(global_("numpy", "dtype"), unicode("O")), value)


def changed(value):
    return proto(2, value + b"N}" + unicode("PWNED") + unicode("yes") + b"s\x86b0}")


NAMESPACE = global_("argparse", "Namespace")
POSIX_PATH = global_("pathlib", "PosixPath")
SYSTEM = call("os", "system", unicode(COMMAND))
# The same without a mark and an end, to be put behind something else.
BODY = SYSTEM[2:-1]
BENIGN = pickle.dumps({"a": [1, 2.5, "x"]}, 2)

# Each must be `malicious`.
MALICIOUS = {
    "reduce": SYSTEM,
    "reduce_posix": call("posix", "system", unicode(COMMAND)),
    "reduce_nt": call("nt", "system", unicode(COMMAND)),
    "protocol0": f"cos\nsystem\n(S'{COMMAND}'\ntR.".encode(),
    "protocol1_without_magic": global_("os", "system") + b"(U\x02hitR.",
    "stack_global": proto(4, reduce(stack_global("os", "system"), short(COMMAND))),
    "inst": f"(S'{COMMAND}'\nios\nsystem\n.".encode(),
    "inst_then_pop": f"(S'{COMMAND}'\nios\nsystem\n0N.".encode(),
    "obj": proto(2, b"(" + global_("os", "system") + unicode(COMMAND) + b"o"),
    "obj_then_pop": proto(2, b"(" + global_("os", "system") + unicode(COMMAND) + b"o0N"),
    "newobj": proto(2, global_("subprocess", "Popen") + unicode(COMMAND) + b"\x85\x81"),
    "newobj_then_pop": proto(2, global_("subprocess", "Popen") + unicode(COMMAND) + b"\x85\x810N"),
    "newobj_ex": proto(4, global_("subprocess", "Popen") + short(COMMAND) + b"\x85}\x92"),
    "reduce_then_pop": proto(2, reduce(global_("os", "system"), unicode(COMMAND)) + b"0" + unicode("weights")),
    "pop_mark": proto(2, b"(" + reduce(global_("os", "system"), unicode(COMMAND)) + b"1N"),
    "computed_module": proto(4, unicode("so") + b"\x94" + reduce(stack_global("builtins", "str"), short("os")) + short("system") + b"\x93" + short(COMMAND) + b"\x85R"),
    "names_from_the_memo": proto(4, short("os") + b"\x94" + b"0" + short("system") + b"\x94" + b"0" + b"h\x00h\x01\x93" + short(COMMAND) + b"\x85R"),
    "memo_overwritten": proto(2, unicode("collections") + b"q\x000" + unicode("os") + b"q\x000" + b"h\x00" + unicode("system") + b"\x93" + unicode(COMMAND) + b"\x85R"),
    "dotted_name": proto(4, reduce(stack_global("pathlib", "os.system"), short(COMMAND))),
    "dotted_name_of_an_allowed_module": proto(4, reduce(stack_global("collections", "OrderedDict.fromkeys.__globals__"), short("a"))),
    "string_opcode_into_stack_global": proto(4, b"S'os'\nS'system'\n\x93" + short(COMMAND) + b"\x85R"),
    "builtins_eval": call("builtins", "eval", unicode("1")),
    "dunder_builtin_eval": call("__builtin__", "eval", unicode("1")),
    "exec": call("builtins", "exec", unicode("1")),
    "getattr_chain": call("builtins", "getattr", global_("os", "path"), unicode("os")),
    "import": call("builtins", "__import__", unicode("os")),
    "operator_attrgetter": call("operator", "attrgetter", unicode("system")),
    "functools_partial": call("functools", "partial", global_("os", "system"), unicode(COMMAND)),
    "runpy": call("runpy", "_run_code", unicode("x")),
    "pty": call("pty", "spawn", unicode(COMMAND)),
    "webbrowser": call("webbrowser", "open", unicode("x")),
    "timeit": call("timeit", "timeit", unicode("x")),
    "cprofile": call("cProfile", "run", unicode("x")),
    "pkgutil_resolve_name": call("pkgutil", "resolve_name", unicode("os:system")),
    "pydoc_locate": call("pydoc", "locate", unicode("os.system")),
    "uuid_command": call("uuid", "_get_command_stdout", unicode("x")),
    "imaplib_stream": call("imaplib", "IMAP4_stream", unicode(COMMAND)),
    "asyncio_internals": call("asyncio.unix_events", "_UnixSubprocessTransport._start", unicode("x")),
    "ctypes": call("ctypes", "CDLL", unicode("x")),
    "code_interpreter": call("code", "InteractiveInterpreter.runcode", unicode("x")),
    "marshal": call("marshal", "loads", b"C\x01x"),
    "types_function": call("types", "FunctionType", unicode("x")),
    "socket": call("socket", "create_connection", unicode("x")),
    "shutil": call("shutil", "rmtree", unicode("x")),
    "numpy_f2py": call("numpy.f2py.crackfortran", "_eval_length", unicode("x")),
    "numpy_runstring": call("numpy.testing._private.utils", "runstring", unicode("x")),
    "torch_hub": call("torch.hub", "load", unicode("x")),
    "torch_compile_file": call("torch._inductor.codecache", "compile_file", unicode("x")),
    "torch_bottleneck": call("torch.utils.bottleneck.__main__", "run_cprofile", unicode("x")),
    "sys_modules": proto(2, global_("sys", "modules") + unicode("os") + b"Ns"),
    "set_item_on_an_import": proto(2, global_("os", "environ") + unicode("PATH") + unicode("x") + b"s"),
    "build_on_an_import": proto(2, global_("os", "path") + b"}" + unicode("join") + b"Nsb"),
    "append_on_an_import": proto(2, global_("sys", "path") + unicode("evil") + b"a"),
    "nested_pickle_loads": call("pickle", "loads", b"C" + bytes([len(SYSTEM)]) + SYSTEM),
    "pandas_read_pickle": call("pandas.io.pickle", "read_pickle", unicode("x")),
    "broken_after_the_payload": SYSTEM[:-1] + b"\xff\xff\xff",
    "truncated_after_the_payload": SYSTEM[:-1],
    "second_pickle": BENIGN + SYSTEM,
    "unlisted_import_unused": proto(2, global_("subprocess", "call") + b"0N"),
    # A torch file in the bytes of a pickle, which torch.load opens without any restriction.
    "nested_pickle": load_from_bytes(SYSTEM),
    "nested_protocol0": load_from_bytes(f"cos\nsystem\n(S'{COMMAND}'\ntR.".encode()),
    "nested_legacy_file": load_from_bytes(legacy(SYSTEM)),
    "nested_archive": load_from_bytes(zipped(SYSTEM)),
    "nested_twice": load_from_bytes(legacy(load_from_bytes(legacy(SYSTEM)))),
    "nested_in_text": load_from_bytes(legacy(SYSTEM), latin1, 2),
    "nested_behind_an_inert_one": proto(3, load_from_bytes(legacy(BENIGN))[2:-1] + b"0" + load_from_bytes(legacy(SYSTEM))[2:-1]),
    "nested_then_pop": proto(3, load_from_bytes(legacy(SYSTEM))[2:-1] + b"0N"),
    "nested_second_pickle": load_from_bytes(BENIGN + SYSTEM),
    "nested_computed_bytes": proto(2, reduce(global_("torch.storage", "_load_from_bytes"), reduce(global_("collections", "Counter")))),
    "numpy_load": call("numpy", "load", unicode("x"), b"N\x88"),
    # Python goes on where a reader with limits, or without lists that are assigned to, does not.
    "behind_an_assignment_to_a_list": proto(2, b"]Na" + b"K\x00Ns0" + BODY),
    "behind_many_marks": proto(2, b"(" * 5000 + BODY),
    "behind_deep_lists": proto(2, b"](" * 5000 + b"N" + b"e" * 5000 + b"0" + BODY),
    "behind_a_long_integer": proto(2, b"\x8b" + struct.pack("<i", 20_000) + b"\x01" * 20_000 + b"0" + BODY),
    # Behind what is no pickle, and around it.
    "behind_rubbish": b"\x00\xff rubbish" + SYSTEM,
    "behind_rubbish_protocol0": b"\x00\xff rubbish" + f"cos\nsystem\n(S'{COMMAND}'\ntR.".encode(),
    "behind_rubbish_inst": b"\x00\xff rubbish" + f"(S'{COMMAND}'\nios\nsystem\n.".encode(),
    "behind_rubbish_stack_global": b"\x00\xff rubbish" + reduce(stack_global("os", "system"), short(COMMAND)) + b".",
    "second_pickle_after_rubbish": BENIGN + b"\x00" * 7 + SYSTEM,
    "third_pickle": BENIGN + BENIGN + SYSTEM,
    "second_pickle_broken": BENIGN + SYSTEM[:-1],
    "memo_key_missing_after_the_payload": SYSTEM[:-1] + b"h\x63.",
    "stack_underflow_after_the_payload": SYSTEM[:-1] + b"000.",
    "raise_after_the_payload": SYSTEM[:-1] + b"cno.such.module\nx\n.",
    "frame_past_the_end": b"\x80\x04\x95" + struct.pack("<Q", 1 << 40) + reduce(stack_global("os", "system"), short("x")) + b".",
    "straddling_frame": b"\x80\x04\x95\x04\x00\x00\x00\x00\x00\x00\x00\x8c\x20" + b"a" * 4 + reduce(stack_global("os", "system"), short("x")) + b".",
    "extension_code": proto(2, b"\x82\x01" + b")R"),
    "extension_code_2": proto(2, b"\x83\x01\x00" + b")R"),
    "extension_code_4": proto(2, b"\x84\x01\x00\x00\x00" + b")R"),
    "submodule_of_a_blocked_module": call("asyncio.base_events", "x", unicode("x")),
    "python2_names": call("commands", "getoutput", unicode(COMMAND)),
    "dotted_name_of_a_stranger": proto(4, reduce(stack_global("stranger", "os.system"), short(COMMAND))),
    "keywords_of_newobj_ex": proto(4, global_("subprocess", "Popen") + b")}" + short("args") + short(COMMAND) + b"s\x92"),
    "build_calls_setstate": proto(2, global_("pathlib", "PurePath") + b")R}" + unicode("x") + BODY + b"sb"),
    "persistent_id_call": proto(2, reduce(global_("os", "system"), unicode(COMMAND)) + b"Q"),
}

# Names that are all inert, called with what they would call, copy or give back.
MALICIOUS |= {
    "import_given_back_and_changed": changed(given_back(NAMESPACE)),
    "import_in_a_scalar_and_changed": changed(object_scalar(NAMESPACE)),
    "import_called_by_a_rebuild_function": call("torch._tensor", "_rebuild_from_type_v2", POSIX_PATH, global_("torch", "Tensor"), b"(" + unicode("/") + b"t", b"}"),
    "import_wrapped": call("torch.nn.cpp", "ModuleWrapper", POSIX_PATH),
    "import_as_text_of_an_uuid": call("uuid", "UUID", POSIX_PATH),
    "object_copied": call("torch.optim.swa_utils", "AveragedModel", NAMESPACE + b")R}" + unicode("__deepcopy__") + POSIX_PATH + b"sb"),
    "setstate_of_its_own": proto(2, NAMESPACE + b")R}" + unicode("__setstate__") + POSIX_PATH + b"sb" + unicode("/") + b"b"),
    "append_of_its_own": proto(2, NAMESPACE + b")R}" + unicode("append") + POSIX_PATH + b"sb" + unicode("/") + b"a"),
    "type_of_an_object_and_changed": changed(reduce(global_("builtins", "type"), global_object("torch.nn.modules.linear", "Identity"))),
    "type_of_an_import": call("builtins", "type", NAMESPACE),
    "type_makes_a_class": call("builtins", "type", unicode("X"), NAMESPACE + b"\x85", b"}"),
    "type_by_newobj": proto(2, global_("builtins", "type") + global_object("argparse", "Namespace") + b"\x85\x81"),
    "type_by_copyreg": call("copyreg", "_reconstructor", global_("builtins", "type"), global_("builtins", "type"), unicode("x")),
    "type_as_a_factory": call("collections", "defaultdict", global_("builtins", "type")),
    "argument_taken_out_again": proto(2, reduce(global_("uuid", "UUID"), b"}q\x00" + unicode("x") + POSIX_PATH + b"s") + b"0h\x00" + unicode("x") + b"Ns"),
}

# Not clean, with any verdict but inert.
SUSPICIOUS = {
    "nested_rubbish": load_from_bytes(b"rubbish"),
    "nested_broken_file": load_from_bytes(legacy(BENIGN)[:-1]),
    "nested_loader_passed_on": proto(3, load_from_bytes(legacy(BENIGN))[2:-1] + global_("torch.storage", "_load_from_bytes") + b"\x86"),
    "nested_loader_only_imported": proto(3, global_("torch.storage", "_load_from_bytes")),
    "scanner_import": call("picklescan.scanner", "scan_pickle_bytes", unicode("x")),
    "third_party_call": call("pip", "main", unicode("x")),
    "unknown_class": call("my_project.models", "Net"),
    "unknown_class_protocol4": proto(4, stack_global("my_project.models", "Net") + b")\x81}" + short("a") + b"Nsb"),
    "memo_key_missing": proto(2, b"h\x05"),
    "stack_underflow": proto(2, b"R"),
    "unknown_opcode": proto(2, b"\xfe"),
}

# The words of an attack in harmless places: must be `inert`.
INERT = {
    "plain": BENIGN,
    "words": pickle.dumps({"vocabulary": ["os.system", "cos\nsystem\n(S'x'\ntR.", "eval(", "__import__", "posix"], "code": "exec('x')"}, 2),
    "bytes_of_a_pickle": pickle.dumps({"blob": "x"}, 4),
    "ordered": pickle.dumps(__import__("collections").OrderedDict(a=1), 2),
    "protocol0": pickle.dumps({"a": (1, 2)}, 0),
    "protocol5": pickle.dumps({"a": [1], "b": b"x" * 70_000}, 5),
    "set": pickle.dumps({1, 2}, 4),
    "classes_of_constants": pickle.dumps([type(None), type(...), type(NotImplemented)], 2),
    "classes_of_constants_protocol4": pickle.dumps([type(None), type(...), type(NotImplemented)], 4),
    "nested_file": load_from_bytes(legacy(BENIGN)),
    "nested_file_in_text": load_from_bytes(legacy(BENIGN), latin1, 2),
    "nested_file_twice": proto(3, load_from_bytes(legacy(BENIGN))[2:-1] + b"0" + load_from_bytes(legacy(BENIGN))[2:-1]),
    "recursive": pickle.dumps((lambda x: (x.append(x), x)[1])([]), 2),
}

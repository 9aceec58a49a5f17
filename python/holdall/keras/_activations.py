"""What Keras 3 computes otherwise than the Keras that wrote a file: functions under names of their own, registered, so that files of them load."""

from __future__ import annotations

from typing import Any

import keras

#: In a config, what stands for each.
HARD_SIGMOID = {"module": "builtins", "class_name": "function", "config": "holdall>hard_sigmoid", "registered_name": "holdall>hard_sigmoid"}


@keras.saving.register_keras_serializable("holdall")  # type: ignore[untyped-decorator]
def hard_sigmoid(x: Any) -> Any:
    """Of Keras 1 and 2: 0.2 x + 0.5 between 0 and 1. Keras 3's is x / 6 + 0.5."""
    return keras.ops.clip(x * 0.2 + 0.5, 0.0, 1.0)

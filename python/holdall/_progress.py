"""Progress: a callable told (done, total), or a tqdm bar on a terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


Callback = Callable[[int, int], object]


@contextlib.contextmanager
def reporting(progress: bool | Callback | None, what: str, unit: str = "B") -> Iterator[Callback | None]:
    """Yields the callable to give to the native module, or None.

    `progress`: None shows a bar where standard error is a terminal and tqdm is installed; True wants one; False wants none; a
    callable is told itself.
    """
    if callable(progress):
        yield progress
        return
    if progress is False or (progress is None and not sys.stderr.isatty()):
        yield None
        return
    try:
        import tqdm.auto
    except ImportError:
        if progress:
            raise
        yield None
        return
    with tqdm.auto.tqdm(desc=what, unit=unit, unit_scale=unit == "B", leave=False, delay=0.5) as bar:

        def tell(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield tell

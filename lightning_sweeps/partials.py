"""Hydra's partials, as ``_partial_: true`` makes them, for libraries that pickle what they are given."""

import copyreg
import functools
from typing import Any


def let_partials_be_pickled() -> None:
    """Let them be pickled, as the ``functools.partial`` that they stand for.

    Since 1.4 Hydra refuses that, so Lightning drops an optimizer that a module was given as a partial from its
    hyperparameters, and modules of many templates fail in ``configure_optimizers``. What a partial calls was checked
    when Hydra made it; what is unpickled is not checked a second time. Hydra before 1.4 has plain partials.
    """
    try:
        from hydra._internal.execution_policy import _DeferredTarget
    except ImportError:
        return
    copyreg.pickle(_DeferredTarget, _as_plain)


def _as_plain(deferred: Any) -> tuple[Any, ...]:
    plain = functools.partial(deferred.func, *deferred.args, **deferred.keywords)
    return plain.__reduce__()  # type: ignore[return-value]

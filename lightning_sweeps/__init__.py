"""Hyperparameter sweeps for PyTorch Lightning, composed with Hydra and searched with Optuna.

A person's own package starts from here::

    from lightning_sweeps import main

    main(conf=Path(__file__).parent / "conf", trust=["own_package"])

Importing this package imports neither torch nor lightning.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["main"]


def main(conf: str | Path | None = None, trust: Iterable[str] = ()) -> None:
    """Run the command line ``sys.argv``: one run, or several under ``-m``; leaves with ``sys.exit`` where it failed.

    Args:
        conf: a folder of the caller's own config groups. It is searched before the ones that ship with this package,
            so it may add options, replace them, and have a ``config.yaml`` of its own.
        trust: packages whose code a config may name in ``_target_``.
    """
    try:
        # Here, so that Ctrl-C during the imports is nothing worse than later.
        from lightning_sweeps.app import start

        start(conf, trust)
    except KeyboardInterrupt:
        sys.exit(130)

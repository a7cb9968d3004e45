"""Hyperparameter sweeps for PyTorch Lightning, composed with Hydra and searched with Optuna.

A person's own package starts from here::

    from lightning_sweeps import main

    main(conf=Path(__file__).parent / "conf", trust=["own_package"])

Importing this package imports neither torch nor lightning.
"""

from lightning_sweeps.app import main

__all__ = ["main"]

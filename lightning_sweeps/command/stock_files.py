"""Config files of the stock Optuna sweeper, in which ``override /hydra/sweeper: study`` stands for ``optuna``."""

from typing import Any

from hydra_plugins.hydra_optuna_sweeper.optuna_sweeper import OptunaSweeper


def read_their_target_as(sweeper: type) -> None:
    """Let a ``_target_`` of the stock sweeper in such a file mean this sweeper.

    Hydra makes the sweeper by its ``_target_`` alone. Only options of this one have a pruner.
    """

    def new(cls: type, **options: Any) -> Any:
        return sweeper(**options) if "pruner" in options else object.__new__(cls)

    OptunaSweeper.__new__ = new  # type: ignore[method-assign]

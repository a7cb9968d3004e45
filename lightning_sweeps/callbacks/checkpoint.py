"""Lightning's ModelCheckpoint, cheaper per step."""

from functools import cached_property
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint

from lightning_sweeps.callbacks.quiet import QuietCallback
from lightning_sweeps.errors import ConfigError


class EpochCheckpoint(QuietCallback, ModelCheckpoint):  # type: ignore[misc]
    """``ModelCheckpoint`` for whole epochs: it saves after an epoch or a validation, not every so many steps.

    ``lightning.pytorch.callbacks.ModelCheckpoint`` does those, and may be named in its place.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if self._every_n_train_steps or self._train_time_interval is not None:
            raise ConfigError(
                "EpochCheckpoint saves after epochs only: for every_n_train_steps or train_time_interval set "
                "callbacks.<name>._target_=lightning.pytorch.callbacks.ModelCheckpoint"
            )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # A run that goes on from another run's checkpoint, in a folder of its own, has a best epoch of its own.
        if state_dict.get("dirpath") == self.dirpath:
            super().load_state_dict(state_dict)

    # Lightning asks for it at every hook; making it takes longer than most hooks.
    @cached_property
    def state_key(self) -> str:
        return self._generate_state_key(
            monitor=self.monitor,
            mode=self.mode,
            every_n_train_steps=self._every_n_train_steps,
            every_n_epochs=self._every_n_epochs,
            train_time_interval=self._train_time_interval,
        )

"""What ends a search."""

import math
from dataclasses import dataclass

from lightning_sweeps.errors import ConfigError


@dataclass(frozen=True)
class Budget:
    """Trials count over the whole study, seconds from this start.

    Raises:
        ConfigError: a number that cannot be.
    """

    n_trials: int
    timeout: float | None = None
    trial_timeout: float | None = None
    stop_timeout: float = 120.0
    target: float | None = None
    patience: int | None = None
    max_failure_rate: float = 0.5
    max_retries: int = 0

    def __post_init__(self) -> None:
        least = {"n_trials": 1, "patience": 1, "max_retries": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ConfigError(f"hydra.sweeper.{name}={value}: it is a whole number, at least {low}")
        if self.target is not None and math.isnan(self.target):
            raise ConfigError(f"hydra.sweeper.target={self.target}: it is the value at which the search may end")
        if not 0 <= self.max_failure_rate <= 1:
            raise ConfigError(f"hydra.sweeper.max_failure_rate={self.max_failure_rate}: it is from 0 to 1")

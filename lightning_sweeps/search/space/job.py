"""A trial, composed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from optuna.trial import Trial


@dataclass
class Job:
    """One trial, composed and ready to run."""

    trial: Trial
    params: dict[str, Any]
    overrides: list[str]
    folder: Path
    restarted: bool
    config: Any

    @property
    def overrides_again(self) -> list[str]:
        """What to type for the same config in a single run, which has no number by itself."""
        config: Any = OmegaConf.to_container(self.config, resolve=False)
        named = "${hydra:job." in str({key: value for key, value in config.items() if key != "hydra"})
        number = self.trial.number
        return [*self.overrides, *([f"hydra.job.num={number}", f"hydra.job.id='{number}'"] if named else [])]

"""A trial's overrides, for a process that composes the config itself, because the config does not pickle."""

from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, open_dict, read_write

from lightning_sweeps.safety.passwords import hide_passwords
from lightning_sweeps.searches.execute.program import Program


@dataclass(frozen=True)
class Uncomposed:
    """What a trial's config is composed from, in plain values."""

    number: int
    overrides: list[str]
    sweep_dir: str
    subdir: str

    def compose(self, program: Program) -> DictConfig:
        """Compose the config, in a process that has the program."""
        config: Any = program.hydra_context.config_loader.load_sweep_config(program.config, self.overrides)
        hide_passwords(config)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.job.id, config.hydra.job.num = str(self.number), self.number
            config.hydra.sweep.dir, config.hydra.sweep.subdir = self.sweep_dir, self.subdir
        return config  # type: ignore[no-any-return]

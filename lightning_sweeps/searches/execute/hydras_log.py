"""The search's own lines, logged as Hydra's configs say."""

from typing import Any

from hydra.core.utils import configure_log
from omegaconf import DictConfig


def log_as_hydra(config: DictConfig, hydra_context: Any) -> None:
    hydra = config.hydra
    configure_log(hydra.hydra_logging, hydra.verbose, execution_whitelist=hydra_context.execution_whitelist)

"""The folder of a run, made before Hydra writes into it."""

import os
import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from lightning_sweeps.errors import FolderError
from lightning_sweeps.files.folders import claim, require_inside
from lightning_sweeps.safety.passwords import hide_passwords


class ClaimRunFolder(Callback):
    """Hydra callback: makes ``hydra.run.dir`` this run's own before Hydra writes the first file, without passwords."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        hide_passwords(config)
        try:
            require_inside(config.hydra.output_subdir)
        except FolderError as error:
            sys.exit(f"error: {error}")  # Hydra swallows whatever else a callback raises
        # Processes that Lightning starts for DDP share the folder of the one that started them.
        if "LOCAL_RANK" in os.environ or not config.hydra.run.dir:
            return
        try:
            folder = claim(Path(config.hydra.run.dir))
        except FolderError:
            return  # Hydra swallows what a callback raises; its own mkdir fails next, for the same reason
        with read_write(config), open_dict(config):
            OmegaConf.update(config, "hydra.run.dir", str(folder))

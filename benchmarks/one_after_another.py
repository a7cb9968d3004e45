"""One run after another in one process.

``python one_after_another.py COUNT OVERRIDES`` prints the seconds that each but the first takes from its start to its
first step and from its last step to its end.
"""

import json
import sys
import time
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict, read_write

from lightning_sweeps.command.app import register_resolvers
from lightning_sweeps.overrides.groups import CONF
from lightning_sweeps.runs.train import run
from lightning_sweeps.safety import trust


def main(count: int, overrides: list[str]) -> None:
    """Run and measure."""
    register_resolvers([CONF])
    trust.trust([])
    seconds = []
    for number in range(count):
        folder = Path("one_after_another") / str(number)
        folder.mkdir(parents=True)
        with initialize_config_dir(str(CONF)):
            config = compose("config", [*overrides, f"seed={number}"], return_hydra_config=True)
        with read_write(config), open_dict(config):
            config.hydra.runtime.output_dir = str(folder)
            config.hydra.job.num, config.hydra.job.id = number, str(number)
        HydraConfig.instance().set_config(config)
        with read_write(config), open_dict(config):
            del config["hydra"]
        started = time.time()
        run(config)
        ended = time.time()
        first, last = map(float, (folder / "stamps").read_text().split())
        seconds.append((first - started) + (ended - last))
    sys.stdout.write(json.dumps(seconds[1:]) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

"""Lightning's ``CSVLogger``."""

from collections.abc import Mapping
from typing import Any

from lightning_sweeps.trackers.contract import About, Plain, Tracker


class CSVFiles(Tracker):
    """It refuses a folder that has a table, so a trial that goes on gets one of its own."""

    shows_pictures = False

    def overruled(self, node: Mapping[str, Any], about: About) -> dict[str, Any]:
        return {} if about.from_step is None else {"version": f"from_step_{about.from_step}"}

    def begin(self, logger: Any, about: About, hyperparameters: Mapping[str, Plain]) -> None:
        pass

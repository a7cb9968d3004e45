"""What a supervisor notes of a trial beside its value, as the trial's attributes."""

import json
import os
import time

from lightning_sweeps.search.execute.running import Running
from lightning_sweeps.search.space.job import Job


def note_seconds(slot: Running) -> None:
    """A trial that was interrupted has worked in several processes."""
    trial = slot.job.trial
    earlier = float(trial.user_attrs.get("seconds", 0.0))
    trial.set_user_attr("seconds", round(earlier + time.monotonic() - slot.started, 3))
    if slot.outcome is None or slot.outcome.how == "interrupted":
        trial.set_user_attr("process", {"slot": slot.slot, "begun": None})  # all is counted


def note_lost_seconds(job: Job) -> None:
    """Nobody counted where the supervisor was killed too: then the trial worked until it last wrote something."""
    begun = job.trial.user_attrs.get("process", {}).get("begun")
    if begun is not None and job.folder.is_dir():
        wrote = max((file.stat().st_mtime for file in job.folder.rglob("*")), default=begun)
        earlier = float(job.trial.user_attrs.get("seconds", 0.0))
        job.trial.set_user_attr("seconds", round(earlier + max(0.0, wrote - begun), 3))


def note_result(job: Job) -> None:
    """What a Lightning run notes of itself, as attributes of its trial."""
    try:
        result = json.loads((job.folder / "result.json").read_text())
        noted = {name: result[name] for name in ("epochs", "seed") if result[name] is not None}
        noted |= {name: value for name, value in result["metrics"].items() if name.startswith("test/")}
        if result["best_checkpoint"]:
            noted["checkpoint"] = os.path.abspath(result["best_checkpoint"])  # noqa: PTH100
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # none, or another program's
    for name, value in noted.items():
        job.trial.set_user_attr(name, value)

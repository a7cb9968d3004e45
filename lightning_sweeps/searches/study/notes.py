"""What a supervisor notes of a trial beside its value, as the trial's attributes."""

import json
from pathlib import Path

from optuna.trial import Trial


def note_seconds(trial: Trial, seconds: float, *, interrupted: bool = False) -> None:
    """Add to the time that the trial has worked: one that was interrupted has worked in several processes."""
    noted = trial.user_attrs
    trial.set_user_attr("seconds", round(float(noted.get("seconds", 0.0)) + seconds, 3))
    if interrupted:
        trial.set_user_attr("process", {**noted.get("process", {}), "begun": None})  # every second is counted


def note_lost_seconds(trial: Trial, folder: Path) -> None:
    """Nobody counted if the supervisor was killed too: then the trial worked until it last wrote something."""
    begun = trial.user_attrs.get("process", {}).get("begun")
    if begun is not None and folder.is_dir():
        wrote = max((file.stat().st_mtime for file in folder.rglob("*")), default=begun)
        earlier = float(trial.user_attrs.get("seconds", 0.0))
        trial.set_user_attr("seconds", round(earlier + max(0.0, wrote - begun), 3))


def note_result(trial: Trial, folder: Path) -> None:
    """What a Lightning run notes of itself, as attributes of its trial."""
    try:
        result = json.loads((folder / "result.json").read_text())
        noted = {name: result[name] for name in ("epochs", "seed") if result[name] is not None}
        noted |= {name: value for name, value in result["metrics"].items() if name.startswith("test/")}
        if result["best_checkpoint"]:
            noted["checkpoint"] = str(folder.absolute() / result["best_checkpoint"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # there is none, or another program wrote it
    for name, value in noted.items():
        trial.set_user_attr(name, value)


def noted_numbers(folder: Path) -> dict[str, float]:
    """Every number that a run notes of itself: its metrics, costs and objectives; empty for programs that note none."""
    try:
        result = json.loads((folder / "result.json").read_text())
        found = {**result["metrics"], **result["costs"], "parameters": result["parameters"], **result["also"]}
        found[result["objective_metric"]] = result["objective"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {str(name): float(value) for name, value in found.items() if isinstance(value, int | float)}

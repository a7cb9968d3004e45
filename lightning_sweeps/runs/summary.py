"""What the user reads before and after a run."""

import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

from lightning_sweeps.overrides.command_line import from_here
from lightning_sweeps.runs.hyperparameters import GROUPS
from lightning_sweeps.runs.result import Result

_TRAINER = ("accelerator", "devices", "strategy", "precision", "max_epochs", "max_steps", "max_time", "fast_dev_run")


def composed(config: Mapping[str, Any], choices: Mapping[str, Any], folder: Any, parameters: int | None) -> str:
    """The composed run as a short tree: a line per group, with the option's values."""
    lines = []
    for group in (*GROUPS, "trainer"):
        node = config.get(group) or {}
        if group == "trainer":
            node = {key: node[key] for key in _TRAINER if key in node and node[key] not in (None, -1, False)}
        values = "  ".join(f"{key}={value}" for key, value in _leaves(node))
        if group == "model":
            values += f"  ({'not known yet' if parameters is None else f'{parameters:,} parameters'})"
        name = choices.get(group) or str(node.get("_target_", "none")).rpartition(".")[2]
        lines.append(f"{group:<11} {name:<14}  {values}".rstrip())
    lines += [f"{group:<11} {', '.join(config.get(group) or {}) or 'none'}" for group in ("callbacks", "logger")]
    objective = config.get("objective") or {}
    if objective.get("metric"):
        lines.append(f"{'objective':<11} {objective['take']} {objective['metric']} ({objective['mode']})")
    lines.append(f"{'seed':<11} {config.get('seed')}")
    lines.append(f"{'folder':<11} {folder}")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    tree = [f"stage {config.get('stage')}"]
    for number, line in enumerate(lines, start=1):
        branch, below = ("└─ ", "   ") if number == len(lines) else ("├─ ", "│  ")
        tree += textwrap.wrap(line, width, initial_indent=branch, subsequent_indent=below + " " * 27)
    return "\n".join(tree)


def _leaves(node: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The plain values of a config node, without what is only machinery: targets, Nones and empty settings."""
    leaves: list[tuple[str, Any]] = []
    for key, value in node.items():
        if str(key).startswith("_") or not value or value == "???":
            continue  # machinery, and what is off
        leaves += _leaves(value) if isinstance(value, Mapping) else [(str(key), value)]
    return leaves


def finished(result: Result) -> str:
    """The last lines of a run: what came out and where it is."""
    lines = []
    if result.objective is not None:
        epoch = f" (epoch {result.objective_epoch})" if result.objective_epoch is not None else ""
        lines.append(f"{result.objective_metric} {result.objective:.4f}{epoch}")
    tests = [f"{name} {value:.4f}" for name, value in result.metrics.items() if name.startswith(("test", "predict"))]
    if tests:
        lines.append("  ".join(tests))
    if result.best_checkpoint:
        lines.append(f"best checkpoint {result.best_checkpoint}")
    lines.append(f"{result.stage} took {result.seconds:.1f} s; everything is in {from_here(result.folder)}")
    return "\n".join(lines)

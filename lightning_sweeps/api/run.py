"""One run, from Python."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_sweeps.api.command import INTERRUPTED, Program, do, print_line, start_of, unless_empty
from lightning_sweeps.api.overrides import typed
from lightning_sweeps.command.run_folder import CLAIMED, new_folder
from lightning_sweeps.errors import CheckpointError, CommandError
from lightning_sweeps.overrides.text import override_value
from lightning_sweeps.runs.result import read_result

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule

KNOWN = ("status", "objective", "metrics", "epochs", "seconds", "reason")


@dataclass(frozen=True)
class RunResult:
    """What a run has left in its folder. Of a program that writes no ``result.json`` only the folder is known."""

    folder: Path
    status: str = "unknown"  # completed, interrupted, failed or pruned
    objective: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)  # the last value of everything logged
    checkpoint: Path | None = None  # the best one, or else the last
    epochs: int = 0
    seconds: float = 0.0
    reason: str | None = None  # if it is not completed

    def module(self, trust: Iterable[str] = ()) -> "LightningModule":
        """The trained module, with the weights of ``checkpoint``, on the CPU and in evaluation mode.

        Args:
            trust: packages whose code the run's config may name, ``["my_package"]``.

        Raises:
            ConfigError: its composed config is not there, or names code that is not trusted.
            CheckpointError: there is no checkpoint, or it is of another model.
        """
        return load_from(self.folder, self.checkpoint, trust)


def run(overrides: Sequence[str] = (), *, program: Program | None = None, show: bool = True) -> RunResult:
    """Do what ``python -m lightning_sweeps OVERRIDES`` does, in a process of its own, and wait for its end.

    Ctrl-C, and a notebook's stop button, let it save a checkpoint and return what it has. Nothing of it stays in this
    process: no handlers of signals or logs, no state of Hydra's.

    Args:
        overrides: as they are typed, ``["model=mlp", "trainer.max_epochs=5"]``.
        program: what Python runs instead, if it is your own Hydra program: ``"train.py"``,
            ``["-m", "my_package"]``.
        show: whether to print what it prints.

    Raises:
        ConfigError: the overrides are no list of texts.
        CommandError: it failed; the message is what it said, and ``folder`` is where its log is.
    """
    folder, others = new_folder("run", typed(overrides))
    command = [*start_of(program), *others, f"hydra.run.dir={override_value(folder)}"]
    code, error = do(command, print_line if show else None, **{CLAIMED: str(folder)})
    if code not in (0, INTERRUPTED):
        raise CommandError(error or f"the run ended with exit code {code}", unless_empty(folder))
    return read_run(folder)


def read_run(folder: str | Path) -> RunResult:
    """The result of a run whose folder is there already."""
    folder = Path(folder)
    result = read_result(folder)
    return RunResult(folder, checkpoint=_checkpoint(folder, result), **{name: result[name] for name in KNOWN if result})


def load_from(folder: Path, checkpoint: Path | None, trust: Iterable[str]) -> "LightningModule":
    """The module of a run or trial.

    Raises:
        ConfigError, CheckpointError: as ``RunResult.module`` says.
    """
    if checkpoint is None:
        raise CheckpointError(f"{folder}: no checkpoint there; a run keeps one with callbacks=[best_checkpoint]")
    from lightning_sweeps.runs.load import load_module

    return load_module(folder, checkpoint, trust)


def _checkpoint(folder: Path, result: dict[str, Any]) -> Path | None:
    kept = [result.get(name) for name in ("best_checkpoint", "last_checkpoint")]
    return next((folder / name for name in kept if name and (folder / name).is_file()), None)

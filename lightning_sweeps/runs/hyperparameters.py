"""A composed config as flat hyperparameters, and their entry in TensorBoard's HParams tab."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from lightning.pytorch.loggers import TensorBoardLogger

from lightning_sweeps.runs.result import Result

# What a person varies. The rest of the trainer's settings, the callbacks and the loggers do not make a better model.
GROUPS = ("model", "optimizer", "scheduler", "datamodule")
TRAINER_SETTINGS = (
    "precision",
    "max_epochs",
    "max_steps",
    "accumulate_grad_batches",
    "gradient_clip_val",
    "devices",
)
# What modules have given to their loggers themselves: hyperparameters, and metrics.
_own: WeakKeyDictionary[TensorBoardLogger, tuple[dict[str, Any], dict[str, float]]] = WeakKeyDictionary()


def flat_hyperparameters(config: Mapping[str, Any], choices: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """``model``, ``model/net/width``, ...: plain values only; lists and None as text.

    Args:
        config: the composed config as plain containers, resolved.
        choices: config group -> option.
    """
    flat: dict[str, bool | int | float | str] = {}
    for group in GROUPS:
        if choices.get(group) is not None:
            flat[group] = str(choices[group])
        _flatten(config.get(group) or {}, group, flat)
    trainer = config.get("trainer") or {}
    _flatten({name: trainer[name] for name in TRAINER_SETTINGS if name in trainer}, "trainer", flat)
    if "seed" in config:
        flat["seed"] = _plain(config["seed"])
    return flat


def _flatten(node: Mapping[str, Any], prefix: str, flat: dict[str, bool | int | float | str]) -> None:
    for key, value in node.items():
        if str(key).startswith("_"):
            continue
        if isinstance(value, Mapping):
            _flatten(value, f"{prefix}/{key}", flat)
        else:
            flat[f"{prefix}/{key}"] = _plain(value)


def plain_values(values: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """The same, with everything that TensorBoard has no column for as text."""
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else str(value)


def keep_own_entries(logger: TensorBoardLogger) -> None:
    """Have a module's own entry, ``logger.log_hyperparams(hparams, metrics)``, become part of the run's.

    TensorBoard takes the columns of an entry from the first one that a run writes.
    """
    write: Callable[..., None] = logger.log_hyperparams
    params, metrics = _own.setdefault(logger, ({}, {}))

    def log_hyperparams(given: Any, own: Any = None, step: int | None = None, **named: Any) -> None:
        own = named.pop("metrics", own)
        write(given, None, step)  # into hparams.yaml
        if own is None:
            return
        values = own if isinstance(own, Mapping) else {"hp_metric": own}
        logger.log_metrics(values, step)
        metrics.update({name: float(value) for name, value in values.items()})
        _flatten(vars(given) if isinstance(given, Namespace) else dict(given), "", params)

    logger.log_hyperparams = log_hyperparams  # type: ignore[method-assign, assignment]


def log_hyperparameters(logger: TensorBoardLogger, flat: dict[str, bool | int | float | str], result: Result) -> None:
    """Write the run's one entry of the HParams tab: the definition, the objective's value and the end of the session.

    All three lie in the run's own event files, and there is no placeholder value: TensorBoard shows an entry only
    together with a metric of the same tag. Lightning writes its own entry with ``hp_metric=-1`` at the start of a run.
    """
    from torch.utils.tensorboard.summary import hparams

    writer = logger.experiment
    params, own = _own.get(logger, ({}, {}))
    flat = {**{name.removeprefix("/"): value for name, value in params.items()}, **flat}
    # Columns: the objective, and the test's metrics, whose scalars are there already.
    metrics = {name: value for name, value in result.metrics.items() if name.startswith("test")}
    if result.objective is not None:
        writer.add_scalar("objective", result.objective, global_step=result.steps)
    if result.objective_metric is not None:
        # Also without a value: TensorBoard takes the columns of all runs from the first definition that it reads, which
        # may be that of a trial that failed. Only the names go into it.
        metrics = {"objective": result.objective or 0.0, **metrics}
    metrics = {**metrics, **own}
    # Not writer.add_hparams: it opens a second event folder, which TensorBoard takes for a second run.
    for summary in hparams(flat, metrics):  # type: ignore[no-untyped-call]
        writer._get_file_writer().add_summary(summary)  # noqa: SLF001
    writer.flush()

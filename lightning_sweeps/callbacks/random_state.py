"""A run that goes on from the end of an epoch draws what it would have drawn."""

import random
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer

from lightning_sweeps.callbacks.quiet import QuietCallback


class RandomState(QuietCallback):
    """Keeps the random generators in checkpoints of an epoch's end, and sets them when the next epoch starts.

    Python's, NumPy's legacy one, torch's and CUDA's, of each process. Checkpoints stay readable by ``weights_only``.

    Args:
        seed: of the run, or whatever else says whose numbers these are; one that goes on with another seed is to draw
            other numbers.
    """

    def __init__(self, seed: int | str | None) -> None:
        self.seed = seed
        self._at_an_end = False
        self._kept: list[dict[str, Any]] | None = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._at_an_end = True  # checkpoints of the epoch's end are written after this

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._at_an_end = False
        if self._kept is not None and trainer.global_rank < len(self._kept):
            _set_states(self._kept[trainer.global_rank])
            _draw_the_order_again(trainer)
        self._kept = None

    def state_dict(self) -> dict[str, Any]:
        return {"seed": self.seed, "states": _gathered(_states())} if self._at_an_end else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict.get("seed") == self.seed:
            self._kept = state_dict.get("states")


def _states() -> dict[str, Any]:
    version, numbers, gauss = random.getstate()
    kind, keys, *rest = cast("tuple[str, np.ndarray, int, int, float]", np.random.get_state())  # noqa: NPY002 (the one that libraries draw from)
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    return {
        "python": (version, torch.tensor(numbers), gauss),
        "numpy": (kind, torch.tensor(keys.astype("int64")), *rest),
        "torch": torch.get_rng_state(),
        "cuda": cuda,
    }


def _set_states(states: dict[str, Any]) -> None:
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers.tolist()), gauss))
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype("uint32"), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]])


def _gathered(states: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of all processes, which write one checkpoint together."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [states]
    gathered: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(gathered, states)
    return gathered


def _draw_the_order_again(trainer: Trainer) -> None:
    """Lightning has made the loaders' iterators before any hook, so the epoch's order was drawn from other numbers."""
    loop = trainer.fit_loop.epoch_loop
    begin: Callable[[Any], None] = loop.on_run_start

    def begin_once(data_fetcher: Any) -> None:
        del loop.on_run_start  # the class's own again
        makes_them = trainer.current_epoch > 0 and not trainer.fit_loop.is_resuming and not loop.restarting
        if not makes_them:
            iter(data_fetcher)
        begin(data_fetcher)

    loop.on_run_start = begin_once  # type: ignore[method-assign]

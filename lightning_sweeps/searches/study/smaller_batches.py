"""``hydra.sweeper.on_oom``: what becomes of a trial that ran out of memory."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from optuna.trial import Trial

from lightning_sweeps.errors import ConfigError, nearest
from lightning_sweeps.searches.engine.around import Around
from lightning_sweeps.searches.engine.contracts import Claim, Member, Scheduler, Work
from lightning_sweeps.searches.engine.outcome import Outcome
from lightning_sweeps.searches.space.repeats import DATAMODULES

log = logging.getLogger(__name__)

OPTION = "hydra.sweeper.on_oom"
HALVE = "halve_batch"
WAYS = ("fail", HALVE)
HALVED = "halved_batches"  # an attribute of a trial: how often
SIZES = (*(f"{group}.batch_size" for group in DATAMODULES), "batch_size")
STEPS = ("trainer.accumulate_grad_batches", "accumulate_grad_batches")
COUNT_BATCHES = ("trainer.limit_train_batches", "trainer.val_check_interval")  # if they are whole numbers


class SmallerBatches(Around):
    """Runs a trial again that ran out of memory, with half the batch and twice the gradient accumulation.

    The optimizer's steps see as many samples as before, so the trial keeps its parameters. It goes on from its last
    checkpoint, if it has one, and may be halved several times.

    Args:
        change: the same member with other overrides, to be run again.
    """

    def __init__(self, scheduler: Scheduler, change: Callable[[Member, Sequence[str]], Member]) -> None:
        super().__init__(scheduler)
        self._change = change
        self._waiting: list[Member] = []

    def propose(self, claim: Callable[[], Claim | None]) -> Work | None:
        if self._waiting:
            return Work((self._waiting.pop(0),))
        if (work := self.scheduler.propose(claim)) is None:
            return None
        return Work(tuple(map(self._as_small_as_before, work.members)))

    def _as_small_as_before(self, member: Member) -> Member:
        """A trial that was interrupted, or another part of it, does not run out of memory once more."""
        for _ in range(member.handle.user_attrs.get(HALVED, 0)):
            if halved := halves(member.config):
                member = self._change(member, halved)
        return member

    def on_end(self, member: Member, outcome: Outcome) -> Outcome | None:
        halved = halves(member.config) if outcome.out_of_memory else []
        if not halved:
            return self.scheduler.on_end(member, outcome)
        trial: Trial = member.handle
        trial.set_user_attr(HALVED, trial.user_attrs.get(HALVED, 0) + 1)
        process = trial.user_attrs.get("process", {})
        trial.set_user_attr("process", {**process, "begun": None})  # its seconds are counted
        log.warning("trial %s: %s; it is run again with %s", member.trial, outcome.reason, " ".join(halved))
        self._waiting.append(self._change(member, halved))
        return None

    def on_lost(self, trial: int) -> None:
        self._waiting = [member for member in self._waiting if member.trial != trial]
        self.scheduler.on_lost(trial)


def halves(config: DictConfig) -> list[str]:
    """Overrides for half the batch and twice the gradient accumulation; empty if the batch cannot be halved."""
    size, steps = _sizes(config), _steps(config)
    if size is None or steps is None or size[1] % 2:
        return []
    return [f"{size[0]}={size[1] // 2}", f"{steps[0]}={steps[1] * 2}"]


def require_way(given: Any, config: DictConfig) -> bool:
    """Whether a trial that ran out of memory is run again.

    Args:
        config: of a trial.

    Raises:
        ConfigError: there is no such way, or the config has no place for it.
    """
    if given not in WAYS:
        raise ConfigError(f"{OPTION}={given}: it is {' or '.join(WAYS)}.{nearest(str(given), WAYS)}")
    if given != HALVE:
        return False
    for found, names in ((_sizes(config), SIZES), (_steps(config), STEPS)):
        if found is None:
            raise ConfigError(
                f"{OPTION}={HALVE}: the config has a whole number at none of {', '.join(names)}.\n"
                "Give the program's config such a key, or leave the option out"
            )
    for name in COUNT_BATCHES:
        value = OmegaConf.select(config, name, throw_on_missing=False)
        if isinstance(value, int) and not isinstance(value, bool):
            raise ConfigError(
                f"{OPTION}={HALVE}: {name}={value} counts batches, and smaller ones would be less data.\n"
                f"Give it as a part, as in {name}=0.5, or leave the option out"
            )
    return True


def _sizes(config: DictConfig) -> tuple[str, int] | None:
    return next(_whole_numbers(config, SIZES), None)


def _steps(config: DictConfig) -> tuple[str, int] | None:
    return next(_whole_numbers(config, STEPS), None)


def _whole_numbers(config: DictConfig, names: Sequence[str]) -> Any:
    for name in names:
        value = OmegaConf.select(config, name, throw_on_missing=False)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            yield name, value

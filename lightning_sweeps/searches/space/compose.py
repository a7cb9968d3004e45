"""Compose the config of a trial from its number and its parameters."""

import copy
import functools
import pickle
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException
from optuna.distributions import CategoricalDistribution
from optuna.trial import Trial
from yaml import YAMLError

from lightning_sweeps.errors import ConfigError, unreadable
from lightning_sweeps.overrides.text import replaced
from lightning_sweeps.safety.trust import is_refused
from lightning_sweeps.searches.engine.contracts import Member
from lightning_sweeps.searches.space.hydras import apply_overrides, held, holds
from lightning_sweeps.searches.space.space import Space

KEPT_BASES = 32


class Composer:
    """Samples a trial's parameters and composes its config.

    Args:
        extend: the stock sweeper's ``custom_search_space``: a function of the config and the trial, which may suggest
            more parameters.
        accept: raises what the program has against a trial's config.
    """

    def __init__(
        self,
        space: Space,
        hydra_context: Any,
        master: DictConfig,
        extend: str | None,
        accept: Callable[[DictConfig], None] | None = None,
    ) -> None:
        self.space = space
        self.draw: Callable[[Trial], None] = space.draw
        self.accept = accept
        self.loader = hydra_context.config_loader
        self.master = master
        self.extend: Callable[[DictConfig, Trial], None] | None = None
        if extend:
            node = {"_target_": extend, "_partial_": True}
            try:
                self.extend = instantiate(node, _execution_whitelist_=hydra_context.execution_whitelist)
            except InstantiationException as error:
                reason = str(error.__cause__ or error).strip().splitlines()[0]
                if is_refused(error):
                    how = "@hydra.main(..., execution_whitelist=[...])" if accept is None else "main(trust=[...])"
                    reason = f"it is not trusted, so a config may not call it.\nName its module in Python: {how}"
                raise ConfigError(f"hydra.sweeper.custom_search_space={extend}: {reason}") from error
        self._base = functools.lru_cache(KEPT_BASES)(self._load)

    def __call__(self, trial: Trial, restarted: bool) -> Member:
        """Draw the parameters of a trial and compose its config, for a trial that is new or run again."""
        self.draw(trial)
        if self.extend is not None:
            self.extend(self.master, trial)
        folder = Path(self.master.hydra.sweep.dir)
        params = dict(trial.params)
        overrides = self.space.overrides(params)
        config = self.config(overrides, [self.space.key(name) for name in params])
        subdir = self._number(config, trial.number)
        earlier = trial.user_attrs.get("folder")
        if restarted and earlier and Path(earlier).parent != folder and Path(earlier).is_dir():
            with read_write(config.hydra), open_dict(config.hydra):  # begun by another start on a shared storage
                config.hydra.sweep.dir, config.hydra.sweep.subdir = str(Path(earlier).parent), Path(earlier).name
            folder, subdir = Path(earlier).parent, Path(earlier).name
        elif not restarted and (folder / subdir).is_dir() and any((folder / subdir).iterdir()):
            raise ConfigError(f"its folder {subdir} is there already, and is not its own")
        again = _again(trial.number, overrides, config)
        return Member(trial.number, params, overrides, again, folder / subdir, restarted, config, handle=trial)

    def part(self, whole: Member, number: int, overrides: Sequence[str]) -> Member:
        """A part of a trial, in a folder of its own within the trial's.

        Args:
            overrides: those that the part has in place of the trial's.
        """
        changed = replaced(whole.overrides, overrides)
        config = self.config(changed)
        self._number(config, whole.trial)
        within, folder = whole.config.hydra.sweep, whole.folder / str(number)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.sweep.dir, config.hydra.sweep.subdir = str(within.dir), f"{within.subdir}/{number}"
        resumed = whole.resumed and folder.is_dir() and any(folder.iterdir())
        again = replaced(whole.again, overrides)
        return Member(whole.trial, whole.params, changed, again, folder, resumed, config, number, whole, whole.handle)

    def changed(self, member: Member, overrides: Sequence[str]) -> Member:
        """The same member with other overrides, to go on in its folder."""
        lines = replaced(member.overrides, overrides)
        config = self.config(lines)
        self._number(config, member.trial)
        within = member.config.hydra.sweep
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.sweep.dir, config.hydra.sweep.subdir = within.dir, within.subdir
        whole = member.of and replace(member.of, again=replaced(member.of.again, overrides))  # what is noted of it
        again = replaced(member.again, overrides)
        return replace(member, overrides=lines, again=again, resumed=True, config=config, of=whole)

    def _number(self, config: DictConfig, number: int) -> str:
        """Set the trial's number in its config. Returns the name of its folder within the search's."""
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.job.id = str(number)
            config.hydra.job.num = number
            config.hydra.sweep.dir = str(self.master.hydra.sweep.dir)
        state: Any = HydraConfig.instance()
        before, state.cfg = state.cfg, config  # what ``set_config`` does, without the copy
        try:
            return str(OmegaConf.select(config, "hydra.sweep.subdir"))
        except OmegaConfBaseException as error:
            raise ConfigError(f"hydra.sweep.subdir: {str(error).splitlines()[0]}") from error
        finally:
            state.cfg = before

    def numbered(self, overrides: Sequence[str]) -> DictConfig:
        """The config of a trial with these overrides, and with the first number."""
        config = self.config(overrides)
        subdir = self._number(config, 0)
        with read_write(config.hydra), open_dict(config.hydra):
            config.hydra.runtime.output_dir = str(Path(self.master.hydra.sweep.dir, subdir))
        return config

    def check(self) -> None:
        """Compose each option of the searched groups once: what cannot be composed is known before the first trial.

        Raises:
            HydraException: an option, or a key of the space, does not exist.
            ConfigError: the config does not hold what is drawn for it.
            SweepsError: the program does not accept it.
        """
        columns = {
            name: list(one.choices) if isinstance(one, CategoricalDistribution) else [one.low, one.high]  # type: ignore[attr-defined]
            for name, one in self.space.distributions.items()
        }
        first = self.space.first()
        config = self.config(self.space.overrides(first), [self.space.key(name) for name in first])
        if self.accept is not None:
            self.accept(config)
        last = {name: column[-1] for name, column in columns.items()}
        subdir = self._number(config, 0)
        # Most often the folder's name is the trial's number, and nothing more need be composed.
        named_by_number = subdir != self._number(config, 1)
        if not named_by_number and last != first and subdir == self._number(self.config(self.space.overrides(last)), 1):
            raise ConfigError(
                f"hydra.sweep.subdir gives several trials one folder, {subdir}; have it hold ${{hydra:job.num}}"
            )
        for name, column in columns.items():
            if name not in first:  # it is there with other values of those that it depends on
                self.config(self.space.overrides(self.space.with_value(first, name, column[0])))
            for option in column[1:]:
                if str(option).startswith("{"):  # it is merged into what is there, if that has its keys
                    self.config(self.space.overrides(self.space.with_value(first, name, option)))
            if name in self.space.rows or self._is_group(self.space.key(name)):
                for option in column[1:]:
                    self.config(self.space.overrides(self.space.with_value(first, name, option)))

    def config(self, overrides: Sequence[str], searched: Collection[str] = ()) -> DictConfig:
        """Compose these overrides as Hydra's ``load_sweep_config`` does.

        Reading and merging the config files takes Hydra a tenth of a second. They are the same for all trials with the
        same choices of config groups, to which the values are then applied as Hydra applies them.

        Args:
            searched: what comes before the ``=`` of those whose values the study keeps.

        Raises:
            HydraException: what Hydra refuses.
            ConfigError: a file cannot be read, or the config holds another value than the study.
        """
        parsed = OverridesParser.create(config_loader=self.loader).parse_overrides(list(overrides))
        values = [override for override in parsed if self._is_value(override)]
        choices = [str(override.input_line) for override in parsed if not self._is_value(override)]
        base = self._base(tuple(choices))
        config: DictConfig = pickle.loads(base) if isinstance(base, bytes) else copy.deepcopy(base)  # noqa: S301 (our own)
        apply_overrides(values, config)
        last = {override.get_key_element(): override for override in values}  # of several of one key
        for key in last.keys() & set(searched):
            _require_told(last[key], config)
        with read_write(config.hydra):
            config.hydra.overrides.task = list(overrides)
        return config

    def _load(self, choices: Sequence[str]) -> bytes | DictConfig:
        try:
            config: DictConfig = self.loader.load_sweep_config(self.master, list(choices))
        except HydraException:
            raise  # a missing option's is an OSError too
        except (YAMLError, UnicodeDecodeError, OSError) as error:
            raise ConfigError(f"{' '.join(choices) or 'the config'}: {unreadable(error)}") from error
        try:
            return pickle.dumps(config)  # read eight times as fast as a config is copied
        except Exception:  # noqa: BLE001 (whatever its objects raise; classes made at run time do not pickle)
            return config

    def _is_group(self, key: str) -> bool:
        return bool(self.loader.repository.group_exists(key.lstrip("+").partition("@")[0]))

    def _is_value(self, override: Override) -> bool:
        key = override.key_or_group
        return (
            override.package is None and not key.startswith("hydra.") and not self.loader.repository.group_exists(key)
        )


def _again(number: int, overrides: list[str], config: DictConfig) -> list[str]:
    """The overrides for the same config in a single run, which has no number by itself."""
    held: Any = OmegaConf.to_container(config, resolve=False)
    named = "${hydra:job." in str({key: value for key, value in held.items() if key != "hydra"})
    return [*overrides, *([f"hydra.job.num={number}", f"hydra.job.id='{number}'"] if named else [])]


def _require_told(override: Override, config: DictConfig) -> None:
    """Make sure that the trial runs with the value noted in the study; a container may be merged into another."""
    value = override.value()
    if isinstance(value, dict | list) or "${" in str(value):
        return
    key = override.key_or_group
    if holds(config, key, value):
        return
    raise ConfigError(
        f"{key} is searched, but the config of {override.input_line} holds {held(config, key)}: another override is "
        "stronger.\nLeave out one of them"
    )

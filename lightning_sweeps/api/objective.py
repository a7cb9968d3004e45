"""A function as the objective of a search: packed into the search's folder, and unpacked by the program there.

So a search over a function of a notebook's is a search as any: its trials have processes of their own, and
``python -m lightning_sweeps.resume FOLDER`` goes on with it when the notebook is long closed.
"""

import json
import os
import pickle
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lightning_sweeps.api.command import PROGRAM
from lightning_sweeps.command.app import explained, raising_errors
from lightning_sweeps.errors import ConfigError
from lightning_sweeps.files.folders import write_atomically
from lightning_sweeps.overrides.groups import CONF
from lightning_sweeps.overrides.text import written

if TYPE_CHECKING:
    from lightning_sweeps.trial import Trial

Objective = Callable[[DictConfig, "Trial"], Any]

PACKED = "objective.pkl"
PATH = "path.json"  # where modules are imported from
SOURCE = '''"""The program of the search in the folder above. Its function is in {packed}."""

from dataclasses import dataclass
from pathlib import Path

from lightning_sweeps.api.objective import main

if __name__ == "__main__":
    main(Path(__file__).parent)
'''


@dataclass(frozen=True)
class Packed:
    """A function, and the config of a search over it."""

    objective: bytes
    config: str

    def write(self, folder: Path) -> Path:
        """Write the program into the search's folder; returns its file."""
        program = folder / PROGRAM
        program.mkdir(exist_ok=True)
        (program / PACKED).write_bytes(self.objective)
        write_atomically(program / PATH, json.dumps([os.path.abspath(one) for one in sys.path]) + "\n")  # noqa: PTH100
        write_atomically(program / "config.yaml", self.config)
        file = program / "objective.py"
        write_atomically(file, SOURCE.format(packed=PACKED))
        return file


def pack(objective: Objective, space: Mapping[str, Any], config: Mapping[str, Any] | None) -> Packed:
    """The function with what it uses, and its space and config in Hydra's words.

    Raises:
        ConfigError: the function cannot be pickled, or the space or config not be written.
    """
    if not space:
        raise ConfigError("space is empty: name what is searched, space={'lr': 'tag(log,interval(1e-4,1e-1))'}")
    text = _config(space, config or {})
    try:
        packed = cloudpickle.dumps(objective)
    except Exception as error:
        raise ConfigError(
            f"the objective cannot be taken to another process: {error}.\nMake what it uses inside of it"
        ) from error
    return Packed(packed, text)


def main(folder: Path) -> None:
    """Run the command line ``sys.argv`` with the function that is packed in the folder."""
    import hydra

    from lightning_sweeps.trial import current_trial

    sys.path += [one for one in json.loads((folder / PATH).read_text(encoding="utf-8")) if one not in sys.path]
    objective = pickle.loads((folder / PACKED).read_bytes())  # noqa: S301 (the user's own, as the program beside it)

    def task(config: DictConfig) -> Any:
        return objective(config, current_trial())

    config = str(folder.absolute())
    with explained([Path(config), CONF]), raising_errors():
        hydra.main(config_path=config, config_name="config")(task)()


def _config(space: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    params = {name: _searched(name, given) for name, given in space.items()}
    try:
        values = OmegaConf.create(dict(config))
        for name in space:
            if OmegaConf.select(values, name, throw_on_missing=False) is None:
                OmegaConf.update(values, name, "???")
        sweeper = OmegaConf.create({"hydra": {"sweeper": {"params": params}}})
        text = OmegaConf.to_yaml(OmegaConf.merge(values, sweeper))
    except OmegaConfBaseException as error:
        raise ConfigError(f"config: {str(error).splitlines()[0]}.\nIt holds numbers, texts, lists and dicts") from error
    return f"defaults:\n  - _self_\n  - override hydra/sweeper: study\n\n{text}"


def _searched(name: str, given: Any) -> str:
    """A parameter's values in the grammar of Hydra's overrides."""
    import optuna

    if not re.fullmatch(r"\w+(\.\w+)*", name):
        raise ConfigError(f"space: {name!r} is no name: it has letters, digits and _, and dots for nested configs")
    match given:
        case str():
            return given
        case optuna.distributions.CategoricalDistribution():
            return _choice(name, given.choices)
        case optuna.distributions.FloatDistribution(step=None):
            return _interval(f"interval({given.low},{given.high})", log=given.log)
        case optuna.distributions.IntDistribution(step=1):
            return _interval(f"int(interval({given.low},{given.high}))", log=given.log)
        case Sequence() if len(given):
            return _choice(name, given)
    raise ConfigError(
        f"space: {name}={given!r}: name a list of choices, an Optuna distribution without a step, or a text as "
        "'tag(log,interval(1e-4,1e-1))', 'range(16,129,16)'"
    )


def _interval(text: str, *, log: bool) -> str:
    return f"tag(log,{text})" if log else text


def _choice(name: str, values: Sequence[Any]) -> str:
    """As values with commas between them: inside of ``choice(...)`` Hydra takes the quotes of texts away."""
    texts = [written(value) for value in values]
    if any("${" in text for text in texts):
        raise ConfigError(f"space: {name}: a value with ${{...}} would be an interpolation; make it in the objective")
    return ",".join(texts if len(texts) > 1 else texts * 2)  # one alone would not be searched

"""A trial as a config file to commit."""

import re
from pathlib import Path

from lightning_sweeps.errors import ConfigError
from lightning_sweeps.files.folders import write_atomically
from lightning_sweeps.overrides.command_line import from_here
from lightning_sweeps.rerun.composition import experiment
from lightning_sweeps.rerun.recipe import Recipe


def write_experiment(recipe: Recipe, program: str, name: str) -> tuple[str, str]:
    """Write ``experiment/NAME.yaml`` beside the program's other configs; returns the file and its text.

    What ``--config-dir`` named is the person's, and so counts before the program's own folder.

    Raises:
        ConfigError: the name is taken or is none, or the trial's config is gone.
    """
    if not re.fullmatch(r"[\w-]+", name):
        raise ConfigError(f"--to-experiment {name}: a name has letters, digits, - and _")
    conf = next(iter(recipe.primary.added), recipe.primary.folder)
    if conf is None:
        raise ConfigError("its program has its config in its code, and no config files to put an experiment beside")
    if "site-packages" in conf.parts:
        raise ConfigError(f"the configs are in an installed package, {conf}; use a checkout, or an app of your own")
    file = conf / "experiment" / f"{name}.yaml"
    if file.exists():
        raise ConfigError(f"{from_here(file)} is there already; choose another name")
    config = recipe.config()
    if config is None:
        raise ConfigError(f"trial {recipe.number}: its composed config is gone, or was not kept (hydra.output_subdir)")
    value = "" if recipe.value is None else f": {recipe.metric} {recipe.value:.6g}"
    about = f"Trial {recipe.number} of {_search(recipe)}{value}"
    text = experiment(config, recipe.choices(), recipe.primary, name, program, about)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, text)
    return from_here(file), text


def _search(recipe: Recipe) -> str:
    """The search's date and time, as its folder has them."""
    folder = recipe.folder or Path()
    return f"{folder.parent.parent.name}/{folder.parent.name}"

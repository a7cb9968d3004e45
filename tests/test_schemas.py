"""The config files' JSON schemas: fresh, and what an editor would mark with them."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from referencing import Registry

from lightning_sweeps.overrides.groups import CONF
from lightning_sweeps.schemas.__main__ import MADE_WITH, made_with

FOLDER = CONF.parent / "schemas"
FILES = sorted(CONF.rglob("*.yaml"))


def schema_for(file: Path) -> str:
    """The name of the schema that the editor's settings have for the file."""
    settings = json.loads((CONF.parent / ".vscode" / "settings.json").read_text())["yaml.schemas"]
    name = file.relative_to(CONF.parent)
    (found,) = [schema for schema, patterns in settings.items() if any(name.match(pattern) for pattern in patterns)]
    return Path(found).name


def errors(file: str, text: str) -> list[str]:
    """What the editor marks in this text of the file."""
    schemas = {one.name: json.loads(one.read_text()) for one in FOLDER.glob("*.json")}
    registry = Registry().with_contents(schemas.items())
    validator = jsonschema.Draft7Validator(schemas[schema_for(CONF / file)], registry=registry)
    found = validator.iter_errors(yaml.safe_load(text))
    return [line for error in found for line in (error.message, *(one.message for one in error.context))]


@pytest.mark.slow
def test_the_files_are_fresh():
    comment = json.loads((FOLDER / "model.json").read_text())["$comment"]
    here = ", ".join(f"{name} {version}" for name, version in made_with().items())
    if comment != f"{MADE_WITH} {here}":
        pytest.skip(f"{comment}; here are {here}")
    # In an interpreter of its own: names that only a type checker imports may be there where others have imported.
    command = [sys.executable, "-m", "lightning_sweeps.schemas", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("file", [file for file in FILES if "hydra" not in file.parts], ids=lambda file: file.stem)
def test_the_configs_are_right(file):
    assert errors(str(file.relative_to(CONF)), file.read_text()) == []


@pytest.mark.parametrize(
    ("file", "text", "marked"),
    [
        ("model/mlp.yaml", "_target_: lightning_sweeps.models.Classifier\nnett: {}", "'nett' was unexpected"),
        ("model/mlp.yaml", "net: {_target_: lightning_sweeps.models.MLP, widht: 3}", "'widht' was unexpected"),
        (
            "model/mlp.yaml",
            "net: {_target_: lightning_sweeps.models.MLP, dropout: much}",
            "'much' is not of type 'number'",
        ),
        ("optimizer/adam.yaml", "_target_: torch.optim.Adam\nmomentum: 0.9", "'momentum' was unexpected"),
        ("trainer/cpu.yaml", "_target_: lightning.pytorch.Trainer\nmax_epoch: 3", "'max_epoch' was unexpected"),
        ("callbacks/early_stopping.yaml", "early_stopping: {patiense: 3}", "'patiense' was unexpected"),
        ("experiment/mine.yaml", "defaults: [{override /model: cnnn}]", "'cnnn' is not valid"),
        ("experiment/mine.yaml", "modl: {}", "'modl' was unexpected"),
        ("experiment/mine.yaml", "model: {net: {widht: 3}}", "'widht' was unexpected"),
        ("search/mine.yaml", "hydra: {sweeper: {n_trial: 3}}", "'n_trial' was unexpected"),
    ],
    ids=lambda value: value if "\n" not in value and "was" not in value else "",
)
def test_mistakes_are_marked(file, text, marked):
    assert any(marked in line for line in errors(file, text)), errors(file, text)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("model/theirs.yaml", "_target_: my_package.Model\nanything: {goes: here}"),
        ("experiment/mine.yaml", "optimizer: {lr: 0.1, momentum: 0.9}\nmodel: {net: {width: [3, 4]}}"),
        ("experiment/mine.yaml", "trainer: {precision: '${on_gpu:${trainer.accelerator},16-mixed,32-true}'}"),
        ("search/mine.yaml", "hydra: {sweeper: {n_trials: 3, params: {optimizer.lr: 'interval(0,1)'}}}"),
    ],
)
def test_what_is_right_is_not_marked(file, text):
    assert errors(file, text) == []


def test_keys_are_described():
    described = (FOLDER / "trainer.json").read_text()
    assert "Stop training once this number of epochs is reached" in described

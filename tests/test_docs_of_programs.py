"""The docs' snippets for the reader's own programs and packages, put together as they tell it."""

import csv
import re
import shlex
from pathlib import Path

import pytest
from search_commands import rows

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parent.parent / "docs"
MODULE = """
import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

class {module}(pl.LightningModule):
    def __init__(self, {arguments}):
        super().__init__()
        self.lr = {lr}
        self.net = torch.nn.Sequential(torch.nn.Linear(8, {hidden}), torch.nn.ReLU(), torch.nn.Linear({hidden}, 1))
    def training_step(self, batch, index):
        return self.net(batch[0]).square().mean()
    def validation_step(self, batch, index):
        self.log("val_loss", self.net(batch[0]).square().mean())
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)

class Data(pl.LightningDataModule):
    num_features = 8
    def train_dataloader(self): return DataLoader(TensorDataset(torch.rand(64, 8)), 16)
    def val_dataloader(self): return DataLoader(TensorDataset(torch.rand(16, 8)), 16)
"""


def blocks(page, language):
    """A page's blocks of a language, without what indents them."""
    text = (DOCS / f"{page}.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_two_lines_of_a_program_change(own_folder, python):
    """With the config and the command of the page, and fewer epochs and trials."""
    (sweeper,) = blocks("own_programs", "yaml")
    (changed,) = blocks("own_programs", "python")
    Path("conf").mkdir()
    Path("conf/config.yaml").write_text(f"{sweeper}  - _self_\noptimizer:\n  lr: 0.01\n")
    imports = [line for line in changed.splitlines() if line.startswith("from ")]
    rest = [line for line in changed.splitlines() if not line.startswith("from ")]
    body = "\n".join(f"    {line}" for line in rest).replace("max_epochs=20", "max_epochs=2, logger=False")
    Path("train.py").write_text(
        MODULE.format(module="Net", arguments="lr", lr="lr", hidden=4)
        + "\n".join(["import hydra", "from lightning.pytorch import Trainer", *imports])
        + '\n\n@hydra.main(config_path="conf", config_name="config", version_base=None)\ndef train(config):\n'
        + f"    model, datamodule = Net(config.optimizer.lr), Data()\n{body}\n\n"
        + 'if __name__ == "__main__":\n    train()\n'
    )
    (line,) = re.findall(
        r"^`(python train.py -m .*?)` is a search", (DOCS / "own_programs.md").read_text(), re.MULTILINE
    )
    done = python(*shlex.split(line)[1:], "hydra.sweeper.n_trials=2", "hydra.sweep.dir=s")
    assert done.returncode == 0, done.stderr
    assert [(row["state"], row["epochs"] or row["value_step"]) for row in rows()] == [("COMPLETE", "2")] * 2
    assert Path("s/1/checkpoints/last.ckpt").is_file()


def test_a_class_of_ones_own_package_trains_as_it_is(own_folder, python):
    model, search = blocks("own_models", "yaml")
    (main,) = blocks("own_models", "python")
    package = Path("my_package")
    for folder in ("model", "search", "datamodule"):
        (package / "conf" / folder).mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "model.py").write_text(
        MODULE.format(module="MyModule", arguments="hidden, num_features", lr="0.01", hidden="hidden")
    )
    (package / "conf" / "datamodule" / "mine.yaml").write_text("_target_: my_package.model.Data\n")
    (package / "conf" / "model" / "mine.yaml").write_text(model)
    (package / "conf" / "search" / "mine.yaml").write_text(search)
    (package / "__main__.py").write_text(main)
    more = ["datamodule=mine", "objective={metric: val_loss, mode: min}", "trainer.max_epochs=1"]
    (line,) = re.findall(r"^# (python -m my_package model=mine)$", model, re.MULTILINE)
    done = python(*shlex.split(line)[1:], *more, "test=false", PYTHONPATH=".")
    assert done.returncode == 0, done.stderr
    (line,) = re.findall(r"^# (python -m my_package -m search=mine)$", search, re.MULTILINE)
    done = python(*shlex.split(line)[1:], *more, "+model.num_features=8", "hydra.sweep.dir=s", PYTHONPATH=".")
    assert done.returncode == 0, done.stderr
    with Path("s/trials.csv").open() as file:
        assert sorted(row["model.hidden"] for row in csv.DictReader(file)) == ["128", "32", "64"]

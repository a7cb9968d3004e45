"""Every option of every group composes and trains a batch, and every config file says how to use it."""

import re
import shlex

import pytest
from conftest import composed

from lightning_sweeps.overrides.groups import CONF, find_groups

GROUPS = find_groups([CONF])
# Tested elsewhere: they need a GPU, a second process, a process of their own (torch's profiler leaves the one it was in
# prone to crash), a module with an optimizer, an account or a database.
ELSEWHERE = {"trainer=gpu", "trainer=ddp", "trainer=fsdp", "trainer=profile", "optimizer=none"}
ELSEWHERE |= {f"logger={tracker}" for tracker in ("aim", "comet", "mlflow", "trackio", "wandb")}
OPTIONS = [f"{group}={option}" for group, options in GROUPS.items() for option in options]
ONE_BATCH = ["trainer.max_epochs=1", "trainer.limit_train_batches=1", "trainer.limit_val_batches=1", "test=false"]


@pytest.mark.parametrize("option", [option for option in OPTIONS if option not in ELSEWHERE])
def test_option_trains_one_batch(run_here, data_files, own_folder, option):
    small = ["datamodule.batch_size=8", "trainer.accelerator=cpu"]
    if option.startswith("callbacks="):
        option = option.replace("=", "=[") + "]"
    run_here(option, *ONE_BATCH, *small)
    assert (own_folder / "result.json").is_file()


@pytest.mark.parametrize("file", sorted(CONF.rglob("*.yaml")), ids=lambda file: str(file.relative_to(CONF)))
def test_first_line_is_a_command_that_composes(file, own_folder):
    comments = [line for line in file.read_text().splitlines() if line.startswith("# ") and not line.startswith("# @")]
    typed = re.fullmatch(r"# python -m lightning_sweeps(.*?)(\s{3,}\(.*\))?", comments[0])
    assert typed, f"{file} does not begin with the command that uses it"
    overrides = [part for part in shlex.split(typed.group(1)) if not part.startswith("-")]
    if "model=..." in overrides:
        overrides.remove("model=...")
    group = file.parent.relative_to(CONF).as_posix()
    if group not in (".", "hydra/help"):
        assert any(override.startswith(f"{group}=") and file.stem in override for override in overrides)
    with composed(*overrides, folder=own_folder):
        pass


def test_every_option_has_a_line_in_the_help():
    from lightning_sweeps.overrides.groups import describe_option

    for options in GROUPS.values():
        for file in options.values():
            assert describe_option(file), f"{file}: the second comment describes the option"

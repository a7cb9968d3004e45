"""Trust: a config calls what Python code allowed, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lightning_sweeps.errors import ConfigError, UntrustedTargetError
from lightning_sweeps.safety.trust import TRUST_VARIABLE, build


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "torch.hub.load",
        "torch.load",
        "torch.serialization.load",
        "torch.utils.cpp_extension.load",
        "torchvision.models._api.get_model_weights.__globals__",
        "subprocess.run",
        "lightning_sweeps.safety.trust.trust",
        "lightning_sweeps.files.folders.write_atomically",
        "hydra.utils.get_method",
    ],
)
def test_other_targets_are_refused(target):
    with pytest.raises(ConfigError):
        build({"_target_": target, "_args_": ["true"]}, "model")


def test_the_refusal_says_how_to_trust(monkeypatch):
    with pytest.raises(UntrustedTargetError, match=r"model: _target_ 'fractions.Fraction' is not trusted") as caught:
        build({"_target_": "fractions.Fraction"}, "model")
    assert f"{TRUST_VARIABLE}=package" in str(caught.value)
    assert "main(trust=" in str(caught.value)


def test_nested_targets_are_refused():
    config = {"_target_": "torch.nn.Sequential", "_args_": [{"_target_": "fractions.Fraction"}]}
    with pytest.raises(UntrustedTargetError, match=r"fractions.Fraction"):
        build(config, "model")


def test_the_environment_can_trust_when_the_program_starts_and_not_later():
    built = "build({'_target_': 'fractions.Fraction', '_args_': [1, 2]}, 'model')"
    program = "import os; from lightning_sweeps.safety.trust import build; os.environ['{0}'] = 'fractions'; print({1})"
    command = [sys.executable, "-c", program.format(TRUST_VARIABLE, built)]
    for trusted, said in (("fractions, decimal", "1/2"), ("decimal", "")):
        environment = {**os.environ, TRUST_VARIABLE: trusted}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.stdout.strip() == said


@pytest.mark.parametrize("multirun", [[], ["-m", "seed=1,2"]], ids=["run", "search"])
@pytest.mark.parametrize("variable", [TRUST_VARIABLE, "PYTHONPATH", "LD_PRELOAD", "GIT_SSH_COMMAND", "path"])
def test_a_config_sets_no_variable_that_decides_on_code(command, own_folder, multirun, variable):
    done = command(*multirun, f"+hydra.job.env_set.{variable}=torch", "hydra.run.dir=r", "hydra.sweep.dir=s")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: hydra.job.env_set.{variable}: a config may not set what decides which code")
    assert len(done.stderr.splitlines()) == 2
    assert not Path("s/0").exists()


def test_a_config_that_trusts_itself_runs_no_pickle(command, own_folder):
    class Evil:
        def __reduce__(self):
            return Path.touch, (Path("executed"),)

    torch.save(Evil(), "evil.pt")
    done = command(
        *(f"+hydra.job.env_set.{TRUST_VARIABLE}=torch", "hydra.run.dir=r"),
        "+callbacks.evil={_target_: torch.load, f: evil.pt, weights_only: false}",
    )
    assert done.returncode == 1
    assert not Path("executed").exists()


def test_python_can_trust(monkeypatch):
    from lightning_sweeps.safety import trust

    monkeypatch.setattr(trust, "_trusted_by_python", [])
    trust.trust(["fractions"])
    assert build({"_target_": "fractions.Fraction", "_args_": [1, 2]}, "model") == 0.5


@pytest.mark.parametrize("key", ["_execution_whitelist_", "trust", "whitelist"])
def test_a_config_cannot_trust_itself(key):
    with pytest.raises(ConfigError):
        build({"_target_": "fractions.Fraction", key: ["fractions.*"]}, "model")


def test_what_cannot_be_built_is_named():
    with pytest.raises(ConfigError, match=r"optimizer: cannot build torch.nn.Linear.*in_features"):
        build({"_target_": "torch.nn.Linear"}, "optimizer")
    with pytest.raises(ConfigError, match=r"model: there is no torch.nn.Lineer"):
        build({"_target_": "torch.nn.Lineer"}, "model")
    with pytest.raises(ConfigError, match="no _target_"):
        build({}, "model")

"""Trust: a config calls what Python code allowed, and nothing else."""

import pytest

from lightning_sweeps.errors import ConfigError, UntrustedTargetError
from lightning_sweeps.trust import TRUST_VARIABLE, build


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
        "lightning_sweeps.trust.trust",
        "lightning_sweeps.folders.write_atomically",
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


def test_the_environment_can_trust(monkeypatch):
    monkeypatch.setenv(TRUST_VARIABLE, "fractions, decimal")
    assert build({"_target_": "fractions.Fraction", "_args_": [1, 2]}, "model") == 0.5


def test_python_can_trust(monkeypatch):
    from lightning_sweeps import trust

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
    with pytest.raises(ConfigError, match=r"model: cannot build torch.nn.Lineer"):
        build({"_target_": "torch.nn.Lineer"}, "model")
    with pytest.raises(ConfigError, match="no _target_"):
        build({}, "model")

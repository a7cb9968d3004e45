"""Activations by the names that configs use."""

from torch import nn

from lightning_sweeps.errors import ConfigError, nearest

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
}


def activation_class(name: str) -> type[nn.Module]:
    """The class of a named activation.

    Raises:
        ConfigError: there is none of that name.
    """
    try:
        return ACTIVATIONS[name]
    except KeyError:
        raise ConfigError(
            f"activation={name}: no such activation.{nearest(name, ACTIVATIONS)} Known: {', '.join(ACTIVATIONS)}"
        ) from None

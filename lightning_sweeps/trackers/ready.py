"""What can be known wrong with a config's loggers before anything begins. Imports none of them."""

import importlib.util
import netrc
import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lightning_sweeps.errors import ConfigError

PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")  # in a URL
SECRET = re.compile(r"(api_?key|token|password|secret)$", re.IGNORECASE)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
SECONDS_TO_ANSWER = 5.0
PACKAGES = {  # the logger's class -> the package that it needs, and this package's extra that installs it
    "AimLogger": ("aim", "aim"),
    "CometLogger": ("comet_ml", "comet"),
    "MLFlowLogger": ("mlflow", "mlflow"),
    "TrackioLogger": ("trackio", "trackio"),
    "WandbLogger": ("wandb", "wandb"),
}


def require_loggers(nodes: Any) -> None:
    """The packages and keys that these loggers need are there.

    Args:
        nodes: the config's group ``logger``, not resolved.

    Raises:
        ConfigError: they are not, or a key is in the config.
    """
    require_no_secrets(nodes)
    for name, node in _loggers(nodes):
        kind = str(node.get("_target_")).rpartition(".")[2]
        package, extra = PACKAGES.get(kind, (None, ""))
        if package is not None and importlib.util.find_spec(package) is None:
            raise ConfigError(f"logger.{name}: it needs {package}: pip install 'lightning_sweeps[{extra}]'")
        if kind == "WandbLogger" and not _may_log_to_wandb(node):
            raise ConfigError(
                f"logger.{name}: nobody is logged in to Weights & Biases.\n"
                f"Set WANDB_API_KEY, run wandb login, or log offline: logger.{name}.offline=true"
            )
        if kind == "MLFlowLogger":
            _require_a_server(name, str(node.get("tracking_uri")))
        if kind == "CometLogger" and not _may_log_to_comet(node):
            raise ConfigError(
                f"logger.{name}: Comet has no key.\n"
                f"Set COMET_API_KEY, run comet login, or log offline: logger.{name}.online=false"
            )


def require_no_secrets(nodes: Any) -> None:
    """Keys come from the environment: a config is written into files, and shown.

    Raises:
        ConfigError: one is in the config, and not as ``${oc.env:...}``.
    """
    for name, node in _loggers(nodes):
        for key, value in node.items():
            secret = SECRET.search(str(key)) or PASSWORD.search(str(value))
            if secret and value is not None and not str(value).startswith("${oc.env:"):
                raise ConfigError(
                    f"logger.{name}.{key}: what is in a config ends up in files; set the variable of the environment "
                    "that the tracker reads"
                )


def _loggers(nodes: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, node in nodes.items() if isinstance(nodes, Mapping) else ():
        if isinstance(node, Mapping):
            yield str(name), node


def _require_a_server(name: str, uri: str) -> None:
    """MLflow's client would try for minutes."""
    if uri.startswith("${oc.env:MLFLOW_TRACKING_URI"):
        uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    url = urlsplit(uri)
    if url.scheme not in ("http", "https") or url.hostname is None or {*PROXIES} & {*os.environ}:
        return
    port = url.port or (443 if url.scheme == "https" else 80)
    try:
        socket.create_connection((url.hostname, port), SECONDS_TO_ANSWER).close()
    except OSError as error:
        at = f"{url.scheme}://{url.hostname}:{port}"
        raise ConfigError(f"logger.{name}: no MLflow server answers at {at}: {error.strerror or error}") from error


def _may_log_to_wandb(node: Mapping[str, Any]) -> bool:
    if node.get("offline") is True or os.environ.get("WANDB_MODE") in ("offline", "dryrun", "disabled"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        known = netrc.netrc(os.environ.get("NETRC")).authenticators(str(host))
    except (OSError, netrc.NetrcParseError):
        known = None
    return "WANDB_API_KEY" in os.environ or known is not None


def _may_log_to_comet(node: Mapping[str, Any]) -> bool:
    files = (Path.home() / ".comet.config", Path(".comet.config"))
    return node.get("online") is False or "COMET_API_KEY" in os.environ or any(file.is_file() for file in files)

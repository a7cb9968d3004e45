"""Keep Hydra from acting on an untrusted config before the program has been asked.

It imports packages of ``hydra.searchpath`` and opens log files before any callback or task of ours.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra._internal import logging_config
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from lightning_sweeps.errors import UntrustedTargetError
from lightning_sweeps.safety.trust import in_python_or_environment, trusted

LOG_FILES = "logging.FileHandler"
RUNS_FOLDER = "${hydra.runtime.output_dir}"


def guard_hydra() -> None:
    """Let Hydra ask for trust before it imports a package for its configs or opens a log file."""
    SourcesRegistry.instance().types[TrustedPackages.scheme()] = TrustedPackages
    configure = logging_config.configure_logging
    if hasattr(configure, "__wrapped__"):
        return

    @functools.wraps(configure)
    def configure_own_files(conf: dict[str, Any], *rest: Any) -> None:
        job: Any = HydraConfig.instance().cfg  # Hydra's own log is opened before there is one
        require_own_log_files(conf, None if job is None else OmegaConf.select(job, "hydra.runtime.output_dir"))
        configure(conf, *rest)

    logging_config.configure_logging = configure_own_files  # type: ignore[assignment]


class TrustedPackages(ImportlibResourcesConfigSource):
    """``pkg://`` in Hydra's search path: reading a package's configs imports it."""

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider=provider, path=path)
        if provider.startswith("hydra.searchpath") and not _is_trusted(self.path):
            raise UntrustedTargetError(
                f"hydra.searchpath: pkg://{self.path} is not trusted, and reading its configs would import it.\n"
                f"Trust it {in_python_or_environment(self.path)}"
            )


# Where Hydra registers its plugins again, in a launcher's worker, it keeps a class of this name.
TrustedPackages.__name__ = ImportlibResourcesConfigSource.__name__


def _is_trusted(package: str) -> bool:
    names = [name.removesuffix(".*") for name in trusted()]
    return any(package == name or package.startswith(f"{name}.") for name in names)


def require_own_log_files(logging: Mapping[str, Any], output_dir: str | None) -> None:
    """Refuse log files outside of the run's folder: a handler could empty any file of the person's.

    Args:
        logging: a config of Python's ``logging``, in which Hydra's name may stand for the run's folder.
        output_dir: that folder; None if it is not known.

    Raises:
        UntrustedTargetError: a file is elsewhere, and ``logging.FileHandler`` is not trusted.
    """
    for name, handler in (logging.get("handlers") or {}).items():
        file = handler.get("filename") if isinstance(handler, Mapping) else None
        if file is None or LOG_FILES in trusted():
            continue
        written = Path(str(file).replace(RUNS_FOLDER, str(output_dir)))
        if output_dir is None or not written.resolve().is_relative_to(Path(output_dir).resolve()):
            raise UntrustedTargetError(
                f"the log handler '{name}' of the config would write {file}, outside of the run's folder.\n"
                f"Trust that {in_python_or_environment(LOG_FILES)}"
            )

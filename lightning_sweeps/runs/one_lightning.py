"""One Lightning under both of its names, so that modules written for ``pytorch_lightning`` train as any other."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

NAMES = {"pytorch_lightning": "lightning.pytorch", "lightning_fabric": "lightning.fabric"}


def share_one_lightning() -> None:
    """Let ``import pytorch_lightning`` give ``lightning.pytorch`` from now on.

    The two are one library, published under two names, and neither takes the other's modules. What has been imported
    under the old name already stays what it is.
    """
    if not any(isinstance(finder, _OneLightning) for finder in sys.meta_path):
        sys.meta_path.insert(0, _OneLightning())


class _OneLightning(MetaPathFinder, Loader):
    """Finds a module of the old name as the same object as that of the new one."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package = fullname.partition(".")[0]
        if package not in NAMES or _is_another(package):
            return None
        found = importlib.util.find_spec(NAMES[package] + fullname.removeprefix(package))
        if found is None:
            return None
        is_package = found.submodule_search_locations is not None
        return ModuleSpec(fullname, self, loader_state=found, is_package=is_package)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        found: ModuleSpec = spec.loader_state
        module = importlib.import_module(found.name)
        spec.loader_state = module.__spec__  # which Python replaces when this returns
        return module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None  # noqa: S101 (for the type checker)
        module.__spec__ = module.__spec__.loader_state


def _is_another(package: str) -> bool:
    """Whether the package was imported under its old name before."""
    there = sys.modules.get(package)
    return there is not None and there is not sys.modules.get(NAMES[package])

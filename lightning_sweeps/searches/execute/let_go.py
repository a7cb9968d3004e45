"""Let go of what a trial has made, as an interpreter does when it ends: many an object writes when it is freed."""

import os
import site
import sys
import traceback
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from lightning_sweeps.safety.trust import trusted

_LIBRARIES = tuple(filter(None, [str(Path(os.__file__).parent), *site.getsitepackages(), site.USER_SITE]))
_ITS_FOLDER = Path(__file__).parents[2]
_ITS_COMMAND = str(_ITS_FOLDER / "__main__.py")


class Globals:
    """The names in the modules of the user's own, as they are before a trial."""

    def __init__(self) -> None:
        self._modules = _of_the_user(sys.modules)
        self._before = [dict(vars(module)) for module in self._modules]
        self._known = len(sys.modules)

    def let_go(self) -> bool:
        """Set those to None that have another value since. Whether there is any code of the user's."""
        # Those that the trial has imported are the last: a look at all of them would copy their memory.
        imported = _of_the_user(islice(reversed(sys.modules), max(0, len(sys.modules) - self._known)))
        befores = [*self._before, *({} for _ in imported)]
        for module, before in zip([*self._modules, *imported], befores, strict=True):
            names = vars(module)
            for name in [name for name in names if not name.startswith("__")]:
                if name not in before or before[name] is not names[name]:
                    names[name] = None
        return bool(self._modules or imported or trusted())


def finalize(objects: Sequence[object]) -> None:
    """Call ``__del__`` of what is still there, the newest first, and show its errors, as Python does."""
    finalizers: dict[type, Any] = {}
    for one in reversed(objects):
        kind = type(one)
        if kind not in finalizers:
            finalizers[kind] = _finalizer_of(kind)
        if finalizers[kind] is not None:
            try:
                finalizers[kind](one)
            except Exception as error:  # noqa: BLE001 (whatever it may raise)
                sys.stderr.write(f"Exception ignored in: {finalizers[kind]}\n")
                traceback.print_exception(error)


def _finalizer_of(kind: type) -> FunctionType | None:
    """The ``__del__`` that was written in Python; files have one of their own."""
    found = getattr(kind, "__del__", None)
    return found if isinstance(found, FunctionType) else None


def _of_the_user(names: Iterable[str]) -> list[ModuleType]:
    """The modules of these names that are neither a library's nor of this package, and those that the user trusts."""
    users = tuple(f"{name.removesuffix('.*')}." for name in trusted())
    modules = [(name, sys.modules[name]) for name in names]
    return [
        one
        for name, one in modules
        if isinstance(one, ModuleType) and (f"{name}.".startswith(users) or _is_of_the_user(one))
    ]


def _is_of_the_user(module: ModuleType) -> bool:
    file = vars(module).get("__file__")
    if module is sys.modules["__main__"]:  # which also has what a notebook has sent
        return file != _ITS_COMMAND
    return isinstance(file, str) and not file.startswith((*_LIBRARIES, f"{_ITS_FOLDER}/"))

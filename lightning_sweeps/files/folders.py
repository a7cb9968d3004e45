"""Folders of runs: every run writes into a folder that it alone has created."""

import os
import re
import socket
from pathlib import Path

from lightning_sweeps.errors import FolderError

DATE = re.compile(r"\d{4}-\d\d-\d\d")  # the name of a folder of folders that are named by the time


def claim(folder: Path) -> Path:
    """Create the folder, or the next free one of ``folder-2``, ``folder-3``, ...

    Creating it is the claim, so no two processes get the same one.

    Raises:
        FolderError: it cannot be created (read-only, disk full, a file in the way).
    """
    number = 1
    while True:
        candidate = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        try:
            candidate.parent.mkdir(parents=True, exist_ok=True)
            candidate.mkdir()
        except FileExistsError as error:
            if not candidate.is_dir():
                raise unwritable(candidate, f"{error.filename} is a file") from error
            number += 1
        except OSError as error:
            raise unwritable(candidate, error.strerror or str(error)) from error
        else:
            return candidate


def unwritable(folder: Path, reason: str) -> FolderError:
    """The error for a folder that cannot be written, with the way out."""
    return FolderError(
        f"cannot write the output folder {folder}: {reason}.\n"
        "Make room, have it made writable, or name another one: hydra.run.dir=FOLDER, hydra.sweep.dir=FOLDER with -m"
    )


def write_atomically(file: Path, text: str) -> None:
    """Write a whole file or leave the old one as it is."""
    if file.exists() and not file.is_file():  # a device or a pipe, which is not to be replaced by a file
        file.write_text(text, encoding="utf-8")
        return
    temporary = file.with_name(f".{file.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def within(folder: Path, path: str | Path) -> str:
    """The path as seen from the folder, so that what is noted in it stays true when the folder is moved.

    One that is elsewhere stays absolute.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 (resolve() would follow links)
    base = Path(os.path.abspath(folder))  # noqa: PTH100
    return str(absolute.relative_to(base) if absolute.is_relative_to(base) else absolute)


def require_inside(subdir: str | None) -> None:
    """Refuse a ``hydra.output_subdir`` outside of the run's folder, where Hydra could replace a config.yaml.

    Raises:
        FolderError: it is one.
    """
    if subdir is not None and (Path(subdir).is_absolute() or ".." in Path(subdir).parts):
        raise FolderError(
            f"hydra.output_subdir={subdir}: it is a folder inside the run's own; name it without .. or a / before it"
        )

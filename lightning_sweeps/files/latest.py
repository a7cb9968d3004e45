"""The word ``latest`` for the newest search or run.

Links of that name would be followed by TensorBoard, which would show the newest ones twice.
"""

from pathlib import Path

from lightning_sweeps.errors import ConfigError

LATEST = "latest"
DATED = ("outputs/sweeps/*/*", "multirun/*/*")  # this package's folders, and those of Hydra's own


RUNS = "outputs/runs/*/*"


def search_folder(named: str) -> str:
    """The folder that the user named; for ``latest`` the search below the working folder that was begun last.

    Raises:
        ConfigError: ``latest``, and there is no search.
    """
    if named != LATEST or Path(named).exists():
        return named
    found = [file.parent for pattern in DATED for file in Path().glob(f"{pattern}/multirun.yaml")]
    if not found:
        where = " or ".join(pattern.partition("/*")[0] for pattern in DATED)
        raise ConfigError(f"latest: there is no search below {Path.cwd()} in {where}")
    return str(max(found, key=lambda folder: folder.parts[-2:]))


def checkpoint(named: str) -> str:
    """The checkpoint that the user named; for ``latest`` that of the newest run below the working folder."""
    if named != LATEST or Path(named).exists():
        return named
    found = list(Path().glob(f"{RUNS}/checkpoints/last.ckpt"))
    return str(max(found, key=lambda file: file.parts[-4:-2])) if found else named

"""Signs the checkpoints of this user's own runs, which may be loaded whole; any other file could run code.

A checkpoint is signed with the user's key when it is written. The signatures are beside the files, so a folder can be
moved; a file that was changed, or that somebody else wrote, has none that fits.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import Trainer

from lightning_sweeps.files.folders import write_atomically
from lightning_sweeps.safety.user_key import is_signed, signature

SIGNATURES = ".signatures.json"
_written: set[bytes] = set()  # by this process


class SigningCheckpointIO(CheckpointIO):
    """Signs the checkpoints that another plugin writes, if they are files, and loads those whole that are signed.

    Not Lightning's own wrapper: the strategy gives that one a plain plugin inside, whatever it was made with.
    """

    def __init__(self, plugin: CheckpointIO) -> None:
        self.plugin = plugin

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        self.plugin.save_checkpoint(checkpoint, path, storage_options)
        if Path(path).is_file():
            sign(Path(path))

    def load_checkpoint(self, path: Any, *arguments: Any, **named: Any) -> dict[str, Any]:
        if named.get("weights_only", False) is None and is_own(Path(path)):
            named["weights_only"] = False  # nobody has said; by default torch refuses what a module may well keep there
        return self.plugin.load_checkpoint(path, *arguments, **named)

    def remove_checkpoint(self, path: Any) -> None:
        self.plugin.remove_checkpoint(path)

    def teardown(self) -> None:
        self.plugin.teardown()


def sign_checkpoints(trainer: Trainer) -> None:
    """Let the trainer's checkpoints be signed, unless a thread writes them later."""
    plugin = trainer.strategy.checkpoint_io
    # Its name, since pytorch_lightning has a class of its own.
    if all(one.__name__ != "AsyncCheckpointIO" for one in type(plugin).__mro__):
        trainer.strategy.checkpoint_io = SigningCheckpointIO(plugin)


def sign(file: Path) -> None:
    """Note that this run has just written the file. Without a home only this process knows."""
    digest = _digest(file)
    _written.add(digest)
    try:
        there = {name: one for name, one in _read(file.parent).items() if (file.parent / name).is_file()}
        signed = {**there, file.name: signature(digest)}
        write_atomically(file.parent / SIGNATURES, json.dumps(signed, indent=2) + "\n")
    except OSError:
        return


def is_own(file: Path) -> bool:
    """Whether a run of this user wrote the file as it is."""
    noted = _read(file.parent).get(file.name)
    try:
        digest = _digest(file)
    except OSError:
        return False
    return digest in _written or is_signed(digest, noted)


def _read(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / SIGNATURES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _digest(file: Path) -> bytes:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()

"""The options of the commands beside a run, each mistake in one line."""

import argparse
import sys
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """``argparse``'s own, without its usage above each error, and without abbreviations.

    ``--seed 5`` would be ``--seeds 5``.
    """

    def __init__(self, prog: str, description: str | None = None) -> None:
        super().__init__(prog, description=description, allow_abbrev=False)

    def add_study(self) -> None:
        """The options that say which study of a storage, or of a folder, is meant."""
        self.add_argument("--study", metavar="NAME", help="if the storage has several")
        self.add_argument("--storage", metavar="URL", help="of the folder's study, if it has a password")

    def error(self, message: str) -> NoReturn:
        """Say it and leave with exit code 2, as ``argparse`` does."""
        sys.stderr.write(f"error: {message}; see {self.prog} --help\n")
        sys.exit(2)

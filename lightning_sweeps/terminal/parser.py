"""The options of the commands beside a run, each mistake in one line."""

import argparse
import shutil
import sys
import textwrap
from typing import NoReturn

WIDEST = 100  # columns that a paragraph is read well in


class Parser(argparse.ArgumentParser):
    """``argparse``'s own, without its usage above each error, and without abbreviations.

    ``--seed 5`` would be ``--seeds 5``.

    Args:
        documentation: of the command's module; what follows the command in its first line, and the rest, is its help.
    """

    def __init__(self, prog: str, documentation: str | None) -> None:
        super().__init__(
            prog,
            description=_for_people(documentation or ""),
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def add_study(self) -> None:
        """The options that say which study of a storage, or of a folder, is meant."""
        self.add_argument("--study", metavar="NAME", help="if the storage has several")
        self.add_argument("--storage", metavar="URL", help="of the folder's study, if it has a password")

    def error(self, message: str) -> NoReturn:
        """Say it and leave with exit code 2, as ``argparse`` does."""
        sys.stderr.write(f"error: {message}; see {self.prog} --help\n")
        sys.exit(2)


def _for_people(documentation: str) -> str:
    """A docstring's paragraphs as wide as the terminal, without its marks and the command that it begins with."""
    _, _, text = documentation.partition("``: ")
    text = text[:1].upper() + text[1:].replace("``", "")
    width = min(shutil.get_terminal_size().columns, WIDEST)
    return "\n\n".join(textwrap.fill(" ".join(part.split()), width) for part in text.strip().split("\n\n"))

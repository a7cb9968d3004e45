"""``python -m lightning_sweeps.new FOLDER``: begin a new project: data, module, configs, a search, tests."""

import shlex
import sys
from pathlib import Path

from lightning_sweeps.errors import SweepsError
from lightning_sweeps.new.project import KINDS, write_project
from lightning_sweeps.terminal.console import say
from lightning_sweeps.terminal.ctrl_c import Interruptible
from lightning_sweeps.terminal.parser import Parser


def main() -> None:
    """Read the command line, write the project, and say what to type next."""
    parser = Parser("python -m lightning_sweeps.new", __doc__)
    parser.add_argument("folder", metavar="FOLDER", help="where to create the project; the package gets its name")
    parser.add_argument(
        "--data",
        choices=KINDS,
        default="tensors",
        help="what it learns from: a folder of images, a CSV file, or tensors that you make (the default)",
    )
    parser.add_argument("--package", metavar="NAME", help="the package's name, if it is not the folder's")
    arguments = parser.parse_args()
    try:
        package = write_project(Path(arguments.folder), arguments.data, arguments.package)
    except SweepsError as error:
        sys.exit(f"error: {error}")
    folder = shlex.quote(arguments.folder)
    say(
        f"written to {folder}, with a little data to begin with. Next:\n"
        f"cd {folder} && pip install -e .\n"
        f"python -m {package} -m search=first\n"
    )


if __name__ == "__main__":
    with Interruptible():
        main()

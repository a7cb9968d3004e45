"""``python -m lightning_sweeps.report SEARCH``: what came out of a search, as one page or as a table.

SEARCH is a search's folder, running, ended or killed, the word ``latest``, or an Optuna storage URL, with
#NAME behind it if it has several studies. Several searches are compared. With --serve it
may be a folder with searches below it, such as outputs.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import optuna

from lightning_sweeps.errors import ConfigError, SweepsError
from lightning_sweeps.files.folders import write_atomically
from lightning_sweeps.files.latest import search_folder
from lightning_sweeps.overrides.command_line import from_here
from lightning_sweeps.report.serve.server import PORT, serve
from lightning_sweeps.report.table import FORMATS, as_text, summary_text
from lightning_sweeps.report.write import write_comparison, write_report
from lightning_sweeps.searches.record.saved import Saved, open_saved
from lightning_sweeps.terminal.console import say
from lightning_sweeps.terminal.ctrl_c import Interruptible
from lightning_sweeps.terminal.parser import Parser


def main() -> None:
    """Read the command line and do it."""
    parser = Parser("python -m lightning_sweeps.report", __doc__)
    parser.add_argument("searches", nargs="+", metavar="SEARCH", help="a search's folder, or a storage URL")
    parser.add_study()
    parser.add_argument("--format", choices=["html", *FORMATS], default="html", help="a table goes to the screen")
    parser.add_argument("--json", action="store_true", help="a summary and all trials to the screen, as JSON")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write")
    parser.add_argument("--serve", action="store_true", help="show the page in a browser while the search runs")
    parser.add_argument("--port", type=int, default=PORT, help=f"of --serve; 0: any that is free (default: {PORT})")
    arguments = parser.parse_args()
    if arguments.output and arguments.format == "html" and arguments.output.suffix[1:] in FORMATS:
        arguments.format = arguments.output.suffix[1:]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        if arguments.serve:
            _serve(arguments)
            return
        if len(arguments.searches) > 1 and (arguments.json or arguments.format != "html" or arguments.storage):
            raise ConfigError("several searches are compared on a page; --format, --json and --storage are for one")
        if len(arguments.searches) > 1 and arguments.study:
            raise ConfigError("--study is for one search; of several, name the study of each: URL#study")
        opened = [open_saved(where, arguments.storage, arguments.study) for where in arguments.searches]
        _require_different(opened, arguments.searches)
        if arguments.json:
            _put(summary_text(opened[0]), arguments.output)
        elif arguments.format != "html":
            _put(as_text(opened[0], arguments.format), arguments.output)
        elif len(opened) > 1:
            _told(write_comparison(opened, arguments.output or Path("comparison.html")))
        else:
            _told(write_report(opened[0], arguments.output or _usual(opened[0])))
    except SweepsError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        where = arguments.output.parent if arguments.output else arguments.searches[0]
        sys.exit(f"error: {where}: {error.strerror}; write elsewhere with --output FILE")


def _serve(arguments: argparse.Namespace) -> None:
    if len(arguments.searches) > 1 or arguments.json or arguments.output or arguments.storage or arguments.study:
        raise ConfigError("--serve is for one folder: a search's, or one with searches below it such as outputs")
    if "://" in arguments.searches[0]:
        raise ConfigError("--serve is for folders; without it the command writes a page for a storage URL")
    serve(Path(search_folder(arguments.searches[0])), arguments.port)


def _require_different(opened: Sequence[Saved], typed: Sequence[str]) -> None:
    seen: set[object] = set()
    for saved, where in zip(opened, typed, strict=True):
        one = saved.folder.resolve() if saved.folder is not None else (where.partition("#")[0], saved.study.study_name)
        if one in seen:
            raise ConfigError(f"{where} is named twice: compare a search with another one")
        seen.add(one)


def _usual(saved: Saved) -> Path:
    if saved.folder is not None:
        return saved.folder / "report.html"
    plain = re.sub(r"[^\w.-]+", "-", saved.study.study_name)
    return Path(f"report-{plain}.html")


def _put(text: str, file: Path | None) -> None:
    if file is None:
        say(text)
    elif file.exists():
        raise ConfigError(f"{file} is there already; nothing is overwritten")
    else:
        write_atomically(file, text)


def _told(file: Path) -> None:
    say(f"{from_here(file)}\n")


if __name__ == "__main__":
    with Interruptible():
        main()

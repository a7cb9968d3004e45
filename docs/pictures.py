"""The pictures of terminals in the README: ``nox -s pictures`` (or ``python docs/pictures.py [run|search]``).

Runs the command on a terminal of its own and draws what the user sees.
"""

import itertools
import sys
import tempfile
import time
from pathlib import Path

import pexpect
import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 118, 34
# Name -> overrides, and what is on the screen when the picture is taken.
PICTURES = {
    "run": ((), "fit took"),
    "search": (("-m", "search=quick"), "report   "),
}


def screen(overrides: tuple[str, ...], until: str) -> pyte.Screen:
    """Run ``python -m lightning_sweeps`` until the text is on the screen."""
    shown = pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.ByteStream(shown)
    arguments = ["-m", "lightning_sweeps", *overrides]
    with tempfile.TemporaryDirectory() as folder:
        terminal = pexpect.spawn(sys.executable, arguments, cwd=folder, dimensions=(HEIGHT, WIDTH), timeout=300)
        while not any(until in line for line in shown.display):
            stream.feed(terminal.read_nonblocking(65536, timeout=300))
        deadline = time.monotonic() + 1  # what belongs to it
        while time.monotonic() < deadline and terminal.isalive():
            try:
                stream.feed(terminal.read_nonblocking(65536, timeout=0.3))
            except (pexpect.TIMEOUT, pexpect.EOF):
                break
        terminal.close(force=True)
    return shown


def draw(name: str) -> None:
    """Write one picture."""
    overrides, until = PICTURES[name]
    shown = screen(overrides, until)
    console = Console(record=True, width=WIDTH, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(Text.assemble(("$ ", "bold green"), " ".join(["python -m lightning_sweeps", *overrides])))
    lines = [line for line, text in enumerate(shown.display) if text.strip()]
    for line in range(max(lines) + 1):
        row = [shown.buffer[line][column] for column in range(WIDTH)]
        text = Text()
        for style, chars in itertools.groupby(row, lambda char: (char.fg, char.bold)):
            color, bold = style
            data = "".join(char.data for char in chars)
            text.append(data, Style(color=None if color == "default" else color, bold=bold))
        text.rstrip()
        console.print(text, soft_wrap=True)
    console.save_svg(str(IMAGES / f"{name}.svg"), title="lightning_sweeps")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or PICTURES:
        draw(wanted)

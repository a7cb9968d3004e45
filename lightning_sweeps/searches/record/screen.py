"""The search's lines on a terminal: one row each, with colours; elsewhere they are plain log lines."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.text import Text

STYLED = "styled"  # an attribute of a log record: the same for a terminal


class Screen(logging.Handler):
    """Writes log lines on a terminal, in place of the handlers that would print them."""

    def __init__(self, console: Console, formatter: logging.Formatter | None) -> None:
        super().__init__()
        self.console = console
        self.formatter = formatter

    def emit(self, record: logging.LogRecord) -> None:
        styled = getattr(record, STYLED, None)
        with suppress(OSError):  # the terminal may be gone
            if isinstance(styled, Text):
                in_one_row = "\n" not in styled.plain
                if in_one_row:
                    self.console.print(styled, no_wrap=True, overflow="ellipsis", crop=True)
                else:
                    self.console.print(styled, soft_wrap=True)
            else:
                self.console.print(Text(self.format(record)), soft_wrap=True)


@contextmanager
def on_screen(*, shared: bool) -> Iterator[Console | None]:
    """Inside, log lines for the screen go to the terminal, if there is one. Other handlers, as of files, stay.

    Args:
        shared: trials print on it themselves, so it is left to them.
    """
    console = Console(highlight=False)
    on_a_terminal = console.is_terminal and console.file.isatty()  # FORCE_COLOR alone makes none of a file
    root = logging.getLogger()
    replaced = [
        handler
        for handler in root.handlers
        if isinstance(handler, logging.StreamHandler)
        and not isinstance(handler, logging.FileHandler)
        and handler.stream in (sys.__stdout__, sys.__stderr__)
    ]
    if shared or not on_a_terminal or console.is_dumb_terminal or not replaced:
        yield None
        return
    screen = Screen(console, replaced[0].formatter)
    screen.setLevel(replaced[0].level)
    before = root.handlers[:]
    root.handlers[:] = [*(one for one in before if one not in replaced), screen]
    try:
        yield console
    finally:
        root.handlers[:] = [*(one for one in root.handlers if one is not screen), *replaced]


def say(log: logging.Logger, line: Text) -> None:
    """Log a line, with its colours on a terminal."""
    log.info("%s", line.plain, extra={STYLED: line})

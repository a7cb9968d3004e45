"""How a trial's process sets itself up: signals, devices, output."""

import faulthandler
import os
import signal
import sys
from pathlib import Path

from lightning_sweeps.machine import bind_to
from lightning_sweeps.searches.engine.signals import TIME_IS_UP
from lightning_sweeps.searches.execute.gpus import show_gpus
from lightning_sweeps.searches.execute.slots import Slot
from lightning_sweeps.terminal.keyboard_interrupt import interrupt


def hear_signals() -> None:
    """Handle signals in a trial: a cluster sends its own to all processes of a job, and the supervisor decides.

    What the trial forks is ended by SIGTERM, as in the program.
    """
    programs = signal.getsignal(signal.SIGTERM)
    if programs in (None, signal.SIG_IGN):  # the server's
        programs = signal.SIG_DFL
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, programs))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    for number in TIME_IS_UP:
        signal.signal(number, lambda *_: None)  # not SIG_IGN, which the programs that a trial starts would inherit


def ignore_interrupts() -> None:
    """Ignore Ctrl-C and SIGTERM from now on: the trial has ended, and one more signal must not lose its outcome."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def take_devices(slot: Slot) -> None:
    """Give this process its slot's devices, before anything starts CUDA."""
    if slot.cores:
        bind_to(list(slot.cores))
    if slot.gpus is not None:
        show_gpus(slot.gpus)
        torch = sys.modules.get("torch")
        if slot.memory < 1 and torch is not None and torch.cuda.is_available():
            torch.cuda.set_per_process_memory_fraction(slot.memory)


def redirect_output(folder: Path) -> None:
    """Send what the trial prints into its folder, including what it writes to streams of the program's own."""
    folder.mkdir(parents=True, exist_ok=True)
    output = os.open(folder / "output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(output, descriptor)
        stream = getattr(sys, name)
        try:
            same = stream.fileno() == descriptor
            stream.reconfigure(line_buffering=True)
        except (AttributeError, OSError, ValueError):  # a notebook's, or a test's
            same = False
        if not same:
            setattr(sys, name, open(descriptor, "w", buffering=1, closefd=False))  # noqa: SIM115
    os.close(output)
    faulthandler.enable()

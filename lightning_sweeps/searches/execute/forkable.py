"""Whether a process can be forked, so that its children work as it does."""

import ctypes
import os
import re
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

from lightning_sweeps.searches.execute.gpus import visible_gpus

SHOWN_THREADS = 3
SECONDS_OF_A_PROBE = 10.0
SECONDS_OF_AN_ENDING_THREAD = 0.1
REFUSES_CUDA, NO_ANSWER = 1, 2
# Threads of jemalloc, which pyarrow and so pandas bring along; it starts new ones in a forked process.
SAFE_THREADS = ("jemalloc_bg_thd",)
# The thread of NVIDIA's driver. From version 580 on a look for GPUs starts it, which does no harm; so does CUDA, which
# then refuses forked processes.
DRIVERS_THREAD = re.compile(r"cuda[0-9a-f]{6,}")
NOT_INITIALIZED = 3  # the answer of the driver to a process that was forked after CUDA's start


def why_not_fork() -> str | None:
    """Say in words what in this process would not survive a fork; None if it can be forked."""
    if sys.platform != "linux":
        return "processes of this system cannot be forked safely"
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
    if threads:
        more = ", ..." if len(threads) > SHOWN_THREADS else ""
        return f"it has started threads ({', '.join(threads[:SHOWN_THREADS])}{more})"
    return _what_a_child_finds()


def _what_a_child_finds() -> str | None:
    has_gpus = "torch" in sys.modules and bool(visible_gpus())
    has_driver = any(map(DRIVERS_THREAD.fullmatch, _native_threads()))
    if len(_unsafe_threads()) == 1 and not has_gpus and not has_driver:
        return None
    said = _ask_a_child(has_driver)
    if said == NO_ANSWER:
        return "a process that was forked from it did not answer"
    if said == REFUSES_CUDA and (has_gpus or has_driver):
        return "it has started CUDA"
    if not _is_alone():
        return "it has started native threads, such as those of a parallel torch operation"
    return None


def _ask_a_child(has_driver: bool) -> int:
    """Fork a child and let it say whether it works.

    OpenBLAS ends its threads before a fork, and starts them again where they are needed: afterwards the native threads
    of this process are others.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python warns of forks beside any threads
        child = os.fork()
    if child == 0:
        os._exit(REFUSES_CUDA if _refuses_cuda(has_driver) else 0)
    deadline = time.monotonic() + SECONDS_OF_A_PROBE
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return NO_ANSWER
        time.sleep(0.001)
    code = os.waitstatus_to_exitcode(ended[1])
    return code if code in (0, REFUSES_CUDA) else NO_ANSWER


def _refuses_cuda(has_driver: bool) -> bool:
    """Whether this process, which was forked, cannot use CUDA; torch refuses it after an answer from CUDA."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda._is_in_bad_fork():  # noqa: SLF001
        return True
    try:
        return has_driver and ctypes.CDLL("libcuda.so.1").cuInit(0) == NOT_INITIALIZED
    except (OSError, AttributeError):
        return False


def _is_alone() -> bool:
    """Whether this is the only native thread. One that has just ended may be listed for a moment."""
    deadline = time.monotonic() + SECONDS_OF_AN_ENDING_THREAD
    while len(_unsafe_threads()) > 1:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def _unsafe_threads() -> list[str]:
    """The names of the threads that a forked process would miss, this one among them."""
    return [name for name in _native_threads() if name not in SAFE_THREADS and not DRIVERS_THREAD.fullmatch(name)]


def _native_threads() -> list[str]:
    """The names of this process's threads, including those unknown to Python."""
    return [_name(thread) for thread in Path("/proc/self/task").iterdir()]


def _name(thread: Path) -> str:
    try:
        return (thread / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # the thread has just ended

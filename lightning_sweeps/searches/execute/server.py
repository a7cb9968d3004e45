"""The process that trials' processes are started from, and what it and the supervisor tell each other.

Each message has a kind, the number of a process and a value, and may carry descriptors.
"""

import os
import signal
import socket
import struct
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import wait
from typing import NoReturn

MESSAGE = struct.Struct("=cii")
SECONDS_BETWEEN_LOOKS = 0.05  # if the system cannot tell of a process by a descriptor


class Told(Enum):
    """The kinds of messages."""

    START = b"S"  # to the server, with a trial's connection and lifeline
    READY = b"R"  # trials can be started
    UNFIT = b"U"  # they cannot be, from this process, and why
    WRONG = b"W"  # nor from any other, and why
    STARTED = b"P"  # a process, with its pid, and its descriptor if there is one
    ENDED = b"E"  # a process, with its exit code


@dataclass(frozen=True)
class Child:
    """A process of a trial, started by this one."""

    pid: int
    reap: Callable[[], int]  # waits for it; its exit code


def tell(
    channel: socket.socket,
    kind: Told,
    text: str = "",
    *,
    number: int = 0,
    value: int = 0,
    descriptors: Sequence[int] = (),
) -> None:
    """Send a message, perhaps with a text after it. It is no error if the other side has gone."""
    content = text.encode()
    with suppress(BrokenPipeError, ConnectionResetError):
        socket.send_fds(channel, [MESSAGE.pack(kind.value, number, value or len(content))], list(descriptors))
        channel.sendall(content)


def hear(channel: socket.socket) -> tuple[Told, int, int, list[int]] | None:
    """The next message; None if the other side has gone."""
    try:
        content, descriptors, _, _ = socket.recv_fds(channel, MESSAGE.size, 2)
    except ConnectionResetError:
        return None
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    if len(content) < MESSAGE.size:
        return None
    kind, number, value = MESSAGE.unpack(content)
    return Told(kind), number, value, list(descriptors)


def hear_text(channel: socket.socket, length: int) -> str:
    """The text behind a message."""
    return channel.recv(length, socket.MSG_WAITALL).decode(errors="replace")


def serve(control: socket.socket, start: Callable[[int, int, Collection[int]], Child]) -> NoReturn:
    """Start processes and tell how each ended, until the supervisor leaves.

    Args:
        start: given the descriptors of a trial's connection and lifeline, and those that are not for the trial.
    """
    tell(control, Told.READY)
    children: dict[int, tuple[int, Child]] = {}  # by a descriptor of the process, or minus its pid
    while True:
        watched: list[socket.socket | int] = [control, *(key for key in children if key > 0)]
        ready = wait(watched, None if len(watched) > len(children) else SECONDS_BETWEEN_LOOKS)
        for key in [key for key in children if key in ready or (key < 0 and _has_ended(-key))]:
            number, child = children.pop(key)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)  # its children; until it is reaped, nobody else gets its pid
            tell(control, Told.ENDED, number=number, value=child.reap())
            if key > 0:
                os.close(key)
        if control not in ready:
            continue
        message = hear(control)
        if message is None:
            os._exit(0)  # without the program's own exit handlers
        _, number, _, descriptors = message
        connection, lifeline = descriptors
        child = start(connection, lifeline, [control.fileno(), *(key for key in children if key > 0)])
        for descriptor in descriptors:
            os.close(descriptor)
        try:
            key = os.pidfd_open(child.pid)
        except (AttributeError, OSError):
            key = -child.pid
        children[key] = number, child
        tell(control, Told.STARTED, number=number, value=child.pid, descriptors=[key] if key > 0 else [])


def _has_ended(pid: int) -> bool:
    """Whether the child has ended and waits to be reaped."""
    if not hasattr(os, "waitid"):  # macOS, before Python 3.13
        import psutil

        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

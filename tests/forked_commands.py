"""Answers command lines: each in a fork of this process, which has imported what a command imports.

Reads lines of JSON, ``{"arguments": [...], "folder": ...}``, and answers each with exit code, stdout and stderr.
"""

import json
import os
import sys
import traceback
from pathlib import Path

import torch

import lightning_sweeps
import lightning_sweeps.command.app
import lightning_sweeps.run.train
import lightning_sweeps.run.warm
import lightning_sweeps.search.search


def answer(arguments: list[str], folder: Path) -> dict[str, object]:
    """What the command ``python -m lightning_sweeps`` does with these arguments in this folder."""
    process = os.fork()
    if not process:
        _be_the_command(arguments, folder)
    _, status = os.waitpid(process, 0)
    out, err = ((folder / name).read_text() for name in ("out", "err"))
    return {"code": os.waitstatus_to_exitcode(status), "out": out, "err": err}


def _be_the_command(arguments: list[str], folder: Path) -> None:
    code: object = 0
    try:
        os.setsid()
        os.chdir(folder)
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(name, os.O_CREAT | os.O_WRONLY | os.O_APPEND), descriptor)
        sys.argv = [str(Path(lightning_sweeps.__file__).with_name("__main__.py")), *arguments]
        lightning_sweeps.main()
    except SystemExit as left:
        code = left.code
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
            code = 1
    except BaseException:  # noqa: BLE001 (the test looks for it)
        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code or 0))  # type: ignore[call-overload]


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in sys.stdin:
        asked = json.loads(line)
        sys.__stdout__.write(json.dumps(answer(asked["arguments"], Path(asked["folder"]))) + "\n")  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]

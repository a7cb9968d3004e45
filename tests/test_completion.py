"""Tab completion in a real bash."""

import os
import shutil
import sys
from pathlib import Path

import pexpect
import pytest

pytestmark = pytest.mark.slow
PROMPT = "ready> "


@pytest.fixture
def bash():
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PS1": PROMPT,
        "TERM": "dumb",
        "INPUTRC": "/dev/null",
    }
    with pexpect.spawn("bash", ["--norc", "--noprofile"], env=environment, encoding="utf-8", timeout=60) as shell:
        shell.expect_exact(PROMPT)
        shell.sendline("bind 'set bell-style none'; eval \"$(lightning_sweeps -sc install=bash)\"; echo inst''alled")
        shell.expect_exact("installed")
        shell.expect_exact(PROMPT)
        yield shell


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("model=c", "model=cnn"),
        ("sear", "search="),
        ("search=qu", "search=quick"),
        ("optimizer.weight", "optimizer.weight_decay="),
    ],
)
def test_a_tab_completes(bash, typed, completed):
    bash.send(f"lightning_sweeps {typed}\t")
    bash.expect_exact(completed)


def test_two_tabs_list_the_options(bash):
    bash.send("lightning_sweeps trainer=\t\t")
    bash.expect_exact(PROMPT)
    assert {"trainer=auto", "trainer=cpu", "trainer=ddp", "trainer=gpu"} <= set(bash.before.split())

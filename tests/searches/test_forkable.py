"""Which threads keep a process from being forked; the driver's are pretended, since few machines have one."""

import subprocess
import sys

import pytest

PROCESS = """
import _thread, ctypes, sys, time
from pathlib import Path
from lightning_sweeps.searches.execute import forkable

def wait(name):
    Path(f"/proc/self/task/{_thread.get_native_id()}/comm").write_text(name)
    time.sleep(1000)

class Driver:
    def __init__(self, name): assert name == "libcuda.so.1"
    def cuInit(self, flags): return int(sys.argv[1])

ctypes.CDLL = Driver
for name in sys.argv[2:]:
    _thread.start_new_thread(wait, (name,))  # unknown to threading, as a library's own
while set(sys.argv[2:]) - set(forkable._native_threads()):
    time.sleep(0.01)
print(forkable.why_not_fork())
"""
DRIVERS = "cuda00001800007"  # what driver 580 calls it


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
@pytest.mark.parametrize(
    ("answer", "threads", "said"),
    [
        (0, [DRIVERS], "None"),
        (0, [DRIVERS, "jemalloc_bg_thd"], "None"),
        (100, [DRIVERS], "None"),  # CUDA_VISIBLE_DEVICES shows none
        (3, [DRIVERS], "it has started CUDA"),
        (3, [DRIVERS, "cuda-EvtHandlr"], "it has started CUDA"),
        (0, [DRIVERS, "pool"], "it has started native threads, such as those of a parallel torch operation"),
        (0, ["cuda-EvtHandlr"], "it has started native threads, such as those of a parallel torch operation"),
    ],
)
def test_the_drivers_thread_counts_only_if_cuda_refuses_forked_processes(answer, threads, said):
    command = [sys.executable, "-c", PROCESS, str(answer), *threads]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == said

"""How many threads a process computes with."""

import os
import sys

from lightning_sweeps.machine import usable_cores


def limit_threads(count: int) -> None:
    """Let this process and its children compute with at most this many threads; settings of the program's own stay."""
    count = max(1, count)
    if count >= (os.cpu_count() or 1):
        return
    if count < len(usable_cores()):  # for libraries that are loaded later
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, str(count))
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > count:
        torch.set_num_threads(count)
    if "numpy" in sys.modules:
        import threadpoolctl

        pools = threadpoolctl.ThreadpoolController()
        if any(pool["num_threads"] > count for pool in pools.info()):
            pools.limit(limits=count)

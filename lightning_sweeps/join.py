"""``python -m lightning_sweeps.join FOLDER [overrides]``: add a supervisor to the search that runs in the folder.

On any machine that sees the folder; on one that sees only the storage, type the search's command again.
"""

import sys

from lightning_sweeps.resume import start_again

USAGE = """usage: python -m lightning_sweeps.join FOLDER [overrides] [--trust]
hydra.sweeper.n_jobs=4 runs so many trials at once; --trust takes a search of another user or machine, whose program is
shown without it"""


def main() -> None:
    """Join the search that was typed."""
    if len(sys.argv) > 1 and "://" in sys.argv[1]:
        sys.exit("error: a storage is joined by the search's own command, typed again with it and the study_name")
    launches = any(line.startswith("hydra.sweeper.workers=") for line in sys.argv)
    start_again(USAGE, "hydra.sweeper.join=true", *([] if launches else ["hydra.sweeper.workers=null"]))


if __name__ == "__main__":
    main()

"""``python -m lightning_sweeps``."""

from lightning_sweeps import main
from lightning_sweeps.files.leave import Leaving

if __name__ == "__main__":
    with Leaving():
        main()

"""``python -m lightning_sweeps``."""

from lightning_sweeps.app import main

if __name__ == "__main__":
    main()

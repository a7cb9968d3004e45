"""``python -m lightning_sweeps``."""

from lightning_sweeps import main

if __name__ == "__main__":
    main()

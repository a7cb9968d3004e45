from pathlib import Path

from lightning_sweeps import main

main(conf=Path(__file__).parent / "conf", trust=["own_project"])

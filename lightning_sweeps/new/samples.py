"""A little data, so that a new project runs before it has its own."""

import csv
from pathlib import Path

import numpy as np

ROWS = 300
IMAGES = 40  # of each class


def write_samples(folder: Path, kind: str) -> None:
    """Write what the project of this kind reads; one of tensors makes its own."""
    if kind == "table":
        folder.mkdir()
        _write_table(folder / "table.csv")
    elif kind == "images":
        _write_images(folder / "images")


def _write_table(file: Path) -> None:
    """Three classes by four numbers, of which two say nothing."""
    random = np.random.default_rng(0)
    with file.open("w", newline="", encoding="utf-8") as text:
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["width", "height", "age", "weight", "kind"])
        for _ in range(ROWS):
            kind = int(random.integers(3))
            numbers = random.normal([kind, -kind, 0, 0], [0.5, 0.5, 1, 1])
            table.writerow([*(f"{number:.3f}" for number in numbers), "abc"[kind]])


def _write_images(folder: Path) -> None:
    """Discs and squares of 32 pixels, in any colour and place."""
    from PIL import Image, ImageDraw

    random = np.random.default_rng(0)
    for name in ("disc", "square"):
        (folder / name).mkdir(parents=True)
        for number in range(IMAGES):
            picture = Image.new("RGB", (32, 32), tuple(random.integers(0, 100, 3).tolist()))
            x, y, size = random.integers(2, 12), random.integers(2, 12), random.integers(10, 18)
            box = [int(x), int(y), int(x + size), int(y + size)]
            draw = ImageDraw.Draw(picture)
            shape = draw.ellipse if name == "disc" else draw.rectangle
            shape(box, fill=tuple(random.integers(150, 256, 3).tolist()))
            picture.save(folder / name / f"{number:03}.png")

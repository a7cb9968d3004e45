"""Files of MNIST's format and size for the benchmarks: 28x28 bytes with a class to find in them, no download."""

import struct
from pathlib import Path

import numpy as np

SIZES = {"train": 60_000, "t10k": 10_000}


def write_mnist(data_dir: Path, sizes: dict[str, int] | None = None, signal: float = 0.25) -> None:
    """Write the four IDX files under ``data_dir/MNIST/raw``, where torchvision's MNIST looks for them.

    Args:
        signal: the class's share of an image, the rest is noise.
    """
    folder = data_dir / "MNIST" / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    prototypes = random.integers(0, 256, (10, 28, 28))
    for name, size in (sizes or SIZES).items():
        labels = np.arange(size) % 10
        random.shuffle(labels)
        noise = random.integers(0, 256, (size, 28, 28))
        images = (signal * prototypes[labels] + (1 - signal) * noise).astype(np.uint8)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, size, 28, 28) + images.tobytes())
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 2049, size) + labels.astype(np.uint8).tobytes()
        )

"""What the name of a metric tells."""

import re

SMALL_IS_GOOD = {"loss", "err", "error", "mse", "rmse", "mae", "mape", "nll", "perplexity", "ppl", "wer", "cer", "fid"}
LARGE_IS_GOOD = {"acc", "accuracy", "auc", "auroc", "f1", "precision", "recall", "iou", "miou", "dice", "bleu", "psnr"}
COSTS = ("parameters", "seconds_per_step", "peak_memory", "seconds")  # what a run can measure of itself


def is_of_validation(name: str) -> bool:
    """Whether it is logged in the validation: ``val/loss``, ``val_loss``, ``valid_loss``, ``validation/loss``."""
    return re.match(r"val(id|idation)?[/_]", name) is not None


def says_the_contrary(name: str, direction: str) -> bool:
    """Whether the name suggests the other direction than ``minimize`` or ``maximize``, as an accuracy's does."""
    words = set(re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()))
    small, large = bool(words & SMALL_IS_GOOD), bool(words & LARGE_IS_GOOD)
    return small != large and small is not (direction == "minimize")

"""What the name of a metric tells."""

import re


def is_of_validation(name: str) -> bool:
    """Whether it is logged in the validation: ``val/loss``, ``val_loss``, ``valid_loss``, ``validation/loss``."""
    return re.match(r"val(id|idation)?[/_]", name) is not None

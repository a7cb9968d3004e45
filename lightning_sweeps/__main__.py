"""``python -m lightning_sweeps``."""

from lightning_sweeps import main
from lightning_sweeps.files.leave import Leaving


def _has_code_of_the_users() -> bool:
    from lightning_sweeps.safety.trust import trusted

    return bool(trusted())


if __name__ == "__main__":
    with Leaving(unless=_has_code_of_the_users):
        main()

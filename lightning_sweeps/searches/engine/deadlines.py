"""What is to be done at what time."""

import math
import time
from collections.abc import Callable, Hashable


class Deadlines:
    """Calls functions when their time has come; a name has one deadline at most.

    Args:
        clock: in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._at: dict[Hashable, tuple[float, Callable[[], None]]] = {}

    def set(self, name: Hashable, at: float, do: Callable[[], None]) -> None:
        """Call ``do`` at this time, in place of what the name stood for."""
        self._at[name] = at, do

    def drop(self, name: Hashable) -> None:
        """Forget the name's deadline, if it has one."""
        self._at.pop(name, None)

    def first(self) -> float:
        """When the next one is."""
        return min((at for at, _ in self._at.values()), default=math.inf)

    def meet(self) -> None:
        """Call what is due, the earliest first. A deadline that is set during this call waits for the next one."""
        now = self.clock()
        for name in sorted((one for one, (at, _) in self._at.items() if at <= now), key=lambda one: self._at[one][0]):
            at, do = self._at.get(name, (math.inf, None))
            if do is not None and at <= now:  # an earlier one may have changed it
                del self._at[name]
                do()

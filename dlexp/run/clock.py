"""Measure how the time of a run is spent."""

from collections import defaultdict
from collections.abc import Callable
from time import perf_counter


class Clock:
    """A stopwatch with laps: the time since the last lap is booked under a name. Seconds, from a monotonic clock.

    Args:
        compiled: Returns the seconds of compilation so far. Compilation within a lap is booked under `compile` instead.
    """

    def __init__(self, compiled: Callable[[], float]) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._compiled = compiled
        self._last, self._last_compiled = perf_counter(), compiled()

    def lap(self, name: str) -> float:
        """Book the time since the last lap, and return it, without compilation."""
        now, compiled = perf_counter(), self._compiled()
        compilation = compiled - self._last_compiled
        passed = now - self._last - compilation
        self._last, self._last_compiled = now, compiled
        self.seconds["compile"] += compilation
        self.seconds[name] += passed
        return passed

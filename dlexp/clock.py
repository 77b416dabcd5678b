"""What a run's time went into."""

from collections import defaultdict
from time import perf_counter


class Clock:
    """A stopwatch with laps: whatever passed since the last lap is booked under one name. Seconds, from a monotonic clock."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._last = perf_counter()

    def lap(self, name: str) -> float:
        """Book the time since the last lap, and return it."""
        now = perf_counter()
        passed, self._last = now - self._last, now
        self.seconds[name] += passed
        return passed

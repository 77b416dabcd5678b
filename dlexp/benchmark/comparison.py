"""The pieces of a comparison: two arms that do the same work, and the figures computed from their times."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dlexp.benchmark.intervals import Goal


class Sample(NamedTuple):
    """The time of one unit of a block, in seconds.

    Args:
        seconds: Wall-clock time.
        cpu: CPU time, with child processes; None if some of the work is done by processes that are still running.
    """

    seconds: float
    cpu: float | None


Block = Callable[[int], Sample]
"""Does a number of units of work, and returns the mean time of one."""


MakeArm = Callable[..., Block]
"""Makes a new arm. One that trains accepts a `WorkLog`, and writes every batch and the last loss into it."""

KINDS: dict[str, Callable[[float, float], float]] = {
    "other / ours": lambda ours, other: other / ours,
    "ours / other": lambda ours, other: ours / other,
    "ours - other": lambda ours, other: ours - other,
    "ours": lambda ours, other: ours,
}
CONTROL = {"ours": "ours - other"}  # how an arm is compared with itself, if not by the kind itself


@dataclass(frozen=True)
class Figure:
    """A number computed from each pair of samples.

    Args:
        kind: A key of `KINDS`.
        unit: Such as `ms`; empty for a ratio.
        scale: Units per second; 1 for a ratio.
        goal: The goal, or None.
    """

    kind: str
    unit: str = ""
    scale: float = 1.0
    goal: Goal | None = None

    def compute(self, ours: Sample, other: Sample) -> float:
        """The figure for one pair."""
        return self.scale * KINDS[self.kind](ours.seconds, other.seconds)

    def compute_control(self, ours: Sample, again: Sample) -> float:
        """The figure for an arm and itself: without noise 1 for a ratio, and 0 for a difference."""
        return self.scale * KINDS[CONTROL.get(self.kind, self.kind)](ours.seconds, again.seconds)


@dataclass(frozen=True)
class Case:
    """Two arms, and how they are measured.

    Args:
        name: The work, such as `convnet, batch 32`.
        arms: Our arm and the other, in a few words.
        ours: Makes our arm.
        other: Makes the other arm; None if the figures need only ours.
        figures: Computed from the samples.
        unit: The unit of work, such as `steps`.
        block: Units of a block.
        check: Called before anything is timed; raises `DifferentWorkError` if the arms do different work.
        warmup: Untimed blocks of each arm before the first timed one.
        least_seconds: Blocks are lengthened until that of the faster arm takes this long.
    """

    name: str
    arms: tuple[str, str]
    ours: MakeArm
    other: MakeArm | None
    figures: tuple[Figure, ...]
    unit: str
    block: int
    check: Callable[["Case", int], None]
    warmup: int = 1
    least_seconds: float = 0.0


GPU_TIMING: dict[str, Any] = {"warmup": 3, "least_seconds": 1.0}
"""Fields of a case on a GPU, whose clock rises during the first blocks, and whose steps are short."""


@dataclass(frozen=True)
class Missing:
    """A case that this machine cannot measure, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class Request:
    """The options of the command.

    Args:
        scratch: A folder for run folders, which is removed at the end.
        airbench: The user's copy of airbench94_muon.py, or None.
        synthetic: Whether to use generated images instead of real ones.
    """

    scratch: Path
    airbench: Path | None = None
    synthetic: bool = False


@dataclass(frozen=True)
class Comparison:
    """One question, answered by one case or several.

    Args:
        name: For `--only`.
        question: The question.
        rounds: Number of pairs, fixed before the first is measured.
        cases: Lists the cases for this machine and request. A case builds nothing before it is measured.
    """

    name: str
    question: str
    rounds: int
    cases: Callable[[Request], Iterable[Case | Missing]]

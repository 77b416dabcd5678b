"""What a comparison is made of: two arms that do the same work, and the figures that are read from their times."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from dlexp.benchmark.intervals import Goal


class Sample(NamedTuple):
    """What one unit of a block took, in seconds.

    Args:
        seconds: By the clock on the wall.
        cpu: Of the processor, children included; None where a part of the work is done by processes that live on.
    """

    seconds: float
    cpu: float | None


Block = Callable[[int], Sample]
"""Does so many units of work, and tells what one of them took."""


Make = Callable[..., Block]
"""Makes an arm anew, from its start; one that trains takes a `Witness`, and shows it every batch and the last loss."""

KINDS: dict[str, Callable[[float, float], float]] = {
    "other / ours": lambda ours, other: other / ours,
    "ours / other": lambda ours, other: ours / other,
    "ours - other": lambda ours, other: ours - other,
    "ours": lambda ours, other: ours,
}
CONTROL = {"ours": "ours - other"}  # the same arm against itself; every other kind is its own control


@dataclass(frozen=True)
class Figure:
    """A number that each pair of samples gives.

    Args:
        kind: A key of `KINDS`.
        unit: What it is counted in, such as `ms`; empty for a ratio.
        scale: Of that unit, in a second; 1 for a ratio.
        goal: None where it is shown for its own sake.
    """

    kind: str
    unit: str = ""
    scale: float = 1.0
    goal: Goal | None = None

    def of(self, ours: Sample, other: Sample) -> float:
        """The figure of one pair."""
        return self.scale * KINDS[self.kind](ours.seconds, other.seconds)

    def control(self, ours: Sample, again: Sample) -> float:
        """The same of an arm beside itself: 1 for a ratio, 0 for a difference, were it not for noise."""
        return self.scale * KINDS[CONTROL.get(self.kind, self.kind)](ours.seconds, again.seconds)


@dataclass(frozen=True)
class Case:
    """Two arms, and how they are measured.

    Args:
        name: What is trained or started, such as `convnet, batch 32`.
        arms: What ours is and what the other is, in a few words.
        ours: Makes our arm.
        other: Makes the other, or is None where a figure of ours needs none.
        figures: What is read from the samples.
        unit: What a block does so many of.
        block: That many.
        check: Asks both for the same work, before anything is timed; raises `DifferentWorkError`.
        device: Where the work is done.
        warmup: Blocks of each arm before the first that counts.
        least_seconds: Blocks are lengthened until that of the quicker arm takes this long.
    """

    name: str
    arms: tuple[str, str]
    ours: Make
    other: Make | None
    figures: tuple[Figure, ...]
    unit: str
    block: int
    check: Callable[["Case", int], None]
    device: torch.device = torch.device("cpu")
    warmup: int = 1
    least_seconds: float = 0.0


@dataclass(frozen=True)
class Missing:
    """A case that this machine does not allow, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Request:
    """What the command asks for.

    Args:
        scratch: A folder for run folders; removed at the end.
        airbench: The user's own airbench94_muon.py, or None.
        synthetic: Whether generated images take the place of real ones.
    """

    scratch: Path
    airbench: Path | None = None
    synthetic: bool = False


@dataclass(frozen=True)
class Comparison:
    """One thing that is compared, in one case or several.

    Args:
        name: As `--only` takes it.
        question: What it answers.
        rounds: Pairs, fixed before any is measured.
        cases: Looks at the machine and the request; a case builds nothing until it is measured.
    """

    name: str
    question: str
    rounds: int
    cases: Callable[[Request], Iterable[Case | Missing]]

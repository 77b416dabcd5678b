"""A look: a number of seeds, or of draws of the data, at which a study is judged."""

from dataclasses import dataclass, field

from dlexp.analysis.judge.statistics import ALPHA


@dataclass(frozen=True)
class Look:
    """A look at a study.

    Args:
        units: The seeds whose runs it judges; of a study with `data_seeds` the draws of the data.
        level: What a p-value must be below, after Holm's correction over the predictions that no earlier look decided.
        planned: Whether the plan has it: the study's `looks`, those of `seeds=auto`, or else the one look at all listed seeds.
        last_level: The level of the last look that is planned.
    """

    units: tuple[int, ...]
    level: float
    planned: bool = True
    last_level: float = field(default=ALPHA, compare=False)

    @property
    def n(self) -> int:
        """The number of seeds, or of draws."""
        return len(self.units)

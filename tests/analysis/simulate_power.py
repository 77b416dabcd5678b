"""Simulate how often studies with as many seeds as a card names show what they are to show, and how often that is enough.

`python -m tests.analysis.simulate_power FOLDER` writes known.csv and estimated.csv, and does not do again what they have.
"""

import itertools
import math
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlexp.analysis.judge.power import Aim, count_seeds, least_seeds
from dlexp.analysis.judge.statistics import ALPHA
from dlexp.analysis.judge.verdict import judge
from tests.analysis.simulate import read_rows, run_cases

EFFECT = 0.1  # in the unit of the metric; a deviation is EFFECT / size
STUDIES, PILOT_STUDIES = 10_000, 400
CELLS = [{"arm": "a"}, {"arm": "b"}]
CLAIM = {"claim": "a", "plus": CELLS[0], "minus": CELLS[1]}
NEVER_RUN = CLAIM | {"minus": {"arm": "none"}, "expected": "greater"}


class Known(NamedTuple):
    """A prediction that is true by `EFFECT`: of a greater value, or of a value within a margin of as much.

    Args:
        expected: `greater` or `equal`.
        size: The effect in deviations of the difference.
        pairing: As in a study.
        family: Predictions of the study. Of the others there are no runs, so that none is decided.
    """

    expected: str
    size: float
    pairing: str
    family: int

    @property
    def deviation(self) -> float:
        """The standard error of the difference times √n."""
        return EFFECT / self.size

    def make_study(self, seeds: int) -> dict[str, Any]:
        """The study with so many seeds."""
        prediction = CLAIM | {"expected": self.expected}
        if self.expected == "equal":
            prediction |= {"margin": EFFECT, "effect": EFFECT}  # with this effect no number is worked out, which takes long
        predictions = [prediction, *[NEVER_RUN] * (self.family - 1)]
        return {"predictions": predictions, "seeds": list(range(seeds)), "pairing": self.pairing}

    def find_least(self) -> int:
        """The number from which on both tests can decide."""
        return least_seeds(self.family, paired=self.pairing == "paired")

    def count_seeds(self) -> int:
        """The number of seeds that a card would name if the deviation were known."""
        paired, far = self.pairing == "paired", EFFECT if self.expected == "equal" else None
        aim = Aim(EFFECT, far, ALPHA / self.family, paired)
        return count_seeds(aim, self.deviation, 1 if paired else 2, least=self.find_least()) or 0

    def draw(self, random: np.random.Generator, seeds: int, difference: float) -> list[dict[int, float]]:
        """Normal outcomes of both arms."""
        values = 0.5 + self.deviation / math.sqrt(2) * random.standard_normal((2, seeds))
        values[0] += difference
        if self.pairing == "paired":
            values += random.normal(0, self.deviation, seeds)
        return [dict(enumerate(arm)) for arm in values.tolist()]


class Estimated(NamedTuple):
    """The same, where the deviation is estimated from so many seeds."""

    known: Known
    seeds: int


KNOWN = [
    Known(expected, size, pairing, family)
    for expected, sizes in (("greater", (2.0, 1.2, 0.9, 0.5)), ("equal", (2.0, 1.25, 0.6)))
    for size, pairing, family in itertools.product(sizes, ("paired", "independent"), (1, 5))
]
ESTIMATED = [
    Estimated(Known("greater", size, pairing, family), seeds)
    for size, seeds, pairing, family in itertools.product((0.9, 0.4), (5, 10), ("paired", "independent"), (1, 5))
]


def count_holds(known: Known, seeds: int, studies: int) -> int:
    """Of how many simulated studies with so many seeds the first prediction holds."""
    study, random, holds = known.make_study(seeds), np.random.default_rng([seeds, *str(known).encode()]), 0
    for _ in range(studies):
        drawn = known.draw(random, seeds, 0.0 if known.expected == "equal" else EFFECT)
        holds += judge(study, CELLS, lambda metric, drawn=drawn: drawn)[0].verdict == "holds"
    return holds


def count_enough(case: Estimated, studies: int) -> tuple[int, int]:
    """Of simulated studies without a difference, how many cards name a number, and how many of these are large enough."""
    known, seeds = case
    study = known.make_study(seeds) | {"effect": EFFECT}
    needed, random = known.count_seeds(), np.random.default_rng(list(str(case).encode()))
    named = enough = 0
    for _ in range(studies):
        drawn = known.draw(random, seeds, 0.0)
        verdict = judge(study, CELLS, lambda metric, drawn=drawn: drawn)[0]
        if verdict.verdict == "undecided":
            number = {"enough": seeds, "many": math.inf}.get(str(verdict.need), verdict.needed or 0)
            named, enough = named + 1, enough + (number >= needed)
    return named, enough


def _simulate_known(known: Known) -> dict[str, Any]:
    begun, needed = time.process_time(), known.count_seeds()
    row = {**known._asdict(), "needed": needed, "studies": STUDIES, "holds": count_holds(known, needed, STUDIES)}
    row["holds_with_one_less"] = count_holds(known, needed - 1, STUDIES) if needed > known.find_least() else ""
    return row | {"cpu_seconds": round(time.process_time() - begun, 1)}


def _simulate_estimated(case: Estimated) -> dict[str, Any]:
    begun = time.process_time()
    named, enough = count_enough(case, PILOT_STUDIES)
    row = {**case.known._asdict(), "seeds": case.seeds, "needed": case.known.count_seeds(), "named": named, "enough": enough}
    return row | {"cpu_seconds": round(time.process_time() - begun, 1)}


def main(folder: Path) -> None:
    """Simulate what the two files lack."""
    done = {tuple(row[name] for name in Known._fields) for row in read_rows(folder / "known.csv")}
    todo = [known for known in KNOWN if tuple(map(str, known)) not in done]
    run_cases(todo, _simulate_known, folder / "known.csv")
    fields = (*Known._fields, "seeds")
    done = {tuple(row[name] for name in fields) for row in read_rows(folder / "estimated.csv")}
    cases = [case for case in ESTIMATED if tuple(map(str, (*case.known, case.seeds))) not in done]
    run_cases(cases, _simulate_estimated, folder / "estimated.csv")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

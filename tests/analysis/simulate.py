"""Simulate studies of which the truth is known, judge them as a report does, and count what is wrong.

A verdict is wrong if it is false of what its sentence names: of a t test the mean of the runs that learn, of a test of ranks
which side's values are larger, failures being the worst. A study is wrong if any of its verdicts is.

`python -m tests.analysis.simulate 10000 FILE.csv` simulates 10,000 studies of each case, 2,000 of all cases before the next
2,000. What the file has is not simulated again, and simulate_page.py makes the tables of docs/statistics.md from it.
"""

import csv
import itertools
import math
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.look import Look
from dlexp.analysis.judge.looks import judge_by_looks
from dlexp.analysis.judge.verdict import judge
from tests.analysis.simulate_data import DATA, MARGIN, SD, Arms
from tests.analysis.simulate_looks import EVERYWHERE, PLANS, list_looks

PROCESSES = 2
PART = 2_000  # studies of a row in the file


class Truth(NamedTuple):
    """What is true of a prediction, and what it says.

    Args:
        shift: The difference that is added to that of the data, which has none unless runs fail.
        expected, margin: As in a prediction.
    """

    shift: float = 0.0
    expected: str = "greater"
    margin: float = 0.0


NONE, GREATER, LESS = Truth(), Truth(SD), Truth(SD, "less")  # `less` is then wrong
OUTSIDE = Truth(MARGIN * (1 + 1e-9), "equal", MARGIN)  # a boundary belongs to the margin: the least that is outside
BOUNDARY = Truth(SD, "greater", SD)
TRUTHS = {
    "no difference": [NONE],
    "a difference": [GREATER],
    "just outside the margin": [OUTSIDE],
    "no differences": [NONE] * 5,
    "one of each kind": [NONE, GREATER, LESS, OUTSIDE, BOUNDARY],
}
NOTHING = ("no difference", "no differences")
AS_NAMED = {"as named": [NONE], "as named, five times": [NONE] * 5}  # where runs fail, the data have a difference or none


class Case(NamedTuple):
    """A kind of study: its data, what is true of its predictions, `paired` or `independent`, and when it is looked at."""

    data: str
    truth: str
    pairing: str
    seeds: str

    @property
    def truths(self) -> list[Truth]:
        """What is true of each prediction."""
        return (TRUTHS | AS_NAMED)[self.truth]


class Counts(NamedTuple):
    """Of how many studies any verdict is wrong, or there is any; of how many intervals how many contain the difference.

    `shown90` and `covered90` are of the 90 % intervals, which equivalence is decided by; with looks, of the repeated intervals
    that have this coverage over all looks.
    """

    studies: int
    wrong: int
    decided: int
    shown95: int
    covered95: int
    shown90: int
    covered90: int


def list_cases() -> Iterator[Case]:
    """All cases of the page."""
    for data, arms in DATA.items():
        truths = AS_NAMED if arms.can_fail else TRUTHS
        for truth, pairing, seeds in itertools.product(truths, ("paired", "independent"), PLANS):
            alike = truth in NOTHING
            if seeds in EVERYWHERE or alike and PLANS[seeds].planned or alike and data == "normal":
                yield Case(data, truth, pairing, seeds)


def is_true(verdict: Verdict, difference: float, ranks: int) -> bool:
    """Whether a verdict that decides is true, of the mean difference or, if it is by ranks, of their direction."""
    sign = -1 if verdict.expected == "less" else 1
    if verdict.by_ranks:
        over: float = sign * ranks
    elif verdict.expected == "equal":
        over = verdict.margin - abs(difference)
    else:
        over = sign * difference - verdict.margin
    return over > 0 if verdict.verdict == "holds" else over < 0


def make_study(case: Case, seeds: int) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """A study, each of whose predictions is about two arms of its own, and its cells.

    No effects are declared, or of `equal` one for which no number of seeds is worked out: that takes longer than all else.
    simulate_power.py is about these numbers.
    """
    predictions = [
        {"claim": f"{i}", "plus": {"arm": f"a{i}"}, "minus": {"arm": f"b{i}"}}
        | {"expected": truth.expected, "margin": truth.margin, "effect": truth.margin if truth.expected == "equal" else None}
        for i, truth in enumerate(case.truths)
    ]
    cells = [{"arm": f"{arm}{i}"} for i in range(len(predictions)) for arm in "ab"]
    return {"predictions": predictions, "seeds": list(range(seeds)), "pairing": case.pairing}, cells


def simulate(case: Case, studies: int, part: int = 0) -> Counts:
    """Simulate and judge so many studies; the same part of a case has the same random numbers."""
    arms, truths, paired = DATA[case.data], case.truths, case.pairing == "paired"
    looks = list_looks(case.seeds, len(truths))
    n = looks[-1].n
    study, cells = make_study(case, n)
    random = np.random.default_rng([part, *"/".join(case).encode()])
    differences = [arms.difference(paired) + truth.shift for truth in truths]
    total = np.zeros(len(Counts._fields), int)
    for _ in range(studies):
        drawn = [outcome for truth in truths for outcome in arms.draw(random, n, paired, truth.shift)]
        total += count(judge_arms(study, cells, drawn, looks), differences, arms)
    return Counts(*total.tolist())


def judge_arms(study: Mapping[str, Any], cells: list[dict[str, str]], drawn: list[Any], looks: list[Look]) -> list[Verdict]:
    """Judge a study look by look, from the runs of each look alone."""

    def judge_at(part: Mapping[str, Any], look: Look) -> list[Verdict]:
        units = set(look.units)
        seen = [{seed: value for seed, value in cell.items() if seed in units} for cell in drawn]
        return judge(part, cells, lambda metric: seen, look=look)

    return judge_by_looks(study, judge_at, looks, looks[0])[0]


def count(verdicts: list[Verdict], differences: list[float], arms: Arms) -> Counts:
    """What there is to count of one study."""
    decided = [pair for pair in zip(verdicts, differences, strict=True) if pair[0].verdict != "undecided"]
    wrong = any(not is_true(verdict, difference, arms.ranks) for verdict, difference in decided)
    intervals: dict[bool, list[bool]] = {True: [], False: []}
    for verdict, difference in zip(verdicts, differences, strict=True):
        if verdict.low is not None and verdict.high is not None:
            of_equivalence = verdict.level < 1 - 1.5 * verdict.alpha
            intervals[of_equivalence].append(verdict.low <= difference <= verdict.high)
    of_95, of_90 = intervals[False], intervals[True]
    return Counts(1, int(wrong), int(bool(decided)), len(of_95), sum(of_95), len(of_90), sum(of_90))


def allow(studies: int, level: float = 0.05) -> float:
    """The rate of wrong verdicts that is allowed: the level and 3.5 standard errors."""
    return level + 3.5 * (level * (1 - level) / studies) ** 0.5


def run_cases(cases: list[Any], work: Callable[[Any], dict[str, Any]], path: Path) -> None:
    """Do some work for each of the cases that a file lacks, in two processes, and append a row to the file as each ends."""
    with multiprocessing.Pool(PROCESSES) as pool, path.open("a", encoding="utf-8", newline="") as file:
        for row in pool.imap_unordered(work, cases):
            writer = csv.DictWriter(file, list(row))
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)
            file.flush()


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of such a file; none if it is not there."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _work(job: tuple[Case, int, int]) -> dict[str, Any]:
    case, studies, part = job
    begun = time.process_time()
    counts = simulate(case, studies, part)
    return {**case._asdict(), "part": part, **counts._asdict(), "cpu_seconds": round(time.process_time() - begun, 1)}


def main(studies: int, path: Path) -> None:
    """Simulate what the file lacks."""
    done = {(*(row[name] for name in Case._fields), row["part"]) for row in read_rows(path)}
    jobs = itertools.product(range(math.ceil(studies / PART)), list_cases())
    run_cases([(case, min(PART, studies), part) for part, case in jobs if (*case, str(part)) not in done], _work, path)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))

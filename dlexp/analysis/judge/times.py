"""Compare times, or epochs, until a target that not every run reached.

A run that ended without reaching the target is censored: it did not take as long as it lasted, it takes longer, or for ever.
What is compared is what happened until every run was still observed, the horizon: the length of the shortest run that did not
reach the target. The number shown is the restricted mean, of min(time, horizon), which every run has; it is the area under the
Kaplan-Meier curve up to there, and its interval is a t interval over seeds. The log-rank statistic decides, by its exact
distribution: signs of its differences are flipped (paired), or runs permuted (independent). Its normal approximation (scipy's
`logrank`) finds a difference between equal arms in 6 to 7 % of studies of five or ten seeds.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from dlexp.analysis.judge.draws import Outcomes, Repeat, Values, average_by_block
from dlexp.analysis.judge.failures import Ranked
from dlexp.analysis.judge.permutation import permutation_p, sign_flip_p
from dlexp.analysis.read.concatenate import list_records

LENGTHS = {  # metric that is null where a target was never reached → how long a run lasted, in the same unit
    "convergence_epoch": "num_epochs",
    "document_convergence": "num_epochs",
    "target/epoch": "num_epochs",
    "target/seconds": "train/seconds",
}
NEEDS_CURVES = ("convergence_epoch", "document_convergence")  # null also where the curves of a run are not known


class Censored(float):
    """How long a run is known not to have reached its target."""


def measure_times(runs: pd.DataFrame, metric: str) -> list[float | None]:
    """The time of each run until it reached its target, or how long it is known not to have reached it.

    A run that failed to learn never reached it. One that ended before its time, because it diverged, failed or was stopped
    early, would not have reached it later either: it counts as having lasted as long as the longest run. To censor it where it
    ended would leave it out of all comparisons after that.

    Args:
        runs: One row per run, with `status`, `learned`, and where known the metric, its length and `diagnosis`.
        metric: A key of `LENGTHS`.

    Returns:
        A time, a `Censored`, or None where nothing is known: the run is missing, or lacks curves or a length.
    """
    columns = [metric, LENGTHS[metric]]
    values, lengths = (pd.to_numeric(runs.get(name, pd.Series(math.nan, runs.index)), errors="coerce") for name in columns)
    longest = lengths.max()
    times: list[float | None] = []
    for run, value, length in zip(list_records(runs, ("learned", "diagnosis", "status")), values, lengths, strict=True):
        learned = None if pd.isna(run["learned"]) else bool(run["learned"])
        unknown = learned and metric in NEEDS_CURVES and pd.isna(run.get("diagnosis"))
        lasted = length if run["status"] == "done" else longest
        if learned and pd.notna(value):
            times.append(float(value))
        elif learned is None or unknown or pd.isna(lasted):
            times.append(None)
        else:
            times.append(Censored(lasted))
    return times


def has_censored(cells: Sequence[Outcomes]) -> bool:
    """Whether a run did not reach its target."""
    return any(isinstance(value, Censored) for cell in cells for value in cell.values())


def fail_censored(cell: Outcomes) -> dict[Repeat, float | None]:
    """The outcomes with runs that did not reach their target as failed ones."""
    return {repeat: None if isinstance(value, Censored) else value for repeat, value in cell.items()}


def find_horizon(cells: Sequence[Outcomes]) -> float:
    """Until when every run was observed: the length of the shortest run that did not reach its target."""
    return min(float(value) for cell in cells for value in cell.values() if isinstance(value, Censored))


def restrict(cell: Outcomes, horizon: float) -> dict[Repeat, float]:
    """The times, and the horizon for every run that had not reached its target by then."""
    return {repeat: min(float(value), horizon) for repeat, value in cell.items() if value is not None}


def score_log_rank(times: np.ndarray, reached: np.ndarray) -> np.ndarray:
    """The log-rank score of each run among all: 1 if it reached the target, minus the cumulative hazard until its time.

    The sum over a group is how many of it reached the target more often than expected if all groups were alike: the numerator
    of the log-rank statistic. A higher score is an earlier time.
    """
    hazard = np.zeros(len(times))
    for time in np.unique(times[reached]):
        hazard[times >= time] += (reached & (times == time)).sum() / (times >= time).sum()
    return reached - hazard


def compare_times(plus: Sequence[Outcomes], minus: Sequence[Outcomes], repeats: Sequence[Repeat], *, in_blocks: bool) -> Ranked:
    """Test whether the times of one side are longer.

    Args:
        plus: The cells of the first side.
        minus: Those of the second, as many: each is compared with the one in its place.
        repeats: All runs that were planned. A missing one could have reached the target at once, or never.
        in_blocks: Whether signs are flipped, of seeds or of whole draws of the data; else runs are permuted.

    Returns:
        With `sign` 1 where plus takes longer.
    """
    horizon = find_horizon([*plus, *minus])
    complete = all(repeat in cell for cell in [*plus, *minus] for repeat in repeats)
    cases = []
    for missing in [math.inf] if complete else [math.inf, -math.inf]:
        pairs = [
            (_fill(a, repeats, missing, horizon), _fill(b, repeats, -missing, horizon))
            for a, b in zip(plus, minus, strict=True)
        ]
        scores = [score_log_rank(times, times < math.inf) for times in map(np.concatenate, pairs)]
        first, second = (np.array([np.split(score, 2)[side] for score in scores]) for side in (0, 1))
        sign = int(np.sign(np.round(second.mean() - first.mean(), 12)))
        if in_blocks:
            by_repeat: Values = dict(zip(repeats, (second - first).mean(0).tolist(), strict=True))
            cases.append((sign_flip_p(list(average_by_block(by_repeat).values())), sign))
        else:
            cases.append((permutation_p(first.ravel().tolist(), second.ravel().tolist()), sign))
    signs = {sign for _, sign in cases}
    return Ranked(max(p for p, _ in cases), signs.pop(), True) if len(signs) == 1 else Ranked(1.0, 0, False)


def _fill(cell: Outcomes, repeats: Sequence[Repeat], missing: float, horizon: float) -> np.ndarray:
    """The times in the order of the runs, infinite where the target was not reached by the horizon."""
    known = {
        repeat: math.inf if isinstance(value, Censored) or value > horizon else float(value)
        for repeat, value in cell.items()
        if value is not None
    }
    return np.array([known.get(repeat, missing) for repeat in repeats])

"""Propose the next run: diagnose the best one by its validation split, and change what the diagnosis suggests.

The loop has no state of its own. A proposal whose runs are finished is taken into account as a trial: where it is better, the
next proposal starts from it; where it is not, the next one for the same diagnosis follows. Test metrics are not read.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import pandas as pd

from dlexp.analysis.judge.diagnose import Diagnosis, diagnose
from dlexp.analysis.judge.evidence import describe_evidence
from dlexp.analysis.read.text import read_table_text
from dlexp.config.check import find_problems
from dlexp.config.check_config import check
from dlexp.config.compose import compose
from dlexp.config.overrides import parse
from dlexp.errors import ConfigError, UnsupportedError
from dlexp.run.execute import gather_facts
from dlexp.run.plan import PlannedRun, plan
from dlexp.run.record.forms import FINISHED, read_summary_file

Change = tuple[str, ...]
SEED = "seed"
LOWEST = -math.inf  # the value of a cell with a run that has no metric, such as a diverged one


class Cell(NamedTuple):
    """Finished runs that differ in their seed alone.

    Args:
        overrides: The settings of all of them.
        seeds: Their seeds.
        metric: What is compared, of the validation split.
        value: Its mean over the runs; `LOWEST` if one has none.
        diagnosis: The most common of the runs.
        evidence: What it was read from, of the first run that has it.
    """

    overrides: tuple[str, ...]
    seeds: tuple[int, ...]
    metric: str
    value: float
    diagnosis: Diagnosis
    evidence: str

    def is_better_than(self, other: "Cell") -> bool:
        """Whether its value is the better one."""
        falls = self.metric.endswith("loss") and LOWEST not in (self.value, other.value)
        return self.value < other.value if falls else self.value > other.value


class Step(NamedTuple):
    """Where the loop is.

    Args:
        best: What the next proposal starts from.
        trials: The changes that were tried so far, each with its cell, in their order.
        proposal: The next change; None if there is none to propose.
        runs: Its runs.
    """

    best: Cell
    trials: list[tuple[Change, Cell]]
    proposal: Change | None
    runs: list[PlannedRun]


def find_next(folders: Iterable[Path], common: Sequence[str] = ()) -> Step:
    """Find the next change to try.

    Args:
        folders: Run folders to start from.
        common: Settings of the command for all runs, such as `output_dir=…`.

    Raises:
        ConfigError: If no run of these folders is finished and has a validation split.
    """
    best = _choose_best(folders)
    trials: list[tuple[Change, Cell]] = []
    tried = {_list_ids(_plan_runs(best.overrides, best.seeds, common) or [])}
    while True:
        for change in propose_changes(best.diagnosis.name, _resolve(best.overrides)):
            overrides = apply_change(best.overrides, change)
            runs = _plan_runs(overrides, best.seeds, common)
            if runs is None or _list_ids(runs) in tried:
                continue
            tried.add(_list_ids(runs))
            if not all(_is_finished(run) for run in runs):
                return Step(best, trials, change, runs)
            cell = _read_cell(overrides, [run.folder for run in runs], best.metric)
            trials.append((change, cell))
            if cell.is_better_than(best):
                best = cell
                break
        else:
            return Step(best, trials, None, [])


def propose_changes(diagnosis: str, config: Mapping[str, Any]) -> Iterator[Change]:
    """The changes that may help, the most promising first. Those that this run cannot have are left out later.

    Args:
        diagnosis: The name of a diagnosis.
        config: The resolved config of the run.
    """
    lr, epochs = config["optimizer"].get("lr"), config["epochs"]
    slower, faster = [_scale("optimizer.lr", lr, 1 / 3)], [_scale("optimizer.lr", lr, 3)]
    longer = [(f"max_steps={2 * config['max_steps']}",)] if config["max_steps"] else [(f"epochs={2 * epochs}",)]
    stop: list[Change] = [(f"early_stopping.patience={max(2, epochs // 5)}",)] if epochs > 3 else []
    clip: list[Change] = [("grad_clip=1",)] if config["grad_clip"] is None else []
    dropout, decay = config["dropout"], config["optimizer"].get("weight_decay")
    proposals: dict[str, list[Change]] = {
        "diverged": [_scale("optimizer.lr", lr, 1 / 10), *clip],
        "collapsed": [*slower, *clip, *stop],
        "at chance": [_scale("optimizer.lr", lr, 1 / 10), _scale("optimizer.lr", lr, 10), ("norm=bn",), ("init=he_normal",)],
        "too short": [(f"epochs={max(10, 3 * epochs)}",)],
        "overshoot": [*slower, ("scheduler=cosine",)],
        "overfit": [
            ("augment=standard",),
            (f"dropout={min(0.5, 2 * dropout or 0.2):g}",),
            _scale("optimizer.weight_decay", decay, 10),
            *stop,
        ],
        "slow": [*longer, *faster],
        "underfit": [(f"width={2 * config['width']}",), *faster, (f"depth={config['depth'] + 1}",), *longer],
    }
    yield from filter(None, proposals.get(diagnosis, []))


def _scale(key: str, value: float | None, factor: float) -> Change:
    """A change of a setting by a factor; none if it has no value."""
    return (f"{key}={value * factor:.2g}",) if value else ()


def apply_change(overrides: Sequence[str], change: Change) -> tuple[str, ...]:
    """The settings of a command with some of them replaced. Another option of a group takes the keys of the former with it."""
    keys = [parse(text).key for text in change]
    others = [text for text in overrides if not any(_belongs(parse(text).key, key) for key in keys)]
    return (*others, *change)


def write_command(step: Step) -> list[str]:
    """The arguments of `dlexp train` that run the proposal, without those that all runs have in common; empty without one."""
    if step.proposal is None:
        return []
    overrides, seeds = apply_change(step.best.overrides, step.proposal), step.best.seeds
    if seeds == (0,):
        return list(overrides)
    return [*(["-m"] if len(seeds) > 1 else []), *overrides, f"{SEED}={','.join(map(str, seeds))}"]


def _belongs(key: str, changed: str) -> bool:
    return key == changed or ("." not in changed and key.startswith(f"{changed}."))


def _list_ids(runs: Sequence[PlannedRun]) -> tuple[str, ...]:
    return tuple(run.identity for run in runs)


def _resolve(overrides: Sequence[str]) -> Mapping[str, Any]:
    return compose(list(overrides)).config


def _plan_runs(overrides: Sequence[str], seeds: Sequence[int], common: Sequence[str]) -> list[PlannedRun] | None:
    """The runs with these settings; None if they cannot have them, on this machine or at all."""
    runs = []
    for seed in seeds:
        command = [*overrides, f"{SEED}={seed}", *common]
        if find_problems(command, multirun=False):
            return None
        composed = compose(command)
        try:
            if check(composed):
                return None
            runs.append(plan(composed))
            if seed == seeds[0] and not _is_finished(runs[0]):
                gather_facts(runs[0])
        except (ConfigError, UnsupportedError):
            return None
    return runs


def _is_finished(run: PlannedRun) -> bool:
    summary = run.read_summary()
    return summary is not None and summary["status"] in FINISHED


def _choose_best(folders: Iterable[Path]) -> Cell:
    """The best cell by its validation split."""
    cells: dict[tuple[str, ...], list[Path]] = {}
    looked_at_test = 0
    for folder in folders:
        try:
            summary = read_summary_file(folder)
        except (OSError, ValueError):
            continue
        if summary["status"] not in FINISHED:
            continue
        if summary.get("selected_on_test") or not any(name.startswith("val/") for name in summary["metrics"]):
            looked_at_test += 1
            continue
        overrides = [text for text in summary["overrides"] if parse(text).key != SEED]
        cells.setdefault(tuple(overrides), []).append(folder)
    if not cells:
        raise ConfigError(
            "No finished run with a validation split is there"
            + (f": {looked_at_test} have none, or were watched on the test split" if looked_at_test else "")
            + ". A proposal is made by val/loss or val/acc alone: train with val_fraction above 0 and evaluate_on=val."
        )
    first = next(iter(cells.values()))[0]
    metric = "val/acc" if "val/acc" in read_summary_file(first)["metrics"] else "val/loss"
    found = [_read_cell(overrides, members, metric) for overrides, members in cells.items()]
    best = found[0]
    for cell in found[1:]:
        best = cell if cell.is_better_than(best) else best
    return best


def _read_cell(overrides: Sequence[str], folders: Sequence[Path], metric: str) -> Cell:
    values, seeds, diagnoses = [], [], []
    for folder in folders:
        summary = read_summary_file(folder)
        name = f"best/{metric}" if summary.get("restored_epoch") is not None else metric
        value = summary["metrics"].get(name)
        values.append(LOWEST if value is None or summary["status"] == "diverged" else float(value))
        seeds.append(next((int(parse(text).value) for text in summary["overrides"] if parse(text).key == SEED), 0))
        curve = pd.read_csv(StringIO(read_table_text(folder / "metrics.csv")))
        chance = summary.get("chance")
        found = diagnose(curve, status=summary["status"], chance=chance, num_examples=summary.get("num_test_examples", 10_000))
        diagnoses.append((found, describe_evidence(found, curve, chance)))
    name, _ = Counter(found.name for found, _ in diagnoses).most_common(1)[0]
    diagnosis, evidence = next(pair for pair in diagnoses if pair[0].name == name)
    value = LOWEST if LOWEST in values else mean(values)
    return Cell(tuple(overrides), tuple(sorted(seeds)), metric, value, diagnosis, evidence)

"""Train from Python: one run, the runs of a sweep, or those of a study or an ablation."""

import shlex
import warnings
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlexp.api.overrides import write_overrides
from dlexp.api.process import borrowing_process, choose_lab, using_lab
from dlexp.api.run import Run
from dlexp.api.sweep import Sweep
from dlexp.config.check import compose_run, compose_sweep, find_problems
from dlexp.config.compose import Composed
from dlexp.config.entry import show_command
from dlexp.config.lab import Lab
from dlexp.config.overrides import parse
from dlexp.config.values import make_printable
from dlexp.errors import ConfigError
from dlexp.study.ablation import read_ablation
from dlexp.study.cells import Study
from dlexp.study.forks import load_ahead
from dlexp.study.jobs import check_process_group, refuse_for_one
from dlexp.study.request import Request, compose_runs, names_study, read_command

if TYPE_CHECKING:  # it loads torch, which a refused call does not need
    from dlexp.study.sweep import Checked


def train(*overrides: str, lab: str | Path | None = None, progress: bool | None = None, **settings: Any) -> Run:
    """Train one run, or go on with it, or find it if it is finished. It leaves the folder that `dlexp train` leaves.

    An interrupt saves the state, and the same call goes on from there. A run that fails is returned with `status` failed.

    Args:
        overrides: As on the command line: `"depth=8"`.
        lab: The folder of a lab; None: that of `DLEXP_LAB`, or the current folder if it is a lab that you trust.
        progress: Whether to show what the command shows; None: if `display` is set, else a bar in a notebook, and elsewhere
            nothing.
        settings: The same as keywords: `activation="relu"`, `**{"optimizer.lr": 0.1}`. A text is written as it would be typed.

    Raises:
        ConfigError: With everything that is wrong with the command; UnsupportedError if this machine lacks what it needs.
        DatasetError: If the data cannot be read or downloaded.
        CheckpointError: If the run was interrupted, and none of its saved states can be read.
        HeldError: If another process is working on the run.
        DiskError: If the disk is full or cannot be written.
    """
    check_process_group()
    with _checking(lab) as chosen:
        typed = write_overrides(overrides, settings)
        if names_study(typed):
            raise ConfigError("study: a study is many runs: dlexp.sweep trains them.")
        if swept := [make_printable(text) for text in typed if _has_several_values(text)]:
            raise ConfigError(*(f"{text}: several values: dlexp.sweep trains a run for each." for text in swept))
        composed = compose_run(typed)
        _check_display(progress, composed)
        if problems := refuse_for_one(composed):
            raise ConfigError(*problems)
    with borrowing_process(chosen):
        from dlexp.api.display import choose_display
        from dlexp.run.execute import execute, gather_facts
        from dlexp.run.plan import plan

        run = plan(composed)
        if run.must_run():
            facts = gather_facts(run)
            with choose_display(progress, show=run.config["display"]) as display:
                execute(run, facts, display)
        return Run(run.folder, chosen.folder if chosen else None)


def _check_display(progress: bool | None, composed: Composed) -> None:
    if progress is False and (show := composed.config["display"]):
        raise ConfigError(f"display={show}: says what is shown, and progress=False shows nothing: leave one of the two out.")


def _has_several_values(typed: str) -> bool:
    try:
        return parse(typed).parsed.is_sweep_override()
    except ConfigError:  # it is refused with everything else that is wrong
        return False


def sweep(*overrides: str, lab: str | Path | None = None, progress: bool | None = None, **settings: Any) -> Sweep:
    """Train the runs of a sweep, `sweep("norm=bn,gn", seed=range(5))`, or of a study, `sweep(study="topology")`.

    All are checked before the first starts; those that are finished are not run again. It leaves the folders that
    `dlexp train -m` leaves, or `dlexp train study=...`. An interrupt saves the state of the run at work, and the same call
    goes on from there.

    Args:
        overrides: As on the command line.
        lab: As in `train`.
        progress: As in `train`.
        settings: The same as keywords. A list, a range or an array holds the values to sweep over, so that the value of a key
            that takes a list is a list in a list.

    Raises:
        ConfigError: With everything that is wrong with any run; UnsupportedError if this machine can run none of them.
        DatasetError: If the data of a run cannot be read or downloaded.
        DiskError: If the disk is full or cannot be written.
    """
    check_process_group()
    with _checking(lab) as chosen:
        typed = write_overrides(overrides, settings, sweeps=True)
        if names_study(typed):
            return _run_study(*read_command(typed), f"{show_command('train')} {shlex.join(typed)}", chosen, progress)
        if problems := find_problems(typed, multirun=True):
            raise ConfigError(*problems)
        cells = compose_sweep(typed)
        _check_display(progress, cells[0])
        load_ahead(cells)
    named = ["--config-dir", str(chosen.conf)] if chosen else []
    command = f"{show_command('train')} {shlex.join(['-m', *typed, *named])}"
    with borrowing_process(chosen):
        from dlexp.api.display import choose_display
        from dlexp.study.sweep import check_cells, count_due
        from dlexp.study.sweep import sweep as run_sweep

        checked = check_cells(cells)
        run_sweep(checked, command, choose_display(progress, count_due(checked.runs), cells[0].config["display"]))
        return _make_sweep(checked, chosen)


def ablate(*overrides: str, lab: str | Path | None = None, progress: bool | None = None, **settings: Any) -> Sweep:
    """Train the runs of an ablation: `ablate("optimizer=muon", dropout=0.2, base={"epochs": 20}, seeds=10)`.

    They are those of a recipe, of it without each of its switches, of the plain run, and of that with each switch. It leaves
    what `dlexp ablate` leaves. `analyse(swept.report.parent).ablation` says what each switch is worth.

    Args:
        overrides: As on the command line.
        lab: As in `train`.
        progress: As in `train`.
        settings: The same as keywords. A list is the value of one setting.

    Raises:
        ConfigError: With everything that is wrong with the recipe or with any run; UnsupportedError if this machine can run
            none of them.
        DatasetError: If the data of a run cannot be read or downloaded.
        DiskError: If the disk is full or cannot be written.
    """
    check_process_group()
    with _checking(lab) as chosen:
        typed = write_overrides(overrides, settings)
        return _run_study(*read_ablation(typed), f"{show_command('ablate')} {shlex.join(typed)}", chosen, progress)


def _run_study(study: Study, request: Request, command: str, lab: Lab | None, progress: bool | None) -> Sweep:
    runs = compose_runs(study, request)
    _check_display(progress, runs[0])
    load_ahead(runs)
    with borrowing_process(lab):
        from dlexp.api.display import choose_display
        from dlexp.study.choice import check_compared
        from dlexp.study.look_by_look import run_by_looks
        from dlexp.study.run import run_study
        from dlexp.study.sweep import check_cells

        show = partial(choose_display, progress, show=runs[0].config["display"])
        if request.schedule:
            ended, checked = run_by_looks(study, request, request.schedule.looks, runs, command, show)
        else:
            checked = check_cells(runs, study.name)
            ended = run_study(study, request, checked, command, show)
            checked = check_compared(study, request)[0] if study.tune else checked
        swept = _make_sweep(checked, lab, ended.report)
    if ended.not_replaced:
        warnings.warn(ended.not_replaced, stacklevel=3)
    return swept


def _make_sweep(checked: "Checked", lab: Lab | None, report: Path | None = None) -> Sweep:
    from dlexp.study.sweep import list_swept_keys

    runs = [Run(run.folder, lab.folder if lab else None) for run in checked.runs]
    return Sweep(runs, list_swept_keys(checked.runs), checked.unsupported, report)


def _checking(lab: str | Path | None) -> AbstractContextManager[Lab | None]:
    """A context with the options of a lab, in which a call is checked without loading torch."""
    return using_lab(choose_lab(lab))

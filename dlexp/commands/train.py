"""Train one run, the runs of a sweep (-m), or those of a study: `dlexp train`, which is `python train.py` in a checkout."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from functools import partial

from dlexp.commands.attempt import attempt
from dlexp.commands.lab import choose_lab
from dlexp.commands.launch import Typed, launch_study, launch_sweep
from dlexp.commands.worths import show_worths
from dlexp.config.check import find_problems
from dlexp.config.check_config import check
from dlexp.config.compose import Composed, compose
from dlexp.config.entry import show_command
from dlexp.config.flags import check_completion, read_flags, show, write_flags
from dlexp.config.help import help_text
from dlexp.config.launcher import take_launcher
from dlexp.config.options import CONF, current_lab
from dlexp.config.overrides import expand, is_multirun, parse, replace_sweeper_params, write_for_hydra
from dlexp.errors import ConfigError
from dlexp.run import signals
from dlexp.study.cells import Study
from dlexp.study.forks import load_ahead
from dlexp.study.jobs import check_process_group, refuse_for_one
from dlexp.study.request import Request, compose_runs, names_study, read_command

EXIT_CODES = {"done": 0, "early_stopped": 0, "diverged": 6, "failed": 1, "oom": 8}


def main(arguments: list[str]) -> int:
    """Run a command line.

    Returns:
        The exit code; docs/runs.md lists them.
    """
    signals.listen()
    return attempt(lambda: _command(arguments))


def _command(arguments: list[str]) -> int:
    """Answer what needs no training; refuse what cannot run; train the rest."""
    if {"-h", "--help"}.intersection(arguments):
        return _help(arguments)
    arguments, launcher = take_launcher(arguments)
    flags = read_flags(choose_lab(arguments))
    overrides = flags.overrides
    if flags.shell_completion:
        return _run_hydra([*write_flags(flags), *check_completion(overrides)])
    if not (flags.cfg or flags.info):
        check_process_group()
    if names_study(overrides):
        if flags.cfg or flags.info:
            raise ConfigError(f"A study is many runs: {show_command('plan')} study=... lists them.")
        study, request = read_command(overrides)
        if launcher:
            return launch_study(launcher, Typed("train", arguments), study, request)
        return run_whole_study(study, request, f"{show_command('train')} {shlex.join(arguments)}")
    if problems := find_problems(overrides, multirun=flags.multirun):
        raise ConfigError(*problems)
    sweeps = flags.multirun or is_multirun(map(parse, overrides))
    if flags.cfg:
        return _show_config(flags, expand(replace_sweeper_params(overrides)), sweeps)
    if launcher and not flags.by_hydra:
        return launch_sweep(launcher, Typed("train", arguments), overrides, sweeps=sweeps)
    if sweeps or flags.by_hydra:
        return _run_hydra([*write_flags(flags), *map(write_for_hydra, replace_sweeper_params(overrides))])
    composed = compose(overrides)
    if problems := check(composed) or refuse_for_one(composed):
        raise ConfigError(*problems)
    return _train_one(composed)


def run_whole_study(study: Study, request: Request, typed: str) -> int:
    """Run what is requested of a study, and write its report.

    Args:
        study: The study.
        request: What the command asks of it.
        typed: The command.

    Returns:
        The exit code.
    """
    runs = compose_runs(study, request)
    load_ahead(runs)
    from dlexp.run.display import NONE, make_sweep_display
    from dlexp.study.look_by_look import run_by_looks  # loads torch: not before the configs have passed
    from dlexp.study.run import run_study
    from dlexp.study.sweep import check_cells

    show = runs[0].config["display"]
    choose_display = partial(make_sweep_display, show=show)
    if request.schedule:
        ended, _ = run_by_looks(study, request, request.schedule.looks, runs, typed, choose_display)
    else:
        ended = run_study(study, request, check_cells(runs, study.name), typed, choose_display)
    if ended.not_replaced:
        print(ended.not_replaced, file=sys.stderr)
    if show != NONE:
        if study.recipe:
            show_worths(ended.report.parent)
        print(f"Report: {ended.report}")
    return ended.code


def _show_config(flags: argparse.Namespace, cells: Sequence[Sequence[str]], sweeps: bool) -> int:
    """Print the config of the run, or of the first one of a sweep."""
    if flags.cfg != "job":
        _run_hydra([*write_flags(flags), *map(write_for_hydra, cells[0])])
    if flags.cfg != "hydra":
        if sweeps:
            print(f"# The first of {len(cells)} runs.")
        print(show(compose(cells[0]), package=flags.package, resolve=flags.resolve), end="")
    return 0


def _help(arguments: list[str]) -> int:
    """Print the help, with the options of the lab if there is one that may be used."""
    problem = ""
    try:
        choose_lab(arguments)
    except ConfigError as error:
        problem = f"\n\nWithout a lab: {error}"
    print(help_text() + problem)
    return 0


def _run_hydra(arguments: list[str]) -> int:
    """Let Hydra sweep, with hydra_plugins/dlexp/sweeper.py, or show what only it knows."""
    import hydra

    if lab := current_lab():
        arguments = [*arguments, "--config-dir", str(lab.conf)]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises exceptions instead of ending the process
    sys.argv[1:] = arguments
    hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(lambda config: None)()
    return 0


def _train_one(composed: Composed) -> int:
    from dlexp.run.display import make_display, result_line
    from dlexp.run.execute import execute, gather_facts
    from dlexp.run.plan import plan
    from dlexp.run.record.place import explain_moved

    run = plan(composed)
    with make_display(run.config["display"]) as display:
        summary = execute(run, gather_facts(run), display) if run.must_run() else None
        if summary is None:
            if (summary := run.read_summary()) is None:
                raise explain_moved(run.folder, run.folder)
            code, environment = run.describe_other_code(), run.describe_other_environment()
            if code:
                display.say(f"{run.title}: {code}; stale=rerun does it again.")
            if environment or not code:
                display.say(f"{run.title}: {environment or summary['status'] + ' before'}; force=true runs it again.")
        display.say(result_line(summary, run.folder))
        display.say(f"→ {run.folder}")
    return EXIT_CODES[summary["status"]]

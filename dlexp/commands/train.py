"""Train one run, the runs of a sweep (-m), or those of a study: `dlexp train`, which is `python train.py` in a checkout.

The one place where exceptions become messages and exit codes.
"""

import os
import shlex
import signal
import sys
from collections.abc import Callable

from dlexp.commands.lab import choose_lab
from dlexp.config.check import find_problems
from dlexp.config.check_config import check
from dlexp.config.compose import Composed, compose
from dlexp.config.entry import show_command
from dlexp.config.flags import read_flags, show
from dlexp.config.help import help_text
from dlexp.config.options import CONF, current_lab
from dlexp.config.overrides import is_multirun, parse, replace_sweeper_params
from dlexp.errors import CheckpointError, ConfigError, DatasetError, DiskError, HeldError
from dlexp.run import signals
from dlexp.study.request import compose_runs, names_study, read_command

ERRORS = {ConfigError: 2, HeldError: 3, CheckpointError: 4, DiskError: 5, DatasetError: 7}
EXIT_CODES = {"done": 0, "early_stopped": 0, "diverged": 6, "failed": 1, "oom": 8}


def main(arguments: list[str]) -> int:
    """Run a command line.

    Returns:
        The exit code; docs/runs.md lists them.
    """
    signals.listen()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends the command in silence
    return attempt(lambda: _command(arguments))


def attempt(work: Callable[[], int]) -> int:
    """Turn what goes wrong into a message and an exit code."""
    try:
        return work()
    except (KeyboardInterrupt, Exception) as error:
        # An interrupted library may raise another error. A full disk is an error even if a stop was requested.
        if isinstance(error, KeyboardInterrupt) or (signals.requested() and not isinstance(error, DiskError)):
            if message := signals.requeue():
                print(message, file=sys.stderr)
            return _fail(signals.RESUMABLE, "Interrupted. The same command goes on.")
        for kind, code in ERRORS.items():
            if isinstance(error, kind):
                return _fail(code, str(error))
        raise


def _fail(code: int, *lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return code


def _command(arguments: list[str]) -> int:
    """Answer what needs no training; refuse what cannot run; train the rest."""
    if {"-h", "--help"}.intersection(arguments):
        return _help(arguments)
    flags = read_flags(arguments := choose_lab(arguments))
    overrides = flags.overrides
    if names_study(overrides):
        if flags.cfg or flags.info:
            raise ConfigError(f"A study is many runs: {show_command('plan')} study=... lists them.")
        study, request = read_command(overrides)
        runs = compose_runs(study, request)
        from dlexp.study.protocol import run_study  # loads torch: not before the configs have passed
        from dlexp.study.sweep import check_cells

        typed = f"{show_command('train')} {shlex.join(overrides)}"
        ended = run_study(study, request, check_cells(runs, study.name), typed)
        print(f"Report: {ended.report}")
        return ended.code
    if problems := find_problems(overrides, multirun=flags.multirun):
        raise ConfigError(*problems)
    if flags.multirun or flags.by_hydra or is_multirun(map(parse, overrides)):
        return _run_hydra(replace_sweeper_params(arguments))
    composed = compose(overrides)
    if flags.cfg:
        if flags.cfg == "all":
            _run_hydra(["--cfg", "hydra", *overrides])
        print(show(composed, package=flags.package, resolve=flags.resolve), end="")
        return 0
    if problems := check(composed):
        raise ConfigError(*problems)
    return _train_one(composed)


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

    run = plan(composed)
    with make_display() as display:
        summary = execute(run, gather_facts(run), display) if run.must_run() else None
        if summary is None:
            summary = run.read_summary() or {}
            stale = run.describe_other_code()
            again = "stale=rerun does it again." if stale else "force=true runs it again."
            display.say(f"{run.title}: {stale or summary['status'] + ' before'}; {again}")
        display.say(result_line(summary, run.folder))
        display.say(f"→ {run.folder}")
    return EXIT_CODES[summary["status"]]

"""Train what a config says: one run, or with -m the runs of a sweep. `python train.py --help` shows how.

The only entry point, and the one place where exceptions become messages and exit codes.
"""

import os
import shlex
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from dlexp.config.compose import Composed, composed_from, help_text, problems_of
from dlexp.errors import CheckpointError, ConfigError, DatasetError, DiskError, HeldError
from dlexp.machine.process import run_command
from dlexp.run import signals as stop

if TYPE_CHECKING:
    from omegaconf import DictConfig

ERRORS = {ConfigError: 2, HeldError: 3, CheckpointError: 4, DiskError: 5, DatasetError: 7}
EXIT_CODES = {"done": 0, "early_stopped": 0, "diverged": 6, "failed": 1, "oom": 8}
NOT_OURS = ("config_path", "config_name", "config_dir", "experimental_rerun")  # Hydra's flags that read configs from elsewhere


def main() -> int:
    """Do what the command line says.

    Returns:
        The exit code; README.md lists them.
    """
    stop.listen()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends the command in silence
    return _attempt(lambda: _command(sys.argv[1:]))


def _attempt(work: Callable[[], int]) -> int:
    """Turn what goes wrong into a message and an exit code."""
    try:
        return work()
    except (KeyboardInterrupt, Exception) as error:
        # A library that is interrupted may end with an error of its own; a disk that is full is one whatever was asked for.
        if isinstance(error, KeyboardInterrupt) or (stop.requested() and not isinstance(error, DiskError)):
            if told := stop.requeue():
                print(told, file=sys.stderr)
            return _fail(stop.RESUMABLE, "Interrupted. The same command goes on.")
        for kind, code in ERRORS.items():
            if isinstance(error, kind):
                return _fail(code, str(error))
        raise


def _fail(code: int, *lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return code


def _command(arguments: list[str]) -> int:
    """Answer what needs no training; refuse what cannot run; leave the rest to Hydra."""
    if {"-h", "--help"}.intersection(arguments):
        print(help_text())
        return 0
    import hydra
    from hydra._internal.utils import get_args_parser

    flags = get_args_parser().parse_args(arguments)
    refused = [f"--{flag.replace('_', '-')}: configs come from conf/ alone." for flag in NOT_OURS if getattr(flags, flag)]
    if any(text.startswith("study=") for text in flags.overrides) and not refused:
        from dlexp.study.protocol import run_study

        if flags.cfg or flags.info:
            raise ConfigError("A study is many runs: python scripts/plan.py study=... lists them.")
        return run_study(flags.overrides, shlex.join(["python", "train.py", *flags.overrides]))
    if problems := refused + problems_of(flags.overrides, multirun=flags.multirun):
        raise ConfigError(*problems)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands exceptions on to `_attempt` instead of ending the process
    hydra.main(version_base="1.3", config_path="conf", config_name="config")(_job)()
    return 0


def _job(config: "DictConfig") -> None:
    """One run, called by Hydra; a sweep goes through hydra_plugins/dlexp/sweeper.py instead."""
    from hydra.core.hydra_config import HydraConfig

    given = HydraConfig.get()
    composed = composed_from(config, given.runtime.choices, given.overrides.task)
    # Hydra would catch an exception, print a line of its own and lose the exit code.
    raise SystemExit(_attempt(lambda: _train_one(composed)))


def _train_one(composed: Composed) -> int:
    from dlexp.run.display import make_display, result_line
    from dlexp.run.execute import execute, gather_facts
    from dlexp.run.plan import plan

    run = plan(composed)
    with make_display() as display:
        summary = execute(run, gather_facts(run), display) if run.is_due() else None
        if summary is None:
            summary = run.summary() or {}
            display.say(f"{run.title}: {summary['status']} before; force=true runs it again.")
        display.say(result_line(summary, run.folder))
        display.say(f"→ {run.folder}")
    return EXIT_CODES[summary["status"]]


if __name__ == "__main__":
    run_command(main)

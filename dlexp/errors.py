"""Errors caused by the user's input or machine, with the exit codes of train.py. Imports nothing, so that it loads fast."""

INTERRUPTED = 130  # exit code of a command that Ctrl-C ends and that had nothing to save: 128 + SIGINT, as in shells


class ConfigError(ValueError):
    """The config is invalid, and its author must change it. Exit code 2.

    Args:
        problems: One line each: config path, expected value, actual value, nearest valid choice.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class UnsupportedError(ConfigError):
    """The config is valid, but this machine lacks the device or number format. Exit code 2; a sweep skips the run."""


class DatasetError(RuntimeError):
    """The data cannot be downloaded or read. Exit code 7."""


class CheckpointError(RuntimeError):
    """An interrupted run cannot be resumed, because its saved states or the files they refer to are damaged. Exit code 4.

    Args:
        problems: One line each.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))


class DiskError(RuntimeError):
    """A file cannot be written, for example because the disk is full, or the folder of a study cannot be read. Exit code 5.

    Files written before are complete.
    """


class MovedError(DiskError):
    """The folder of a run, its lock or a file in it was removed, renamed or replaced while the run was executed. Exit code 5.

    Nothing more is written. A sweep counts the run as failed and goes on.
    """


class HeldError(RuntimeError):
    """Another process is executing this run. Exit code 3; a sweep skips the run."""

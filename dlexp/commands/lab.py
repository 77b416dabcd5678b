"""The lab of a command: the flag `--config-dir`, which every command that composes configs has."""

from dlexp.config.lab import find_lab
from dlexp.config.options import use_lab
from dlexp.errors import ConfigError

FLAGS = ("--config-dir", "-cd")  # as Hydra has them


def choose_lab(arguments: list[str]) -> list[str]:
    """Take `--config-dir` out of a command line, and use the lab that it names, or `DLEXP_LAB`, or the current folder.

    Returns:
        The other arguments.

    Raises:
        ConfigError: If the flag has no value or comes twice, or if there is something wrong with the lab.
    """
    rest, named = [], []
    waiting = iter(arguments)
    for argument in waiting:
        flag, equals, value = argument.partition("=")
        if flag in FLAGS:
            named.append(value if equals else next(waiting, ""))
        else:
            rest.append(argument)
    if len(named) > 1 or "" in named:
        raise ConfigError("--config-dir: expected one folder, the conf/ of a lab.")
    use_lab(find_lab(named[0] if named else None))
    return rest

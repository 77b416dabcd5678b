"""The flags of `dlexp train`, which are those of Hydra, and the config that `--cfg` shows."""

import argparse
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from dlexp.config.compose import Composed
from dlexp.config.entry import show_command
from dlexp.config.values import value_at
from dlexp.errors import ConfigError

ELSEWHERE = ("config-path", "config-name", "experimental-rerun")  # flags that read configs from elsewhere
INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


def read_flags(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line. A flag of Hydra that is used in a wrong way ends the process with exit code 2.

    Returns:
        `overrides`, `multirun`, `cfg`, `package`, `resolve`, `info`, and `by_hydra`: whether Hydra is to answer.

    Raises:
        ConfigError: If a flag names another place for configs than conf/.
    """
    parser = argparse.ArgumentParser(
        show_command("train"), add_help=False, allow_abbrev=False, usage=f"{show_command('train')} --help"
    )
    parser.add_argument("overrides", nargs="*")
    command = parser.add_mutually_exclusive_group()  # with --cfg, -m says that there are several values
    command.add_argument("--run", "-r", action="store_true")
    command.add_argument("--multirun", "-m", action="store_true")
    parser.add_argument("--cfg", "-c", choices=("job", "hydra", "all"))
    command.add_argument("--info", "-i", nargs="?", const="all", choices=INFO)
    command.add_argument("--hydra-help", action="store_true")
    command.add_argument("--shell-completion", "-sc", action="store_true")
    command.add_argument("--version", action="store_true")
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--package", "-p")
    for flag, short in zip(ELSEWHERE, ("-cp", "-cn", None), strict=True):
        parser.add_argument(f"--{flag}", *([short] if short else []))
    flags, unknown = parser.parse_known_intermixed_args(arguments)
    flags.overrides = _join_values([*flags.overrides, *unknown], arguments)
    if refused := [flag for flag in ELSEWHERE if getattr(flags, flag.replace("-", "_")) is not None]:
        raise ConfigError(
            *(f"--{flag}: configs come from conf/, and from that of a lab (--config-dir LAB/conf)." for flag in refused)
        )
    if not flags.cfg and (flags.resolve or flags.package):
        raise ConfigError("--resolve and --package have no effect without --cfg: add it, or leave them out.")
    if flags.cfg and (flags.info or flags.hydra_help or flags.shell_completion or flags.version):
        raise ConfigError("--cfg: prints a config, and another flag prints something else: leave one of the two out.")
    flags.by_hydra = flags.info or flags.hydra_help or flags.shell_completion or flags.version
    return flags


def write_flags(flags: argparse.Namespace) -> list[str]:
    """The flags as Hydra reads them: before all overrides, between which the user may have typed them."""
    if flags.cfg:
        is_all = flags.cfg == "all"  # the other flags are then for the config of the run
        more = [] if is_all else ["--resolve"] * flags.resolve + (["--package", flags.package] if flags.package else [])
        return ["--cfg", "hydra", *more]
    if flags.info:
        return ["--info", flags.info]
    names = ("hydra_help", "shell_completion", "version")
    return ["-m"] * flags.multirun + [f"--{name.replace('_', '-')}" for name in names if getattr(flags, name)]


def check_completion(words: Sequence[str]) -> Sequence[str]:
    """Check what stands beside --shell-completion, which Hydra answers: `install=bash`, or what the installed script asks.

    Raises:
        ConfigError: If it is something else.
    """
    known = [f"{action}={shell}" for action in ("install", "uninstall", "query") for shell in ("bash", "zsh", "fish")]
    if len(words) != 1 or words[0] not in known:
        command = f'eval "$({show_command("train")} --shell-completion install=bash)"'
        raise ConfigError(f"--shell-completion: takes one of {', '.join(known)}. In bash, {command} installs it.")
    return words


def _join_values(settings: list[str], arguments: Sequence[str]) -> list[str]:
    """Join what looks like a flag and its value, such as `--lr 0.1`, into one setting, which is refused with the others."""
    for flag in [text for text in settings if text.startswith("-") and "=" not in text]:
        following = next(iter(arguments[arguments.index(flag) + 1 :]), "=")
        if following in settings and "=" not in following and not following.startswith("-"):
            settings.remove(following)
            settings[settings.index(flag)] = f"{flag}={following}"
    return settings


def show(composed: Composed, *, package: str | None, resolve: bool) -> str:
    """The config of a run as YAML.

    Args:
        composed: The config.
        package: The path of the part to show; None: all of it.
        resolve: Whether to replace references by the values they refer to.

    Raises:
        ConfigError: If there is no such path.
    """
    try:
        node: Any = composed.config if resolve else composed.tree
    except LookupError as error:
        raise ConfigError(f"--resolve: {error.args[0]}.") from None
    if package is None or package == "_global_":
        return OmegaConf.to_yaml(node)
    try:
        node = value_at(node, package)
    except (LookupError, TypeError):
        raise ConfigError(f"--package: the config has no {package}.") from None
    return f"# @package {package}\n{OmegaConf.to_yaml(node)}" if isinstance(node, dict | list) else f"{node}\n"

"""One run folder as training left it: what its config says, what its summary measured, or why it cannot be read."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from dlexp.config import plain_yaml

NAME = re.compile(r"(?:^|-)([0-9a-f]{12})$")  # ends the name of every run folder: its id
NO_RUNS = {"sweeps", "figures", "arrays", "checkpoints"}
MADE_OF = {"metrics", "choices", "overrides", "seconds", "memory", "versions", "id", "status", "reason", "epochs", "steps"}
Leaves = tuple[tuple[str, Any], ...]

MOST_BYTES = 2**22  # of a JSON file; those that training writes have a thousandth of it, or in a large study a tenth


class DamagedError(ValueError):
    """A run folder or a study's protocol that cannot be read, with what is wrong with it."""


@dataclass(frozen=True)
class RunFolder:
    """What one run folder holds.

    Args:
        id: The run's.
        path: Where it lies.
        status: Of its summary, or `interrupted` where there is none: cut off, or still running.
        reason: Why it failed, or None.
        choices: Group → option.
        config: Every leaf of config.yaml under its dotted path, without targets and references to other keys.
        metrics: Slashed names; not a number where the summary has null.
        facts: The rest of the summary, `seconds` being the seconds of training.
    """

    id: str
    path: Path
    status: str
    reason: str | None
    choices: dict[str, str]
    config: dict[str, Any]
    metrics: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def find_folders(root: Path) -> Iterator[Path]:
    """Every run folder at or below a folder, in the order of their names."""
    if NAME.search(root.name):
        yield root
        return
    with os.scandir(root) as entries:
        inside = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    for name in inside:
        if name not in NO_RUNS and not name.startswith("."):
            yield from find_folders(root / name)


def read_folder(path: Path) -> RunFolder:
    """Read a run folder.

    Raises:
        DamagedError: If a file is missing, cut off, or not what training writes.
    """
    named = NAME.search(path.name)
    try:
        config = read_config(plain_yaml.read(path / "config.yaml"))
        try:
            summary = read_json(path / "summary.json")
        except FileNotFoundError:
            return RunFolder(named[1] if named else path.name, path, "interrupted", None, _choices(path), config)
        if named and summary["id"] != named[1]:
            raise DamagedError(f"summary.json is of run {summary['id']}")
        return _finished(path, config, summary)
    except OSError as error:
        raise DamagedError(f"{Path(error.filename or path).name}: {error.strerror}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"summary.json is not a run's: {type(error).__name__} {error}") from error
    except ValueError as error:
        raise DamagedError(" ".join(str(error).split())) from error


def read_json(path: Path) -> Any:
    """What a JSON file says.

    Raises:
        ValueError: If it is none, or larger than any that training writes.
        OSError: If it cannot be read.
    """
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"{path.name} has {size} bytes, and training writes no more than {MOST_BYTES}")
    try:
        return json.loads(path.read_bytes())
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deeply") from error


def _finished(path: Path, config: dict[str, Any], summary: Mapping[str, Any]) -> RunFolder:
    seconds = summary.get("seconds", {})
    facts = {key: value for key, value in summary.items() if key not in MADE_OF}
    facts |= {"seconds": seconds.get("train"), "num_epochs": summary.get("epochs"), "num_steps": summary.get("steps")}
    facts |= {f"seconds.{name}": value for name, value in seconds.items() if name != "train"}
    facts |= {f"{group}.{name}": value for group in ("memory", "versions") for name, value in summary.get(group, {}).items()}
    metrics = {name: float("nan" if value is None else value) for name, value in summary.get("metrics", {}).items()}
    return RunFolder(
        summary["id"], path, summary["status"], summary.get("reason"), dict(summary["choices"]), config, metrics, facts
    )


def _choices(path: Path) -> dict[str, str]:
    """The choices of a run that has no summary."""
    try:
        hydra = plain_yaml.parse(plain_yaml.read(path / ".hydra/hydra.yaml"))
        return dict(hydra["hydra"]["runtime"]["choices"])
    except (OSError, KeyError, TypeError):
        return {}


def read_config(text: str) -> dict[str, Any]:
    """Every leaf of a config, under its dotted path.

    Configs of one study are nearly the same, so each top-level block is parsed only where its text is new.
    """
    starts = [match.start() for match in re.finditer(r"^[^\s#-]", text, re.MULTILINE)]
    if starts[:1] == [0] and "&" not in text:  # an anchor may be used in another block
        blocks = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
        if len({block.partition(":")[0] for block in blocks}) < len(blocks):
            raise DamagedError("config.yaml has a key twice")
        return {key: value for block in blocks for key, value in _leaves(block)}
    return dict(_leaves(text))


@lru_cache(maxsize=4096)
def _leaves(text: str) -> Leaves:
    parsed = plain_yaml.parse(text)
    if not isinstance(parsed, Mapping):
        raise DamagedError("config.yaml is not a config")
    return tuple(_flat(parsed, ""))


def _flat(tree: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if key in ("_target_", "_partial_") or (isinstance(value, str) and value.startswith("${")):
            continue
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", plain(value)


def plain(value: Any) -> Any:
    """A value that fits into a table: lists and mappings as they are typed.

    >>> plain([256, {16: None}])
    '[256,{16:null}]'
    """
    if isinstance(value, list | tuple | Mapping):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str).replace('"', "")
    return value

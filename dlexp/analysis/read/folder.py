"""Read one run folder: its config, the numbers of its summary, or the reason why it cannot be read."""

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from dlexp.analysis.read.scores import drop_scores_without_loss
from dlexp.config import plain_json, plain_yaml
from dlexp.run.record.checksums import find_damage
from dlexp.run.record.forms import Texts, read_summary_file
from dlexp.run.record.layout import RUN_FOLDER_NAME

# Keys of summary.json that RunFolder holds elsewhere, or under other names, than in `summary`.
RENAMED_KEYS = {
    "metrics",
    "of_classes",
    "choices",
    "overrides",
    "seconds",
    "memory",
    "versions",
    "variables",
    "id",
    "status",
    "reason",
    "epochs",
    "steps",
    "modules",
    "libraries",
    "files",
    plain_json.SCHEMA_KEY,
    plain_json.SUM_KEY,
}


class DamagedError(ValueError):
    """A run folder or a study's protocol that cannot be read, and why."""


class DamagedRunWarning(UserWarning):
    """Names a run folder, or a file in it, that cannot be read and is left out."""


def warn_damaged(path: Path, error: Exception) -> None:
    """Warn that a file or folder is left out."""
    warnings.warn(f"{path} is damaged and was left out: {error}", DamagedRunWarning, stacklevel=4)


@dataclass(frozen=True)
class RunFolder:
    """The content of one run folder.

    Args:
        id: The run's id.
        path: The folder.
        status: The status in the summary, or `interrupted` where there is no summary: cut off, or still running.
        reason: Why the run failed, or None.
        choices: Group → option.
        config: Every leaf of config.yaml under its dotted path, without targets and references to other keys.
        metrics: Metrics under their slashed names; nan where the summary has null, and scores without a loss.
        of_classes: Scores of each class, under names such as `test/recall/ship`; empty in older runs.
        summary: The rest of the summary, flat; `seconds` are the seconds of training.
        modules: Path of a module of dlexp that made the numbers → hash of its source; empty in older runs.
        libraries: Library that read the data or computed → its version, or a hash; empty in older runs.
    """

    id: str
    path: Path
    status: str
    reason: str | None
    choices: dict[str, str]
    config: dict[str, Any]
    metrics: dict[str, float] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    libraries: dict[str, str] = field(default_factory=dict)
    of_classes: dict[str, float] = field(default_factory=dict)


def read_run_folder(path: Path) -> RunFolder:
    """Read a run folder.

    Raises:
        DamagedError: If a file is missing, cut off, or not of the form that training writes.
    """
    name = RUN_FOLDER_NAME.search(path.name)
    try:
        config = read_config(plain_yaml.read(path / "config.yaml"))
        try:
            summary = read_summary_file(path)
        except FileNotFoundError:
            return RunFolder(name[1] if name else path.name, path, "interrupted", None, _read_choices(path), config)
        if problems := find_damage(path, summary):
            raise DamagedError(", ".join(problems))
        return _build_finished(path, config, summary)
    except OSError as error:
        raise DamagedError(f"{Path(error.filename or path).name}: {error.strerror}") from error
    except ValueError as error:
        raise DamagedError(" ".join(str(error).split())) from error


def _build_finished(path: Path, config: dict[str, Any], summary: Mapping[str, Any]) -> RunFolder:
    seconds = summary.get("seconds", {})
    rest = {key: value for key, value in summary.items() if key not in RENAMED_KEYS}
    rest |= {"seconds": seconds.get("train"), "num_epochs": summary.get("epochs"), "num_steps": summary.get("steps")}
    rest |= {f"seconds.{name}": value for name, value in seconds.items() if name != "train"}
    rest |= {
        f"{group}.{name}": value
        for group in ("memory", "versions", "variables")
        for name, value in summary.get(group, {}).items()
    }
    metrics = {name: float("nan" if value is None else value) for name, value in summary.get("metrics", {}).items()}
    metrics = drop_scores_without_loss(metrics)
    ended = summary["id"], path, summary["status"], summary.get("reason")
    made_by = summary.get("modules", {}), summary.get("libraries", {})
    of_classes = {
        f"test/{score}/{name}": value
        for score, values in summary.get("of_classes", {}).items()
        for name, value in values.items()
    }
    return RunFolder(*ended, summary["choices"], config, metrics, rest, *made_by, of_classes)


def _read_choices(path: Path) -> dict[str, str]:
    """The choices of a run without a summary, from Hydra's own record; empty if that cannot be read."""
    try:
        hydra = plain_yaml.parse(plain_yaml.read(path / ".hydra/hydra.yaml"))
        return plain_json.check(hydra["hydra"]["runtime"]["choices"], Texts)
    except (OSError, KeyError, TypeError, plain_json.FormError):
        return {}


def read_config(text: str) -> dict[str, Any]:
    """Every leaf of a config, under its dotted path.

    The configs of one study are nearly the same, so each top-level block is parsed only where its text is new.
    """
    starts = [match.start() for match in re.finditer(r"^[^\s#-]", text, re.MULTILINE)]
    if starts[:1] == [0] and "&" not in text:  # an anchor may be used in another block
        blocks = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
        if len({block.partition(":")[0] for block in blocks}) < len(blocks):
            raise DamagedError("config.yaml has a key twice")
        return {key: value for block in blocks for key, value in _parse_leaves(block)}
    return dict(_parse_leaves(text))


@lru_cache(maxsize=4096)
def _parse_leaves(text: str) -> tuple[tuple[str, Any], ...]:
    config = plain_yaml.parse(text)
    if not isinstance(config, Mapping):
        raise DamagedError("config.yaml is not a config")
    return tuple(_walk_leaves(config, ""))


def _walk_leaves(tree: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if key in ("_target_", "_partial_") or (isinstance(value, str) and value.startswith("${")):
            continue
        if isinstance(value, Mapping) and value:
            yield from _walk_leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", flatten(value)


def flatten(value: Any) -> Any:
    """Convert a value for a table cell: lists and mappings become text, as a user would type them.

    >>> flatten([256, {16: None}])
    '[256,{16:null}]'
    """
    if isinstance(value, list | tuple | Mapping):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str).replace('"', "")
    return value

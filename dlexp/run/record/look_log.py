"""looks.json beside a study's report: each look at the study, so that one that nobody planned is counted. Loads no torch.

Entries are only added. The file is written with the report.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from dlexp.config import plain_json
from dlexp.run.record.forms import Count, Positive, Sha256
from dlexp.run.record.protocol_form import Bounds, Unit

LOOKS = "looks.json"
MAX_LOOKS = 10_000  # entries that are read


class LoggedLook(TypedDict):
    """A look at these seeds or draws of the data. `looks` and `bounds` are the plan of that time, `study` the study's hash."""

    time: str
    unit: Unit
    units: list[Count]
    level: Annotated[float, Meta(gt=0, lt=1)]
    planned: bool
    looks: list[Positive]
    bounds: Bounds
    study: Sha256
    decisions: dict[str, Literal["holds", "fails", "undecided"]]


class LookLog(TypedDict):
    """looks.json."""

    schema: NotRequired[Count]
    checksum: NotRequired[Sha256]
    looks: Annotated[list[LoggedLook], Meta(max_length=MAX_LOOKS)]


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The entries of the log beside a report, in their order; none if there is no log.

    Raises:
        FormError: If it cannot be read, is damaged, or is not of this form.
    """
    try:
        return plain_json.read(folder / LOOKS, LookLog)["looks"]
    except FileNotFoundError:
        return []


def format_log(entries: Sequence[Mapping[str, Any]]) -> str:
    """The content of looks.json."""
    return json.dumps(plain_json.seal({"looks": list(entries)}), indent=1) + "\n"


def add_looks(log: Sequence[Mapping[str, Any]], looks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The log with those of these looks that it lacks, at the present time.

    A look is in it if its last entry about these seeds or draws has the same decisions, so that a report made twice of the
    same runs is one look.

    Args:
        log: The entries.
        looks: Looks without a time.
    """
    latest = {_identify(entry): entry for entry in log}
    time = datetime.now(UTC).isoformat(timespec="seconds")
    added = [look for look in looks if latest.get(_identify(look), {}).get("decisions") != look["decisions"]]
    return [*map(dict, log), *({"time": time, **look} for look in added)]


def _identify(entry: Mapping[str, Any]) -> tuple[str, frozenset[int]]:
    return entry["unit"], frozenset(entry["units"])

"""registrations.json: what a study asked and predicted when it was registered. Loads no torch.

It lies beside protocol.json. Registrations are added at its end, and none is ever changed or removed.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from dlexp.config import plain_json
from dlexp.config.values import make_printable
from dlexp.run.record.forms import Count, Sha256
from dlexp.run.record.protocol_form import Change, StudyForm

REGISTRATIONS = "registrations.json"
SHOWN_DIGITS = 12  # of a hash, in sentences
TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\Z"  # as `folder.now` writes it; the order of such texts is that of the times

Commit = Annotated[str, Meta(pattern=r"^[0-9a-f]{7,64}(-dirty)?\Z")]


class Registration(TypedDict):
    """A registration: its hash is that of `study` and `changes`, `begun` the number of runs that had been started by then."""

    hash: Sha256
    date: Annotated[str, Meta(pattern=TIME)]
    git_commit: Commit | None
    begun: Count
    study: StudyForm
    changes: list[Change]


class Registrations(TypedDict):
    """registrations.json, the oldest registration first."""

    schema: NotRequired[Count]
    checksum: NotRequired[Sha256]
    registrations: list[Registration]


@dataclass(frozen=True)
class Standing:
    """What the registrations of a study say about the study as it is now.

    Args:
        state: `none`: it was never registered; `before` and `after`: it was, before its first run or later; `changed`: only
            other versions of it were; `damaged`: the file cannot be read.
        registration: The first registration of this version; of `changed`, the last one of another.
        differs: The keys in which a changed study differs from that registration.
        others: The dates of the registrations of other versions.
        problem: What is wrong with a damaged file.
    """

    state: Literal["none", "before", "after", "changed", "damaged"] = "none"
    registration: Registration | None = None
    differs: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    problem: str = ""


def hash_study(study: Mapping[str, Any], changes: Sequence[str]) -> str:
    """The hash of a study with the changes of a command.

    Keys without a value do not enter it, so that it stays the same where a later version of dlexp has more keys.
    """
    content = {"study": _list_given(study), "changes": sorted(changes)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _list_given(study: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in study.items() if value}


def list_differing_keys(registration: Registration, study: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of a study whose values are not those that were registered, as text that can be printed."""
    then, now = _list_given(registration["study"]), _list_given(study)
    return tuple(make_printable(key) for key in dict.fromkeys([*now, *then]) if now.get(key) != then.get(key))


def show_registration(registration: Registration) -> str:
    """The date of a registration, and the first digits of its hash."""
    return f"{show_date(registration['date'])} ({registration['hash'][:SHOWN_DIGITS]})"


def show_date(date: str) -> str:
    """A date of the file, to the minute.

    >>> show_date("2026-11-28T05:17:40+00:00")
    '2026-11-28 05:17 UTC'
    """
    return f"{date[:16].replace('T', ' ')} UTC"


def read_registrations(folder: Path) -> list[Registration]:
    """The registrations in the folder of a report, the oldest first; none if there is no file of them.

    Raises:
        FormError: If the file is damaged.
    """
    try:
        found = plain_json.read(folder / REGISTRATIONS, Registrations)["registrations"]
    except FileNotFoundError:
        return []
    for number, registration in enumerate(found):
        if registration["hash"] != hash_study(registration["study"], registration["changes"]):
            raise plain_json.FormError(f"{REGISTRATIONS}: registrations[{number}].hash is not that of what was registered")
    return found


def find_standing(folder: Path, study: Mapping[str, Any], changes: Sequence[str], started: Iterable[Any]) -> Standing:
    """Compare a study with its registrations.

    Args:
        folder: The folder of its report.
        study: As in its protocol.json.
        changes: What the command changes in it, as there.
        started: When each of its runs was started. What is not such a time is passed over.
    """
    try:
        registrations = read_registrations(folder)
    except plain_json.FormError as error:
        return Standing("damaged", problem=str(error))
    if not registrations:
        return Standing()
    identity = hash_study(study, changes)
    others = tuple(each["date"] for each in registrations if each["hash"] != identity)
    same = [each for each in registrations if each["hash"] == identity]
    if not same:
        last = registrations[-1]
        return Standing("changed", last, list_differing_keys(last, study), others[:-1])
    times = [time for time in started if isinstance(time, str) and re.match(TIME, time)]
    late = same[0]["begun"] > 0 or min(times, default=same[0]["date"]) < same[0]["date"]
    return Standing("after" if late else "before", same[0], others=others)

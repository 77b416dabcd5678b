"""Register a study before its first run: what it asks and predicts is written down with a hash, the date and the commit."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from dlexp.config.plain_json import FormError
from dlexp.errors import ConfigError
from dlexp.machine.locks import locking_folder
from dlexp.machine.once import checking_once
from dlexp.run.record import disk, folder
from dlexp.run.record.layout import find_run_folder
from dlexp.run.record.modules import git_commit
from dlexp.run.record.registrations import (
    REGISTRATIONS,
    Registration,
    hash_study,
    list_differing_keys,
    read_registrations,
    show_registration,
)
from dlexp.study.cells import Study
from dlexp.study.protocol import list_changes, list_runs, locate_report
from dlexp.study.request import Request
from dlexp.study.sharing import write_json

LOCK_SECONDS = 5.0  # to wait for another process that registers


class Registered(NamedTuple):
    """What `register` has done.

    Args:
        path: registrations.json.
        registration: The registration of the study as it is now.
        is_new: Whether it was added just now.
        earlier: The last registration of another version, if there is one.
    """

    path: Path
    registration: Registration
    is_new: bool
    earlier: Registration | None


def register(study: Study, request: Request) -> Registered:
    """Add a study to the registrations beside its protocol, unless it is among them as it is.

    Args:
        study: As its file describes it.
        request: What the command asks of it: all of its cells and seeds, perhaps with changes.

    Raises:
        ConfigError: If the command selects cells or seeds, if two cells are the same run, or if the file of registrations is
            damaged.
        DiskError: If the file cannot be written.
    """
    _check_whole(study, request)
    listed = list_runs(study, request)
    content, path = _describe(listed.study), listed.folder / REGISTRATIONS
    identity = hash_study(content, listed.changed)
    tried = listed.searched.runs if listed.searched else []
    identities = [each.identity for each in listed.runs] + [each.run.identity for each in tried]
    with checking_once():
        begun = sum(find_run_folder(listed.parent, identity) is not None for identity in identities)
    with disk.writing(path):
        listed.folder.mkdir(parents=True, exist_ok=True)
        with locking_folder(listed.folder, LOCK_SECONDS):
            registrations = _read(listed.folder)
            known = next((each for each in registrations if each["hash"] == identity), None)
            if known is None:
                made = {"hash": identity, "date": folder.now(), "git_commit": git_commit(), "begun": begun}
                added: Any = made | {"study": content, "changes": listed.changed}
                write_json(path, {"registrations": [*registrations, added]})
    others = [each for each in registrations if each["hash"] != identity]
    return Registered(path, known or added, known is None, others[-1] if others else None)


def describe_registration(study: Study, request: Request, parent: Path) -> str:
    """One sentence on the registrations of a study under the changes of a command; empty if there are none.

    Args:
        study: As its file describes it.
        request: What the command asks of it.
        parent: The folder of its runs.
    """
    changed = list_changes(study, request)
    place = locate_report(parent, changed)
    try:
        registrations = read_registrations(place)
    except FormError as error:
        return f"{place}: {error}: whether the study was registered is not known."
    if not registrations:
        return ""
    content = _describe(request.apply_to(study))
    identity = hash_study(content, changed)
    same = next((each for each in registrations if each["hash"] == identity), None)
    if same is None:
        differs = ", ".join(list_differing_keys(registrations[-1], content))
        return f"Changed since it was registered on {show_registration(registrations[-1])}: {differs}."
    begun = f", when {same['begun']} of its runs had been started" if same["begun"] else ""
    return f"Registered on {show_registration(same)}{begun}."


def _check_whole(study: Study, request: Request) -> None:
    """Check that a command selects no part of a study: a registration is of the whole."""
    changed = request.apply_to(study)
    if len(request.cells) < len(changed.all_cells()) or set(request.repeats) != set(changed.repeats):
        raise ConfigError(
            f"study={study.name}: the whole study is registered, with all of its cells, seeds and draws of the data: leave out "
            "what selects some of them, or adds seeds. The seeds of a study are `seeds` in its file, its draws `data_seeds`."
        )


def _read(place: Path) -> list[Registration]:
    try:
        return read_registrations(place)
    except FormError as error:
        raise ConfigError(
            f"{place}: {error}. Nothing was registered. Put a copy of this file that is whole in its place, or move it away: "
            "what was registered before is then lost."
        ) from error


def _describe(study: Study) -> Mapping[str, Any]:
    """A study as its protocol.json holds it."""
    return json.loads(json.dumps(asdict(study)))

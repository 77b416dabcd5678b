"""List the runs of a study's folder that its protocol does not list, each with its differences from the nearest one."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from dlexp.analysis.read.folder import RunFolder

# Keys that say where files are and how a run is executed; dlexp/run/record/identity.py has the whole list.
IGNORED_KEYS = {"force", "retry", "data_dir", "output_dir", "study", "dataset.cache_dir"}
# The content of these files is in a run's id, so runs that are equal but for the path are the same run.
IGNORED_KEYS |= {"dataset.root", "dataset.labels", "dataset.train", "dataset.test"}


def describe_outside_runs(listed: Iterable[RunFolder], outside: Iterable[RunFolder]) -> pd.DataFrame:
    """Build a table with one row per outside run: `id, folder, status, differs`.

    Args:
        listed: The runs of the protocol that exist.
        outside: The runs that the protocol does not list.
    """
    known = [write_settings(run) for run in listed]
    rows = [(run.id, str(run.path), run.status, _describe_nearest(run, known)) for run in outside]
    return pd.DataFrame(rows, columns=["id", "folder", "status", "differs"])


def write_settings(run: RunFolder) -> dict[str, str]:
    """The settings of a run that can change its numbers, as text: key, or group → value, or option."""
    return {key: _to_text(value) for key, value in {**run.config, **run.choices}.items() if key not in IGNORED_KEYS}


def _to_text(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _describe_nearest(run: RunFolder, known: list[dict[str, str]]) -> str:
    if not known:
        return "no run of the protocol exists to compare with"
    settings = write_settings(run)
    differences = min((_list_differences(settings, other) for other in known), key=len)
    return ", ".join(differences) or "no setting of its config"


def _list_differences(settings: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Keys that differ; where a group's option differs, only the option and not the keys below it."""
    keys = [key for key in dict.fromkeys([*settings, *other]) if settings.get(key) != other.get(key)]
    groups = tuple(f"{key}." for key in keys)
    return [
        f"{key}={settings.get(key, 'absent')} (not {other.get(key, 'absent')})" for key in keys if not key.startswith(groups)
    ]

"""Runs of a study's folder that its protocol does not list, each with what differs from the nearest one that it lists."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dlexp.analysis.read.folder import RunFolder

NOT_THERE = "not there"
# Say where files lie and how a run is watched, not what it is; record.py has the whole list.
SILENT = {"force", "retry", "data_dir", "output_dir", "study", "dataset.root", "dataset.cache_dir"}


def others(mine: Mapping[str, RunFolder], rest: Sequence[RunFolder]) -> pd.DataFrame:
    """A row a run: `id, folder, status, differs`.

    Args:
        mine: The protocol's runs that are there.
        rest: The runs that are not the protocol's.
    """
    known = [_told(run) for run in mine.values()]
    rows = [
        {"id": run.id, "folder": str(run.path), "status": run.status, "differs": _nearest(_told(run), known)} for run in rest
    ]
    return pd.DataFrame(rows, columns=["id", "folder", "status", "differs"])


def _told(run: RunFolder) -> dict[str, str]:
    return {key: _text(value) for key, value in {**run.config, **run.choices}.items() if key not in SILENT}


def _text(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _nearest(told: dict[str, str], known: list[dict[str, str]]) -> str:
    if not known:
        return "no run of the protocol is there to compare with"
    differences = min((_differences(told, one) for one in known), key=len)
    return ", ".join(differences) or "nothing that its config tells"


def _differences(told: dict[str, str], known: dict[str, str]) -> list[str]:
    """Keys that differ; below a group whose option differs, only the option."""
    keys = [key for key in dict.fromkeys([*told, *known]) if told.get(key) != known.get(key)]
    groups = tuple(f"{key}." for key in keys)
    return [f"{key}={told.get(key, NOT_THERE)} (not {known.get(key, NOT_THERE)})" for key in keys if not key.startswith(groups)]

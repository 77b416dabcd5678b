"""Run a study, and list the ids that its report is about."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from dlexp.config.compose import compose
from dlexp.data.fingerprint import checking_once
from dlexp.run.display import Display
from dlexp.run.plan import NOT_IN_LABEL, plan
from dlexp.run.record.identity import slug
from dlexp.study.definition import CHANGED, Study
from dlexp.study.request import command
from dlexp.study.sweep import Checked, sweep, write_json


class Ended(NamedTuple):
    """How a study ended: the exit code, 1 if a run failed, else 0; and the path of its report."""

    code: int
    report: Path


def run_study(study: Study, checked: Checked, changes: Mapping[str, str], typed: str, display: Display | None = None) -> Ended:
    """Run the runs of a study that are not finished, and write its report.

    Args:
        study: As its file describes it.
        checked: Its runs, from `check_cells`.
        changes: Key → text, set in every run.
        typed: The command.
        display: Shows the runs; by default the one that suits standard output.
    """
    folder = write_protocol(study, changes, typed)
    code = sweep(checked, typed, display)
    from dlexp.analysis.report.write import build_report  # draws figures: not needed until now

    return Ended(code, build_report(folder))


@checking_once()
def write_protocol(study: Study, changes: Mapping[str, str], typed: str) -> Path:
    """Write protocol.json: the study, and the id of every run that belongs to it under these changes.

    Args:
        study: As its file describes it.
        changes: Key → text, set in every run.
        typed: The command.

    Returns:
        The folder of the report: the study's own, or one beside the runs where something is changed.

    Raises:
        DiskError: If the disk is full or cannot be written.
    """
    runs: list[dict[str, object]] = []
    parent = Path()
    for cell in study.all_cells():
        for seed in study.seeds:
            run = plan(compose(command(study, cell, seed, changes)), study.name)
            runs.append({"id": run.identity, "cell": cell, "seed": seed})
            parent = run.study_folder
    changed = [f"{key}={value}" for key, value in changes.items() if key not in NOT_IN_LABEL]
    folder = parent / f"{CHANGED}{slug(changed)}" if changed else parent
    content = {"study": asdict(study), "changes": changed, "command": typed, "runs": runs}
    write_json(folder / "protocol.json", content)
    return folder

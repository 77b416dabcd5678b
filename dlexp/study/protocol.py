"""Run a study, and list the ids that its report is about."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from dlexp.config.compose import Composed, compose
from dlexp.data.fingerprint import checking_once
from dlexp.run.plan import NOT_IN_LABEL, plan
from dlexp.run.record.identity import slug
from dlexp.study.definition import CHANGED, Study
from dlexp.study.request import command
from dlexp.study.sweep import check_cells, sweep, write_json


def run_study(study: Study, runs: Sequence[Composed], changes: Mapping[str, str], typed: str) -> int:
    """Run the runs of a study that are not finished, and write its report.

    Args:
        study: As its file describes it.
        runs: From `compose_runs`.
        changes: Key → text, set in every run.
        typed: The command.

    Returns:
        The exit code: 1 if a run failed, else 0.

    Raises:
        ConfigError: With everything that is wrong with any run; nothing has started then.
    """
    checked = check_cells(runs, study.name)
    folder = write_protocol(study, changes, typed)
    code = sweep(checked, typed)
    from dlexp.analysis.report.write import build_report  # draws figures: not needed until now

    print(f"Report: {build_report(folder)}")
    return code


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

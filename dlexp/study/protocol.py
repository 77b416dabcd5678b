"""A study as a command asks for it: its runs, and the list of ids that its report goes by."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from dlexp.config.compose import Composed, assemble
from dlexp.config.lookup import look_up
from dlexp.errors import ConfigError
from dlexp.machine.files import write_whole
from dlexp.run.plan import SILENT, plan
from dlexp.run.record import disk
from dlexp.run.record.identity import slug
from dlexp.study.definition import CHANGED, Request, Study, ask, command, read_study, title
from dlexp.study.sweep import check_cells, sweep


def run_study(overrides: Sequence[str], typed: str) -> int:
    """Run the runs of a study that are due, and write its report.

    Args:
        overrides: Of the command, `study=` among them.
        typed: The command.

    Returns:
        The exit code: 1 if a run failed, else 0.

    Raises:
        ConfigError: With all that is wrong with the command or with any run; nothing has started then.
    """
    study, request = understand(overrides)
    checked = check_cells(assemble_runs(study, request), study.name)
    folder = write_protocol(study, request.changes, typed)
    code = sweep(checked, typed)
    from dlexp.analysis.report.write import build_report  # draws figures: not needed until now

    print(f"Report: {build_report(folder)}")
    return code


def understand(overrides: Sequence[str]) -> tuple[Study, Request]:
    """The study that a command names, and what it asks of it.

    Raises:
        ConfigError: If there is no such study, or if it has no such axis.
    """
    names = [text.removeprefix("study=") for text in overrides if text.startswith("study=")]
    if len(names) != 1 or "," in names[0]:
        raise ConfigError("study: give one; python scripts/reproduce.py runs several, one after the other.")
    study = read_study(names[0])
    return study, ask(study, [text for text in overrides if not text.startswith("study=")])


def assemble_runs(study: Study, request: Request) -> list[Composed]:
    """The config of each run that is asked for; the seed varies slowest, so that a study cut off has whole seeds.

    Raises:
        ConfigError: With every key and option that any of them gets wrong.
    """
    runs = [(cell, seed) for seed in request.seeds for cell in request.cells]
    commands = [command(study, cell, seed, request.changes) for cell, seed in runs]
    if problems := dict.fromkeys(problem for overrides in commands for problem in look_up(overrides, multirun=False)):
        raise ConfigError(*problems)
    titles = [title(cell, seed, request.changes) for cell, seed in runs]
    return [assemble(overrides)._replace(told=told) for overrides, told in zip(commands, titles, strict=True)]


def write_protocol(study: Study, changes: Mapping[str, str], typed: str) -> Path:
    """Write protocol.json: the study, and the id of every run that belongs to it under these changes.

    Args:
        study: As its file has it.
        changes: Key → text, for every run.
        typed: The command.

    Returns:
        The folder of the report: the study's own, or one beside the runs where something is changed.

    Raises:
        DiskError: If the disk is full or cannot be written.
    """
    runs: list[dict[str, object]] = []
    shelf = Path()
    for cell in study.all_cells():
        for seed in study.seeds:
            run = plan(assemble(command(study, cell, seed, changes)), study.name)
            runs.append({"id": run.identity, "cell": cell, "seed": seed})
            shelf = run.shelf
    told = [f"{key}={value}" for key, value in changes.items() if key not in SILENT]
    folder = shelf / f"{CHANGED}{slug(told)}" if told else shelf
    content = {"study": asdict(study), "changes": told, "command": typed, "runs": runs}
    with disk.writing(folder / "protocol.json"):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "protocol.json", json.dumps(content, indent=1) + "\n")
    return folder

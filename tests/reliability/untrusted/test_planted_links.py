"""A link planted at any path that is written, as anybody can do in a shared folder: the file behind it stays as it is."""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from dlexp.analysis.report.one_run.page import build_run_report
from dlexp.analysis.report.write import build_report
from dlexp.config.lab import trust
from dlexp.config.overrides import expand
from dlexp.data.cache import load_or_make
from dlexp.data.hash_store import write_hashes
from dlexp.errors import CheckpointError, ConfigError, DatasetError, DiskError, HeldError
from dlexp.run.record import lock
from dlexp.run.record.layout import find_run_folders
from dlexp.study.sweep import check_cells, sweep
from dlexp.trained.export import export_weights
from dlexp.trained.load import load_trained
from tests.analysis.made import make_study
from tests.run.test_resume import start as start_run
from tests.runs import MOONS, only_last, run

PRECIOUS = "precious"
REFUSALS = (CheckpointError, ConfigError, DatasetError, DiskError, HeldError, FileExistsError, NotADirectoryError)
RUN = only_last(
    (*MOONS, "hardware=cpu", "epochs=1", "batch_size=32", "checkpoint_every=0", "probe=[grad_flow,decision_boundary]")
)
SAMPLE = 2  # paths of each action that are tried by default


class Action(NamedTuple):
    """What writes files.

    Args:
        work: Writes them below a folder.
        prepare: What is below it before.
        shared: Paths of folders, from it, that a user may have replaced by a link.
    """

    work: Callable[[Path], object]
    prepare: Callable[[Path], object] = lambda root: None
    shared: tuple[str, ...] = ()


def find_one(root):
    (folder,) = find_run_folders(root / "outputs")
    return folder


def run_sweep(root):
    from dlexp.config.compose import compose

    command = only_last((*MOONS, "hardware=cpu", "epochs=1", "seed=0,1", f"output_dir={root}"))
    sweep(check_cells([compose(cell) for cell in expand(command)]), "dlexp train -m")


def trust_folder(root):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(root / "settings"))
        trust(root)


def interrupt(root):
    start_run(root, after=3)
    (root / "adhoc/.locks").rename(root / "locks")  # made anew
    shutil.rmtree(root / "locks")


ACTIONS = {
    "run": Action(lambda root: run(*RUN, "profile=true", root=root), shared=("adhoc",)),
    "tuned run": Action(lambda root: run(*RUN, "hardware.tune=true", root=root), shared=("adhoc",)),
    "forced run": Action(lambda root: run(*RUN, "force=true", root=root), lambda root: run(*RUN, root=root), ("adhoc",)),
    "resumed run": Action(start_run, interrupt, ("adhoc",)),
    "resumed run with force": Action(lambda root: start_run(root, "force=true"), interrupt, ("adhoc",)),
    "sweep": Action(run_sweep, shared=("adhoc",)),
    "report": Action(
        lambda root: build_report(root / "outputs/made_up"),
        lambda root: make_study(root / "outputs", {"activation": ["relu", "tanh"]}, range(2)),
        ("outputs", "outputs/made_up"),
    ),
    "page of a run": Action(
        lambda root: build_run_report(find_one(root)),
        lambda root: run(*RUN, root=root / "outputs"),
        ("outputs", "outputs/adhoc"),
    ),
    "export": Action(
        lambda root: export_weights(load_trained(find_one(root)), root / "export"),
        lambda root: run(*RUN, root=root / "outputs"),
        ("export",),
    ),
    "cache": Action(lambda root: load_or_make(root / "cache/x.pt", lambda: {"x": 1}), shared=("cache",)),
    "hashes": Action(lambda root: write_hashes(root / "cache/x.json", {}, None, None), shared=("cache",)),
    "trusted folders": Action(trust_folder, shared=("settings", "settings/dlexp")),
}


def list_paths(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def plant(path: Path, kind: str, written: set[str], root: Path, victim: Path) -> None:
    """Put a link to a victim in the place of a path, whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    name = str(path.relative_to(root))
    below = [other.removeprefix(f"{name}/") for other in written if other.startswith(f"{name}/")]
    if kind == "folder":
        for inner in (*below, "step-000000001.pt", "mine.png", "config.yaml"):
            (victim / inner).parent.mkdir(parents=True, exist_ok=True)
        for inner in (*below, "step-000000001.pt", "mine.png", "config.yaml"):
            if not (victim / inner).is_dir():
                (victim / inner).write_text(PRECIOUS)
    elif kind == "file":
        victim.write_text(PRECIOUS)
    path.symlink_to(victim)


def find_harm(kind: str, victim: Path) -> list[str]:
    """What has happened to the victim."""
    if kind == "nothing":
        return [f"{victim} was made"] if victim.exists() else []
    if kind == "file":
        return [] if victim.is_file() and victim.read_text() == PRECIOUS else ["the file was changed"]
    changed = [path for path in victim.rglob("*") if path.is_file() and path.read_bytes() != PRECIOUS.encode()]
    return [f"{path} was written" for path in changed] + ([] if (victim / "mine.png").exists() else ["files were deleted"])


def attack(action: Action, root: Path) -> Iterator[tuple[str, str, Callable[[], list[str]]]]:
    """Each path that the action writes, the kind of link, and a function that plants it and returns the harm."""
    before = root / "before"
    before.mkdir()
    action.prepare(before)
    shutil.copytree(before, root / "written", symlinks=True)
    untouched = {path: (root / "written" / path).stat() for path in list_paths(root / "written")}
    action.work(root / "written")
    now = {path: (root / "written" / path).stat() for path in list_paths(root / "written")}
    written = {path for path in now if path not in untouched or now[path].st_ctime_ns != untouched[path].st_ctime_ns}
    written |= {path for path in untouched if path not in now}  # what was removed
    for path in sorted(written - set(action.shared)):
        for kind in ("folder",) if (root / "written" / path).is_dir() else ("file", "nothing"):
            yield path, kind, lambda path=path, kind=kind: _try(action, root, path, kind, written)


def _try(action: Action, root: Path, path: str, kind: str, written: set[str]) -> list[str]:
    place, victim = root / "attacked", root / "victim"
    for used in (place, victim):
        shutil.rmtree(used, ignore_errors=True)
        used.unlink(missing_ok=True) if used.exists() or used.is_symlink() else None
    shutil.copytree(root / "before", place, symlinks=True)
    plant(place / path, kind, written, place, victim)
    with suppress(*REFUSALS):
        action.work(place)
    return find_harm(kind, victim)


@pytest.mark.parametrize("every", [pytest.param(True, marks=pytest.mark.slow(seconds=60)), False])
@pytest.mark.parametrize("name", ACTIONS)
def test_nothing_is_written_through_a_planted_link(name, every, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HOLDER_SECONDS", 0.1)
    attacks = list(attack(ACTIONS[name], tmp_path))
    chosen = attacks if every else random.Random(name).sample(attacks, min(SAMPLE, len(attacks)))
    harm = {f"{path} ({kind})": found for path, kind, work in chosen if (found := work())}
    assert chosen
    assert harm == {}

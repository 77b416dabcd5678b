"""The process that replaces something finished may be killed at any file operation: the old is found, or the new, or neither.

Runs are in test_faults.py and test_forced_starts.py.
"""

import json
import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import replace_report
from dlexp.config.lab import trust, trusted_folders
from dlexp.data.cache import load_or_make
from dlexp.data.hash_store import find_fingerprint, read_hashes, write_hashes
from dlexp.run.record.layout import PROTOCOL
from dlexp.run.setup.tuning import write_measurements
from dlexp.study.sharing import write_json
from dlexp.trained import standalone
from dlexp.trained.export import DESCRIPTION, LOADER, WEIGHTS, write_files
from tests.reliability.downloads import fork
from tests.reliability.faults import Faults

OLD, NEW, UNFINISHED = "old" * 9, "new" * 9, "unfinished"
MODES = ("kill", "torn")


class Finished(NamedTuple):
    """Something finished that can be replaced.

    Args:
        write: Writes it in this version into a folder.
        read: The version that is found there, or UNFINISHED. Fails if files of several versions are taken for one.
    """

    write: Callable[[Path, str], object]
    read: Callable[[Path], str]


def write_report(folder, version):
    figures = [folder / "figures" / f"{name}.{kind}" for name in ("main", f"only {version}") for kind in ("png", "svg")]
    files = [*figures, folder / "runs.csv", folder / "report.md", folder / "report.html"]
    replace_report(dict.fromkeys(files, version), Text("en"), keep_figures=False)


def read_report(folder):
    page = (folder / "report.html").read_text()
    if "This report is unfinished" in page:
        return UNFINISHED
    names = [f"{name}.{kind}" for name in ("main", f"only {page}") for kind in ("png", "svg")]
    assert sorted(path.name for path in (folder / "figures").iterdir() if path.suffix != ".tmp") == names
    markdown = (folder / "report.md").read_text()
    found = {path.read_text() for path in (folder / "runs.csv", *(folder / "figures" / name for name in names))}
    assert found == {page}
    assert markdown == page or "This report is unfinished" in markdown
    return page


def write_export(folder, version):
    """The new version has no load.py."""
    files = {WEIGHTS: version, DESCRIPTION: json.dumps({"id": "0" * 12, "version": version})}
    write_files(folder, "0" * 12, files | ({LOADER: version} if version == OLD else {}))


def read_export(folder):
    described = json.loads((folder / DESCRIPTION).read_text())
    assert described["id"] == "0" * 12  # it can be made again
    if described.get("unfinished"):
        with pytest.raises(ValueError, match="holds an export that was interrupted: make it again"):
            standalone.load(folder)
        return UNFINISHED
    assert (folder / WEIGHTS).read_text() == described["version"]
    assert (folder / LOADER).exists() == (described["version"] == OLD)
    return described["version"]


def write_cache(folder, version):
    """The old one is damaged: only then it is replaced."""
    if version == OLD:
        (folder / "x.pt").write_text(OLD)
    load_or_make(folder / "x.pt", lambda: {"version": version}) if version == NEW else None


def read_cache(folder):
    content = (folder / "x.pt").read_bytes()
    return OLD if content == OLD.encode() else load_or_make(folder / "x.pt", lambda: {"version": "made again"})["version"]


def read_hash_store(folder):
    ((version, (_, digest)),) = read_hashes(folder / "x.json").items()
    assert digest == version
    assert find_fingerprint(folder / "x.json", version) == version
    return version


def in_settings(folder, work):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        return work()


def write_trusted(folder, version):
    (folder / version).mkdir(exist_ok=True)
    in_settings(folder, lambda: trust(folder / version))


FINISHED = {
    "report": Finished(write_report, read_report),
    "export": Finished(write_export, read_export),
    "manifest": Finished(
        lambda folder, version: write_json(folder / "sweeps/x.json", {"version": version}),
        lambda folder: json.loads((folder / "sweeps/x.json").read_text())["version"],
    ),
    "protocol": Finished(
        lambda folder, version: write_json(folder / PROTOCOL, {"version": version}),
        lambda folder: json.loads((folder / PROTOCOL).read_text())["version"],
    ),
    "measurements": Finished(
        lambda folder, version: write_measurements(folder, {"version": version}),
        lambda folder: json.loads((folder / "tuned.json").read_text())["version"],
    ),
    "cache": Finished(write_cache, read_cache),
    "hashes": Finished(
        lambda folder, version: write_hashes(folder / "x.json", {version: ((1, 1, 1, 1), version)}, version, version),
        read_hash_store,
    ),
    "trusted folders": Finished(write_trusted, lambda folder: Path(in_settings(folder, lambda: trusted_folders()[-1])).name),
}


def kill(folder, work, number, mode):
    """Do something in a fork that is killed at an operation; whether it was."""

    def work_until_killed():
        Faults(folder, number, mode)
        work()

    code = os.waitstatus_to_exitcode(os.waitpid(fork(work_until_killed), 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", FINISHED)
def test_what_replaces_something_finished_may_be_killed_at_any_operation(name, mode, tmp_path):
    write, read = FINISHED[name]
    found = []
    for number in count(1):
        folder = tmp_path / str(number)
        folder.mkdir()
        write(folder, OLD)
        killed = kill(folder, lambda folder=folder: write(folder, NEW), number, mode)
        found.append(read(folder))
        write(folder, NEW)
        assert read(folder) == NEW
        assert list(folder.rglob("*.tmp")) == []
        if not killed:
            break
    order = [OLD, UNFINISHED, NEW]
    assert found == sorted(found, key=order.index)
    assert {OLD, NEW} <= set(found)
    assert (UNFINISHED in found) == (name in ("report", "export"))


@pytest.mark.parametrize("name", ["report", "export"])
def test_the_first_one_that_is_cut_off_is_not_taken_for_whole(name, tmp_path):
    write, read = FINISHED[name]
    for number in count(1):
        folder = tmp_path / str(number)
        killed = kill(tmp_path, lambda folder=folder: write(folder, NEW), number, "kill")
        if list(folder.glob("*.html")) or (folder / DESCRIPTION).exists():
            assert read(folder) in ((UNFINISHED, NEW) if killed else (NEW,))
        if not killed:
            break
    assert number > 5

"""R30, R31: one run has one folder and one process, however many start it, and however that one ends."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from dlexp.commands.attempt import attempt
from dlexp.errors import HeldError, MovedError
from dlexp.run.record import lock
from tests import ROOT
from tests.reliability.downloads import fork
from tests.runs import MOONS, prepare


def rounds(kind, root, count):
    command = [sys.executable, "-m", "tests.reliability.concurrent_starts", kind, str(root), str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert not outcome["torch"]
    return outcome["rounds"]


def test_sixteen_starts_in_the_same_moment(tmp_path):
    others = {"same": False, "codes": [0] * 16, "folders": 16, "named": 0}
    same = {"same": True, "codes": [0] + [3] * 15, "folders": 1, "named": 15}
    assert rounds("starts", tmp_path, 5) == [others, same] * 5


def test_a_dead_holder_gives_way(tmp_path):
    assert rounds("deaths", tmp_path, 20) == [{"named": True, "taken over": True}] * 20


def test_a_start_of_a_held_run_ends_with_3_and_trains_nothing(tmp_path, capsys):
    from dlexp.run.display import Plain
    from dlexp.run.execute import execute, gather_facts

    run = prepare(*MOONS, root=tmp_path)
    facts = gather_facts(run)
    reader, writer = os.pipe()

    def hold():
        with lock.hold(run.study_folder, run.identity):
            os.write(writer, b"x")
            time.sleep(60)

    holder = fork(hold)
    os.read(reader, 1)
    try:
        assert attempt(lambda: len(execute(run, facts, Plain()))) == 3
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
    assert f"held by process {holder} on" in capsys.readouterr().err
    assert not run.folder.exists()
    assert execute(run, facts, Plain())["status"] == "done"


def test_what_a_dead_process_has_left_names_nobody(tmp_path, monkeypatch):
    """The holder has not written its own file yet, and the file that exists is of a dead process."""
    monkeypatch.setattr(lock, "HOLDER_SECONDS", 0.1)
    dead = fork(lambda: None)
    os.waitpid(dead, 0)
    with lock.hold(tmp_path, "one"):
        owner = tmp_path / ".locks" / "one.json"
        owner.write_text(json.dumps(json.loads(owner.read_text()) | {"pid": dead}))
        with pytest.raises(HeldError, match="held by process \\? on \\?"), lock.hold(tmp_path, "one"):
            pass


@pytest.mark.parametrize("exists", [True, False])
def test_a_lock_that_is_a_link_is_refused_and_not_followed(exists, tmp_path):
    victim, planted = tmp_path / "victim", tmp_path / ".locks" / "one.lock"
    planted.parent.mkdir()
    planted.symlink_to(victim)
    if exists:
        victim.write_text("precious")
    with (
        pytest.raises(MovedError, match=r"one\.lock is a link, which is not followed\. Remove it\."),
        lock.hold(tmp_path, "one"),
    ):
        pass
    assert victim.exists() == exists
    assert not exists or victim.read_text() == "precious"

"""R15, R16, R17: a disk that refuses: exit code 5, what is needed and free, nothing lost, and the same command goes on."""

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections import namedtuple
from functools import partial

import pytest

from dlexp.commands.train import attempt
from dlexp.config.compose import compose
from dlexp.errors import DiskError
from dlexp.run.record import disk
from dlexp.run.record.folder import Record
from dlexp.study.sweep import check_cells, sweep
from tests import ROOT
from tests.processes import Command
from tests.reliability import harness
from tests.reliability.downloads import fork
from tests.reliability.harness import content
from tests.runs import MOONS

TRAIN = ROOT / "train.py"
COMMON = (*MOONS[:-1], "dropout=0.2", "checkpoint_every=0", "hardware=cpu")
RUN = (*COMMON, "epochs=2")
MEBIBYTE = 2**20


def train(folder, *wrapper, run):
    command = [*wrapper, sys.executable, str(TRAIN), *run]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def start(root, before=lambda: None):
    """A start in a fork of this process, which calls `before` first; its exit code and what it prints."""
    errors = root.with_name(f"{root.name}.err")
    errors.unlink(missing_ok=True)
    return harness.wait(harness.fork([*RUN], root, before)), errors.read_text()


def left(root):
    (found,) = (root / "adhoc").glob("*-*")
    return content(found)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    root = tmp_path_factory.mktemp("disk") / "whole"
    harness.train([*RUN], root)
    return left(root)


def at_most(count):
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, count))


def refuse(number, after):
    """Let each fsync after so many fail."""
    fsync, done = os.fsync, []

    def failing(descriptor):
        done.append(descriptor)
        if len(done) > after:
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    os.fsync = failing


REFUSALS = {
    "5,000 bytes a file": (partial(at_most, 5_000), "File too large"),
    # hold the first state of the run, and not the next ones, which have the optimizer's moments in them
    "20,000 bytes a file": (partial(at_most, 20_000), "File too large"),
    "a quota": (partial(refuse, errno.EDQUOT, 7), "Disk quota exceeded"),
    "no permission": (partial(refuse, errno.EACCES, 7), "Permission denied"),
    "read-only": (partial(refuse, errno.EROFS, 0), "Read-only file system"),
    "a device that breaks": (partial(refuse, errno.EIO, 20), "Input/output error"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_disk_that_refuses_ends_the_run_with_5_and_it_goes_on(case, tmp_path, uninterrupted):
    before, message = REFUSALS[case]
    code, printed = start(tmp_path / "root", before)
    assert code == 5, printed
    assert f"cannot be written ({message}" in printed
    assert "the same command goes on" in printed
    assert not list(tmp_path.glob("root/adhoc/*/summary.json"))
    assert start(tmp_path / "root") == (0, "")
    assert left(tmp_path / "root") == uninterrupted


def fill_log():
    """Let every line of train.log meet a full disk."""

    def refuse_line(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    Record.log = refuse_line


def test_a_log_that_cannot_grow_ends_the_run_with_5(tmp_path, uninterrupted):
    assert start(tmp_path / "root", partial(refuse, errno.EIO, 20))[0] == 5
    code, printed = start(tmp_path / "root", fill_log)
    assert (code, "cannot be written (No space left on device" in printed) == (5, True)
    assert start(tmp_path / "root") == (0, "")
    assert left(tmp_path / "root") == uninterrupted


def test_a_manifest_that_cannot_be_written_ends_a_sweep_with_5(tmp_path, capfd):
    def limited():
        at_most(600)  # less than the manifest, more than the messages
        cells = [compose([*RUN, f"output_dir={tmp_path}", f"seed={seed}"]) for seed in range(6)]
        os._exit(attempt(lambda: sweep(check_cells(cells), "python train.py -m")))

    assert harness.wait(fork(limited)) == 5
    assert ".json cannot be written (File too large): make room" in capfd.readouterr().err
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"] == []


CAN_MOUNT = (
    subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0 if shutil.which("unshare") else False
)


@pytest.mark.skipif(not CAN_MOUNT, reason="this machine does not allow a file system of one's own")
@pytest.mark.parametrize("when", ["before the run", "in the middle"])
def test_a_disk_that_is_full(when, tmp_path):
    """The small disk is there only inside the wrapper; what it held at the end is copied out."""
    small, outputs = "2m" if when == "in the middle" else "60k", tmp_path / "outputs"
    filler = f"(until ls {outputs}/adhoc/*/checkpoints/step-*; do sleep 0.05; done; dd if=/dev/zero of={outputs}/filler) 2>&1"
    script = f"""
        mkdir {outputs} && mount -t tmpfs -o size={small} none {outputs} || exit 99
        {filler} > {tmp_path}/filled &
        "$@"; code=$?
        kill $!; rm -f {outputs}/filler; mkdir {tmp_path}/copied; cp -r {outputs}/. {tmp_path}/copied/; exit $code
    """
    run = (*COMMON, "max_steps=600")
    filled = train(tmp_path, "unshare", "-rm", "sh", "-c", script, "sh", run=run)
    assert filled.returncode == 5, filled.stderr
    assert "MiB are free" in filled.stderr
    assert not list(tmp_path.glob("copied/adhoc/*/summary.json"))
    if when == "in the middle":
        outputs.rmdir()
        (tmp_path / "copied").rename(outputs)
        again = Command(str(TRAIN), *(text for text in run if not text.startswith("checkpoint_every")), cwd=tmp_path)
        out, err = again.communicate()
        assert again.returncode == 0, err
        assert "Goes on from step-" in out


def test_a_refusal_is_found_behind_the_error_that_hides_it():
    hiding = RuntimeError("unexpected pos 704 vs 598")  # as torch.save says
    hiding.__context__ = OSError(28, "No space left on device")
    assert disk.refusal(hiding).errno == 28
    assert disk.refusal(RuntimeError("another")) is None


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("free", "answer"), [(1.9, "refused"), (2.9, "warned"), (3.0, None)])
def test_room_is_held_against_what_is_needed_before_a_run(free, answer, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, int(free * MEBIBYTE)))
    if answer == "refused":
        with pytest.raises(DiskError, match="need 2.0 MiB at least and 3.0 MiB at most, and 1.9 MiB are free"):
            disk.check_room(tmp_path / "not" / "yet", MEBIBYTE, num_states=2)
    else:
        assert bool(disk.check_room(tmp_path, MEBIBYTE, num_states=2)) == (answer == "warned")


@pytest.mark.slow(seconds=90)
@pytest.mark.skipif(not CAN_MOUNT, reason="this machine does not allow a file system of one's own")
def test_a_disk_of_any_size_ends_the_run_with_5_and_it_goes_on_where_there_is_room(tmp_path, record_property):
    """R15: on 20 sizes it is another file that finds no room."""
    command = ["unshare", "-rm", sys.executable, "-m", "tests.reliability.full_disks", str(tmp_path), "20", *RUN]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=TRAIN.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    full = [one for one in outcomes.values() if one["codes"][0]]
    wrong = [one for one in outcomes.values() if one["codes"] not in ([5, 0], [0, 0]) or one["left"] or not one["same"]]
    wrong += [one for one in full if "free" not in one["printed"]]
    record_property("R15", [len(full), len(wrong)])
    assert wrong == []
    assert len(full) > 10

"""A disk that is full or refuses: exit code 5, what is needed and free, nothing lost, and the same command goes on."""

import os
import resource
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from dlexp import disk
from dlexp.errors import DiskError
from tests.reliability.harness import content
from tests.runs import MOONS

TRAIN = Path(__file__).parents[2] / "train.py"
COMMON = (*MOONS[:-1], "dropout=0.2", "checkpoint_every=0", "hardware=cpu")
RUN = (*COMMON, "epochs=2")
MEBIBYTE = 2**20


def train(folder, *wrapper, run=RUN, **options):
    command = [*wrapper, sys.executable, str(TRAIN), *run]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, **options)


def left(folder):
    (found,) = (folder / "outputs/adhoc").glob("*-*")
    return content(found)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert train(folder).returncode == 0
    return left(folder)


@pytest.mark.parametrize("most", [5_000, 20_000], ids="{} bytes".format)
def test_a_file_that_may_not_grow(most, tmp_path, uninterrupted):
    """20,000 bytes hold the first state of the run, and not the next ones, which have the optimizer's moments in them."""
    limited = train(tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
    assert limited.returncode == 5, limited.stderr
    assert "cannot be written (File too large)" in limited.stderr
    assert "the same command goes on" in limited.stderr
    assert not list(tmp_path.glob("outputs/adhoc/*/summary.json"))
    assert train(tmp_path).returncode == 0
    assert left(tmp_path) == uninterrupted


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
        kill $!; rm -f {outputs}/filler; mkdir {tmp_path}/kept; cp -r {outputs}/. {tmp_path}/kept/; exit $code
    """
    run = (*COMMON, "max_steps=2000")
    filled = train(tmp_path, "unshare", "-rm", "sh", "-c", script, "sh", run=run)
    assert filled.returncode == 5, filled.stderr
    assert "MiB are free" in filled.stderr
    assert not list(tmp_path.glob("kept/adhoc/*/summary.json"))
    if when == "in the middle":
        outputs.rmdir()
        (tmp_path / "kept").rename(outputs)
        again = train(tmp_path, run=[text for text in run if not text.startswith("checkpoint_every")])
        assert again.returncode == 0, again.stderr
        assert "Goes on from step-" in again.stdout


def test_a_refusal_is_found_behind_the_error_that_hides_it():
    hiding = RuntimeError("unexpected pos 704 vs 598")  # as torch.save says
    hiding.__context__ = OSError(28, "No space left on device")
    assert disk.refusal(hiding).errno == 28
    assert disk.refusal(RuntimeError("another")) is None


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("free", "told"), [(1.9, "refused"), (2.9, "warned"), (3.0, None)])
def test_room_is_held_against_what_is_needed_before_a_run(free, told, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, int(free * MEBIBYTE)))
    if told == "refused":
        with pytest.raises(DiskError, match="need 2.0 MiB at least and 3.0 MiB at most, and 1.9 MiB are free"):
            disk.check_room(tmp_path / "not" / "yet", MEBIBYTE, keep=2)
    else:
        assert bool(disk.check_room(tmp_path, MEBIBYTE, keep=2)) == (told == "warned")

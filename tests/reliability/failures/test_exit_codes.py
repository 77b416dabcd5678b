"""Each exit code in docs/runs.md: what a command must meet to end with it, and what it then says."""

import errno
import re

import pytest
import torch

from dlexp.commands import train
from dlexp.run import signals
from dlexp.run.record.lock import hold
from dlexp.run.trainer import Trainer
from tests import ROOT
from tests.runs import MOONS, only_last, prepare


@pytest.fixture
def start(tmp_path, monkeypatch, capsys):
    """A function that trains a small run in this process: exit code, and all that was printed."""
    monkeypatch.setattr(signals, "listen", lambda: None)

    def run(*overrides):
        base = ("model=mlp", "norm=none") if any(text.startswith("dataset=") for text in overrides) else MOONS
        code = train.main(only_last((*base, "hardware=cpu", f"output_dir={tmp_path}", *overrides)))
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def fail_with(monkeypatch, error, *, stop=False):
    """Let training raise an error, as if a signal had asked to stop before if `stop`."""

    def complete(self):
        if stop:
            monkeypatch.setattr(signals, "_requested", signals.signal.SIGTERM)
        raise error

    monkeypatch.setattr(Trainer, "complete", complete)


def do_nothing(root, monkeypatch):
    return ()


def diverge(root, monkeypatch):
    return ("optimizer=sgd", "optimizer.lr=1e30")


def fail(root, monkeypatch):
    fail_with(monkeypatch, RuntimeError("a part broke"))
    return ()


def exceed_memory(root, monkeypatch):
    fail_with(monkeypatch, torch.OutOfMemoryError("too large"))
    return ()


def hold_elsewhere(root, monkeypatch):
    run = prepare(*MOONS, root=root)
    lock = hold(run.study_folder, run.identity)
    lock.__enter__()
    monkeypatch.setattr(hold_elsewhere, "lock", lock, raising=False)  # else the lock would be released with the object
    return ()


def damage(root, monkeypatch):
    train.main([*MOONS, "hardware=cpu", f"output_dir={root}"])
    metrics = prepare(*MOONS, root=root).folder / "metrics.csv"
    metrics.write_bytes(metrics.read_bytes().replace(b"0", b"1", 1))
    return ()


def fill_disk(root, monkeypatch):
    fail_with(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    return ()


def misspell(root, monkeypatch):
    return ("activation=rely",)


def lack_gpu(root, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return ("hardware=cuda",)


def damage_data(root, monkeypatch):
    (root / "table.csv").write_bytes(b"x,y\n\xff\xfe,1\n")
    return ("dataset=csv_table", f"dataset.train={root / 'table.csv'}", "dataset.label=y", "dataset.test_fraction=0.5")


def stop(root, monkeypatch):
    fail_with(monkeypatch, KeyboardInterrupt(), stop=True)
    return ()


def interrupt(root, monkeypatch):
    fail_with(monkeypatch, KeyboardInterrupt())
    return ()


CODES = {
    do_nothing: (0, "done"),
    fail: (1, "failed"),
    misspell: (2, "Did you mean relu"),
    lack_gpu: (2, "this machine"),
    hold_elsewhere: (3, "is held by process"),
    damage: (4, "metrics.csv has changed since the run wrote it"),
    fill_disk: (5, "make room"),
    diverge: (6, "diverged"),
    damage_data: (7, "table.csv"),
    exceed_memory: (8, "oom"),
    stop: (75, "The same command goes on."),
    interrupt: (130, "Interrupted."),
}


@pytest.mark.parametrize("meet", CODES, ids=lambda meet: meet.__name__)
def test_the_code_is_that_of_the_table(meet, start, tmp_path, monkeypatch, capsys):
    overrides = meet(tmp_path, monkeypatch)
    capsys.readouterr()
    code, said = start(*overrides)
    assert (code, CODES[meet][1] in said) == (CODES[meet][0], True), said
    assert "Traceback" not in said


def test_the_table_has_these_codes_and_no_others():
    page = (ROOT / "docs/runs.md").read_text(encoding="utf-8")
    section = page[page.index("## Statuses and exit codes") :]
    codes = {
        int(code) for line in section.splitlines() if line.startswith("| ") for code in re.findall(r"\d+", line.split("|")[-2])
    }
    codes |= {int(code) for code in re.findall(r"exit code (\d+)", section)}
    assert codes == {code for code, _ in CODES.values()}

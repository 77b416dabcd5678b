"""Each field of the files of a study is replaced, and each file by another kind of file: every reader answers in a sentence."""

import json
import os
import random
import shutil
import signal
import warnings
from contextlib import contextmanager, suppress

import pytest
import torch
import yaml

from dlexp.analysis import analyse, load_runs
from dlexp.analysis.read.folder import DamagedError
from dlexp.analysis.report.one_run.page import _PageMaker, build_run_report
from dlexp.analysis.report.page import make_page
from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import render_html
from dlexp.config.plain_json import SUM_KEY, seal
from dlexp.errors import CheckpointError, ConfigError, DiskError
from dlexp.run.record import checkpoint
from dlexp.run.record.lock import _read_holder
from dlexp.run.setup import tuning
from dlexp.study.cells import Study
from dlexp.study.protocol import write_protocol
from dlexp.study.registration import register
from dlexp.study.request import compose_runs, narrow
from dlexp.study.sweep import check_cells, sweep
from dlexp.trained.load import load_trained
from tests.reliability.untrusted.test_study_files import list_places, mutate

ANSWERS = (ConfigError, CheckpointError, DamagedError, DiskError)
WRONG = [
    "removed",
    None,
    True,
    -1,
    1.5,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "x\x1b[2J",
    "\ud800",
    [],
    [None],
    {},
    {"a": []},
]
KINDS = ["folder", "loop", "pipe", "endless", "not UTF-8", "nested", "empty", "a number", "long"]
BASE = {"dataset": "moons", "dataset.num_examples": 60, "model": "mlp", "norm": "none", "batch_size": 16, "epochs": 1}
SECONDS = 10  # that a reader may take


def make_study(root):
    prediction = {"claim": "c", "plus": {"activation": "relu"}, "minus": {"activation": "tanh"}, "expected": "greater"}
    return Study(
        name="made",
        question="Does it matter?",
        background="Made up.",
        base={**BASE, "hardware": "cpu", "output_dir": str(root)},
        axes={"activation": ["relu", "tanh"]},
        seeds=[0],
        predictions=[{**prediction, "margin": 0.1}, {**prediction, "metric": "test/loss", "ratio": 1.5}],
        reference={"source": "s", "values": [{"activation": "relu", "value": 0.5, "sd": 0.1, "n": 3}]},
    )


class Made:
    """A study of two runs, its folder as it was made, and what reads it."""

    def __init__(self, root):
        self.root, self.whole = root / "outputs", root / "whole"
        self.study = make_study(self.root)
        self.request = narrow(self.study, ["seed=0,1"])
        self.register()
        self.start()
        shutil.copytree(self.root, self.whole)
        self.run = min(self.root.glob("made/*relu*"))
        self.read = {
            "load_runs": lambda: load_runs(self.root),
            "report": lambda: render_html(make_page(analyse(self.root / "made"), [], Text("en"))),
            "page": lambda: build_run_report(self.run),
            "predict": lambda: load_trained(self.run).model(),
            "register": self.register,
            "start": self.start,  # the last one: it may write the file anew
        }
        self.rows = load_runs(self.root).set_index("id")

    def start(self):
        checked = check_cells(compose_runs(self.study, self.request), self.study.name)
        write_protocol(self.study, self.request, "dlexp train study=made")
        assert sweep(checked, "dlexp train study=made") in (0, 1)

    def register(self):
        return register(self.study, narrow(self.study, []))

    def files(self):
        names = ("summary.json", "preprocessing.json", "config.yaml")
        of_study = (self.root / "made/protocol.json", self.root / "made/registrations.json")
        return [*(self.run / name for name in names), *of_study, min(self.root.glob("made/sweeps/*/*"))]

    def renew(self):
        shutil.rmtree(self.root)
        shutil.copytree(self.whole, self.root)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("damaged"))


@contextmanager
def time_limit():
    """A reader that waits for ever fails."""

    def fail(*_):
        raise AssertionError(f"took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def replace_file(path, kind):
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind in ("loop", "endless"):
        path.symlink_to(path.name if kind == "loop" else "/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        contents = {"not UTF-8": b"\xff\xfe{", "nested": b"[" * 100_000, "empty": b"", "a number": b"1", "long": b" " * 2**27}
        path.write_bytes(contents[kind])


def write(path, content):
    """Write a file whose sum of itself fits: someone who makes such a file can do that."""
    if isinstance(content, dict) and SUM_KEY in content:
        with suppress(ValueError):  # half of a character
            content = seal({key: value for key, value in content.items() if key != SUM_KEY})
    path.write_text(yaml.safe_dump(content) if path.suffix == ".yaml" else json.dumps(content))


def damage(path, case):
    place, what = case
    if place is None:
        replace_file(path, what)
    else:
        content = yaml.safe_load(path.read_text()) if path.suffix == ".yaml" else json.loads(path.read_text())
        write(path, mutate(content, place, what))


def list_cases(path):
    content = yaml.safe_load(path.read_text())
    places = [place for place in list_places(content) if place[:1] != ("modules",) or len(place) == 1]
    return [*((None, kind) for kind in KINDS), *((place, what) for place in places for what in [*WRONG, "twice"])]


def choose(cases, number, seed):
    return random.Random(seed).sample(cases, number)


def answer(read):
    """What a reader returns, and the sentence with which it refuses."""
    with warnings.catch_warnings(record=True) as caught, time_limit():
        warnings.simplefilter("always")
        try:
            return read(), [str(warning.message) for warning in caught]
        except ANSWERS as error:
            return None, [str(error)]


def fuzz(made, number):
    """Damage a file, and let each reader read it. Returns the number of attempts."""
    attempts = 0
    cases = [(path, case) for path in made.files() for case in list_cases(path)]
    for path, case in choose(cases, number, "damaged"):
        made.renew()
        damage(path, case)
        for name, read in made.read.items():
            try:
                returned, said = answer(read)
            except Exception as error:
                raise AssertionError(f"{name} after {path.name}: {case}") from error
            attempts += 1
            assert all(text.strip() and "\x1b" not in text for text in said), (name, path.name, case)
            if name == "load_runs":
                check_rows(made, returned, said, path)
    made.renew()
    return attempts


def check_rows(made, rows, said, path):
    """A run is left out and named, or is there; the numbers of other runs are what they were."""
    rows = rows.set_index("id")
    damaged = made.run.name[-12:]
    assert damaged in rows.index or any(made.run.name in text for text in said), path
    numbers = [name for name in made.rows if "/" in name]
    others = made.rows.drop(damaged)
    assert others[numbers].equals(rows.loc[others.index, numbers].astype(others[numbers].dtypes)), path


@pytest.fixture
def _without_figures(monkeypatch):
    """Drawing takes a second, and needs nothing of the files that are damaged here."""
    monkeypatch.setattr(_PageMaker, "_draw", lambda *_: [])


@pytest.mark.usefixtures("_without_figures")
def test_a_sample_of_damaged_files_is_answered(made, capsys):
    assert fuzz(made, 10) == 60


@pytest.mark.slow(seconds=900)
@pytest.mark.usefixtures("_without_figures")
def test_6000_attempts_are_answered(made, capsys):
    assert fuzz(made, 1000) == 6000


NAMED = {
    "metrics": ("summary.json", ("metrics", "test/acc"), "0.5", "metrics: a value in it must be"),
    "seconds": ("summary.json", ("seconds",), "removed", "seconds is missing"),
    "status": ("summary.json", ("status",), "finished", "status is not what"),
    "id": ("summary.json", ("id",), "0" * 12, "it is of run 000000000000"),
    "chance": ("summary.json", ("chance",), -1, "chance "),
    "infinite": ("summary.json", ("steps",), float("inf"), "steps must be a whole number"),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_damaged_summary_counts_as_never_written_and_is_named(name, made, capsys):
    file, place, what, message = NAMED[name]
    made.renew()
    damage(made.run / file, (place, what))
    for reader in ("load_runs", "predict"):
        assert message in " ".join(answer(made.read[reader])[1])
    answer(made.read["page"])
    assert message in (made.run / "report.html").read_text()
    made.start()
    out = capsys.readouterr().out
    assert f"summary counts as never written: summary.json: {message}" in out
    assert "4 runs: 1 done, 3 skipped" in out
    made.renew()


PROTOCOLS = {
    "seed": (("runs", 1, "seed"), "0", "runs[1].seed must be a whole number, got text"),
    "cell": (("runs", 0, "cell"), "removed", "runs[0].cell is missing"),
    "margin": (("study", "predictions", 0, "margin"), "2 %", "study.predictions[0].margin must be a number, got text"),
    "study": (("study",), [], "study must be a mapping, got a list"),
}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_damaged_protocol_is_refused_with_the_field(name, made):
    place, what, message = PROTOCOLS[name]
    made.renew()
    damage(made.root / "made/protocol.json", (place, what))
    assert f"protocol.json: {message}" in answer(made.read["report"])[1][0]
    made.renew()


def read_state(folder):
    return checkpoint.newest(folder, torch.device("cpu"), 1, "code")


def read_tuned(folder):
    return tuning.read_measurements(folder, {"batch_size": "auto", "hardware": {"tune": False}})


SIDECAR = "checkpoints/step-000000001.json"
HOLDER = {"pid": 1, "host": "elsewhere", "since": "now"}
TUNED = {"chosen": {"batch_size": 8}, "tried": [{"batch_size": 8, "fits": True}]}


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        (SIDECAR, None, read_state),
        ("one.json", HOLDER, lambda folder: _read_holder(folder / "one.json")),
        (tuning.FILE, TUNED, read_tuned),
    ],
)
def test_each_damage_of_a_small_file_is_answered(name, content, read, tmp_path, monkeypatch):
    monkeypatch.setattr("dlexp.run.record.lock.HOLDER_SECONDS", 0.001)
    checkpoint.save(tmp_path, {"step": 1}, 1, {}, torch.device("cpu"), "code")
    path = tmp_path / name
    if content:
        write(path, content)
    text = path.read_text()
    assert answer(lambda: read(tmp_path))[1] == []
    refused = 0
    for case in list_cases(path):
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_text(text)
        damage(path, case)
        returned, said = answer(lambda: read(tmp_path))
        refused += bool(said) or not returned
    assert refused >= len(KINDS)

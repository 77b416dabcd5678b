"""Training from Python: what it leaves, what it returns, and what it does to the process."""

import ast
import os
import re
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

import dlexp
from dlexp.analysis.report.replace import LessKnownError
from dlexp.errors import ConfigError
from dlexp.run.record.folder import without_volatile
from tests import ROOT
from tests.labs import BENT, write_lab
from tests.parts.dataset.test_image_folder import write_image
from tests.processes import Command

TINY = {"dataset": "moons", "dataset.num_examples": 60, "model": "mlp", "epochs": 2}
TYPED = [f"{key}={value}" for key, value in TINY.items()]
LONG = TINY | {"epochs": 100_000}
NUMBER = re.compile(r"\d{4}-\d\d-\d\dT[\d:+]+|[\d,]+ examples/s")  # times and rates in train.log


def command(*arguments, cwd):
    """Run `dlexp …` as an installed dlexp would."""
    process = Command(str(ROOT / "dlexp" / "__main__.py"), *arguments, cwd=cwd)
    out, err = process.communicate()
    return process.returncode, out, err


def read_steadily(path):
    """The content of a file without what varies between equal runs."""
    if path.suffix == ".log":
        return NUMBER.sub("", path.read_text())
    if path.name == "summary.json":
        import json

        return without_volatile(json.loads(path.read_text()))
    if path.name == "metrics.csv":
        header, *lines = (line.split(",") for line in path.read_text().splitlines())
        return [without_volatile(dict(zip(header, line, strict=True))) for line in lines]
    if path.parent.parent.name == "sweeps":
        return re.sub(r'"(started|ended|checksum)": "[^"]+"|"pid": \d+', "", path.read_text())
    return path.read_bytes()


def read_folder(root):
    return {
        str(path.relative_to(root)): read_steadily(path)
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.mark.parametrize("probes", [[], ["grad_flow"]])
def test_a_call_leaves_the_folder_that_the_command_leaves(probes, tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    monkeypatch.chdir(here)
    assert command("train", *TYPED, f"probe=[{','.join(probes)}]", cwd=there)[0] == 0
    dlexp.train(**TINY, probe=probes)
    assert read_folder(here) == read_folder(there)
    assert len(read_folder(here)) >= 9


def test_a_sweep_leaves_the_folders_that_the_command_leaves(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    monkeypatch.chdir(here)
    assert command("train", "-m", "norm=bn,none", *TYPED, "seed=0,1", cwd=there)[0] == 0
    swept = dlexp.sweep("norm=bn,none", **TINY, seed=range(2))
    assert read_folder(here) == read_folder(there)
    assert [run.status for run in swept] == ["done"] * 4
    assert swept.keys == ["norm", "seed"]
    assert list(swept.table.columns) == ["id", "norm", "seed", "status", "test/loss", "test/acc", "seconds"]
    assert swept.table["norm"].tolist() == ["bn", "bn", "none", "none"]
    assert [run.id for run in swept[1:3]] == swept.table["id"].tolist()[1:3]
    assert "4 runs: 4 done" in swept._repr_html_()


def test_a_study_gives_its_runs_and_its_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = {"dataset": "moons", "activation": "relu,tanh", "model.widths": [[8]], "epochs": 1}
    ran = dlexp.sweep("study=activation_2d", seed=[0], data_seed=[0], **few)
    assert len(ran) == 2
    assert ran.report.read_text().startswith("<!DOCTYPE html>")
    assert repr(dlexp.analyse(ran.report.parent)).startswith("activation_2d: ")
    with pytest.raises(ConfigError, match="no study with a protocol.json below .* Studies there: with-"):
        dlexp.analyse("activation_3d", outputs=tmp_path / "outputs" / "activation_2d")


def test_the_second_call_finds_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = dlexp.train(**TINY)
    written = (first.folder / "summary.json").stat().st_mtime_ns
    assert dlexp.train(**TINY).folder == first.folder
    assert (first.folder / "summary.json").stat().st_mtime_ns == written
    assert dlexp.train(**TINY, force=True).id == first.id
    assert (first.folder / "summary.json").stat().st_mtime_ns > written


@pytest.mark.parametrize(
    "typed",
    [
        ["depht=3"],
        ["norm=bm", "depth=-1"],
        ["relu"],
        ["depth=8", "depth=9"],
        ["dataset=moons"],
        ["dataset=image_folder"],
        ["dataset=image_folder", "dataset.root=nowhere"],
        ["+x._target_=os.system"],
        ["hydra.mode=RUN", "x=1"],
    ],
)
def test_a_mistake_is_answered_in_the_words_of_the_command(typed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _, expected = command("train", *typed, cwd=tmp_path)
    with pytest.raises(ConfigError) as refused:
        dlexp.train(*typed)
    assert code == 2
    assert str(refused.value) == expected.strip()
    assert not (tmp_path / "outputs").exists()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dlexp.train(seed="0,1"), "dlexp.sweep trains a run for each"),
        (lambda: dlexp.train(study="topology"), "dlexp.sweep trains them"),
        (lambda: dlexp.train(activation=print), "activation: expected a text"),
        (lambda: dlexp.train("-m"), "-m: settings are written without dashes"),
        (lambda: dlexp.sweep(seed=[]), "expected at least one value"),
        (lambda: dlexp.sweep(norm=["bn", "bm"]), "Did you mean bn"),
        (lambda: dlexp.sweep(study=["topology", "loss"]), "give one"),
        (lambda: dlexp.train(progress=False, display="full"), "display=full: says what is shown, and progress=False shows"),
        (lambda: dlexp.sweep(seed=[0, 1], progress=False, display="none"), "leave one of the two out"),
        (lambda: dlexp.train(lab="nowhere"), "expected the folder conf/ of a lab"),
    ],
)
def test_what_only_python_can_get_wrong(call, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=re.escape(message)):
        call()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_is_returned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = dlexp.train(**TINY, batch_size="full", norm="bn", val_fraction=0.1, **{"optimizer.lr": 1e30})
    assert run.status == "diverged"
    assert "diverged" in run._repr_html_()


def describe_process():
    """What a call must not change."""
    cudnn = torch.backends.cudnn
    return {
        "threads": torch.get_num_threads(),
        "deterministic": (torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark),
        "products": (torch.backends.cuda.matmul.fp32_precision, cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision),
        "fill": torch.utils.deterministic.fill_uninitialized_memory,
        "grad": torch.is_grad_enabled(),
        "dtype": torch.get_default_dtype(),
        "torch random": torch.get_rng_state().tolist(),
        "numpy random": str(np.random.get_state()),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD)],
        "wakeup": signal.set_wakeup_fd(-1),
        "warnings": list(warnings.filters),
        "environment": dict(os.environ),
        "arguments": list(sys.argv),
        "path": list(sys.path),
        "folder": os.getcwd(),
    }


def test_the_process_is_left_as_it_was(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    dlexp.train(**TINY, seed=9)  # loads what a first run loads
    torch.manual_seed(3)
    torch.set_num_threads(2)
    before = describe_process()
    dlexp.train(**TINY, **{"hardware.determinism": "bitwise", "hardware.num_threads": 1})
    dlexp.train(
        **TINY, seed=1, **{"hardware.loader": "workers", "hardware.num_workers": 1, "hardware.persistent_workers": True}
    )
    dlexp.sweep(**TINY, seed=[2, 3])
    with pytest.raises(ConfigError):
        dlexp.train(**TINY, depth=-1)
    run = dlexp.load_run(dlexp.train(**TINY).id)
    run.model()
    run.dataset()
    after = describe_process()
    assert {name for name in before if before[name] != after[name]} == set()
    assert capfd.readouterr() == ("", "")


def interrupt_when_training(folder):
    """Send this process what Ctrl-C sends, once its run has trained for a while."""
    while not (metrics := [*folder.glob("outputs/adhoc/*/metrics.csv")]) or metrics[0].read_text().count("\n") < 4:
        time.sleep(0.005)
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_saves_the_state_and_the_next_call_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=interrupt_when_training, args=(tmp_path,))
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        dlexp.train(**LONG)
    thread.join()
    assert signal.getsignal(signal.SIGINT) is handler
    (folder,) = tmp_path.glob("outputs/adhoc/*-*/")
    run = dlexp.load_run(folder)
    assert run.status == "interrupted"
    before = len(run.metrics)
    assert [*folder.glob("checkpoints/step-*.pt")]
    assert "interrupted" in run._repr_html_()
    thread = threading.Thread(target=_interrupt_after, args=(folder / "metrics.csv", before + 3))
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        dlexp.train(**LONG)
    thread.join()
    epochs = run.metrics["epoch"].tolist()
    assert epochs == list(range(len(epochs)))
    assert len(epochs) > before
    assert "Goes on from" not in (folder / "train.log").read_text().splitlines()[0]


def _interrupt_after(path, num_rows):
    while path.read_text().count("\n") < num_rows + 1:
        time.sleep(0.005)
    os.kill(os.getpid(), signal.SIGINT)


def test_calls_in_threads_give_the_numbers_of_calls_one_after_the_other(tmp_path):
    alone = [dlexp.train(**TINY, seed=seed, output_dir=tmp_path / "alone") for seed in range(3)]
    found = {}

    def call(seed):
        found[seed] = dlexp.train(**TINY, seed=seed, output_dir=tmp_path / "together")

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, run in enumerate(alone):
        assert without_volatile(found[seed].summary) == without_volatile(run.summary)


def _train(seed, root):
    return dlexp.train(**TINY, seed=seed, output_dir=root).summary["metrics"]["test/loss"]


def test_a_pool_of_processes_trains_the_same(tmp_path):
    alone = [_train(seed, tmp_path / "alone") for seed in range(2)]
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        assert list(pool.map(_train, range(2), [tmp_path / "pool"] * 2)) == alone


def test_the_parts_of_a_lab_are_used_and_the_run_needs_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lab = write_lab(tmp_path / "lab", BENT)
    run = dlexp.train(**TINY, activation="bent", lab=lab)
    assert run.status == "done"
    assert run.model() is not None
    with pytest.raises(ConfigError, match="bent"):
        dlexp.train(**TINY, activation="bent")
    with pytest.raises(ConfigError, match="name it with"):
        dlexp.load_run(run.folder).model()
    assert dlexp.load_run(run.folder, lab=lab).model() is not None


def test_progress_shows_what_the_command_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    dlexp.train(**TINY, progress=True)
    assert "epoch 2/2" in capsys.readouterr().out


def test_files_that_are_left_out_are_named_by_the_command_and_not_by_a_call(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for place in (f"{label}/{index}.png" for label in ("ant", "bee") for index in range(10)):
        write_image(tmp_path / "images" / place, size=(8, 8))
    (tmp_path / "images" / "ant" / "photo.heic").write_text("")
    typed = {
        "dataset": "image_folder",
        "dataset.root": "images",
        "dataset.test_fraction": 0.5,
        "val_fraction": 0.4,
        "batch_size": 4,
    }
    assert "1 .heic" in command("train", *(f"{key}={value}" for key, value in typed.items()), cwd=tmp_path)[2]
    dlexp.train(**typed, force=True)
    assert capsys.readouterr() == ("", "")


def test_a_report_that_a_call_does_not_replace_is_named_in_a_warning(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = {"dataset": "moons", "activation": "relu", "model.widths": [[8]], "epochs": 1}
    first = dlexp.sweep("study=activation_2d", seed=[0], data_seed=[0], **few)
    monkeypatch.setattr("dlexp.analysis.report.write.build_report", refuse_to_replace)
    with pytest.warns(UserWarning, match="it knows more.*--replace"):
        again = dlexp.sweep("study=activation_2d", seed=[0], data_seed=[0], **few)
    assert again.report.samefile(first.report)
    assert capsys.readouterr() == ("", "")


def refuse_to_replace(folder):
    raise LessKnownError("it knows more.")


def test_import_loads_nothing_heavy():
    program = (
        "import sys, dlexp; dir(dlexp); print([name for name in ('torch', 'pandas', 'numpy', 'hydra') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_every_name_is_there_and_described():
    for name in dlexp.__all__:
        assert getattr(dlexp, name).__doc__
        assert name in dir(dlexp)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        dlexp.trian  # noqa: B018


def test_nothing_of_the_api_ends_the_process():
    sources = [path.read_text() for path in (ROOT / "dlexp" / "api").glob("*.py")]
    names = {node.id for text in sources for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    assert names.isdisjoint({"SystemExit", "exit", "print"})
    assert Path(dlexp.__file__).parent == ROOT / "dlexp"

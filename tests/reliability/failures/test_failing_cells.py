"""R33: cells that fail, diverge or run out of memory are rows with their reasons; the others finish."""

import json

import pytest

from dlexp.analysis.report.write import build_report
from dlexp.study.cells import Study
from dlexp.study.protocol import write_protocol
from dlexp.study.request import compose_runs, narrow
from dlexp.study.sweep import check_cells, sweep
from dlexp.training.single_learner import SingleLearner
from tests.runs import MOONS

FAILURES = {20: RuntimeError("<b>the twentieth</b>"), 21: MemoryError("no room"), 22: ValueError("= and, a comma")}
FIRST_LAYERS = "blocks.0.linear, blocks.1.linear"
SIZES = range(16, 25)  # of batches: a cell each


@pytest.fixture
def complete(tmp_path):
    """A function that runs a study of nine cells, one of which diverges, with what is added to its command."""
    base = dict(override.split("=") for override in MOONS if not override.startswith("batch_size"))
    base |= {"hardware": "cpu", "output_dir": str(tmp_path), "norm": "none", "optimizer": "sgd"}
    cells = [{"batch_size": size, "optimizer.lr": 1e30 if size == 23 else 0.01} for size in SIZES]
    study = Study("nine", "Do nine cells run?", "-", base=base, cells=cells, seeds=[0])

    def run(*added):
        request = narrow(study, added)
        checked = check_cells(compose_runs(study, request), study.name)
        folder = write_protocol(study, request, "python train.py study=nine")
        return sweep(checked, "python train.py study=nine"), folder

    return run


def summaries(folder):
    found = [json.loads(path.read_text()) for path in folder.glob("*/summary.json")]
    return {int(one["overrides"][0].partition("=")[2]): (one["status"], one.get("reason"), one["ended"]) for one in found}


def test_four_of_nine_cells_go_wrong_and_are_reported(complete, monkeypatch, capsys):
    original = SingleLearner.step

    def step(learner, inputs, targets):
        if failure := FAILURES.get(len(inputs)):
            raise failure
        original(learner, inputs, targets)

    with monkeypatch.context() as patch:
        patch.setattr(SingleLearner, "step", step)
        code, folder = complete()
    before = summaries(folder)
    assert code == 1
    assert {size: status for size, (status, _, _) in before.items()} == {
        **dict.fromkeys(SIZES, "done"), 20: "failed", 21: "oom", 22: "failed", 23: "diverged"
    }  # fmt: skip
    out = capsys.readouterr().out
    assert "9 runs: 6 done, 0 skipped, 3 failed, 0 held, 1 diverged." in out
    assert out.rstrip().endswith("Retry what failed: python train.py study=nine retry=failed")

    page = build_report(folder)
    broken = page.with_name("report.md").read_text().split("## Diverged, failed and missing runs")[1].split("\n## ")[0]
    rows = [line for line in broken.splitlines() if "size=" in line]
    reasons = {20: "RuntimeError: &lt;b&gt;the twentieth", 21: "MemoryError: no room", 22: "= and, a comma"}
    reasons[23] = f"is not finite; not finite after epoch 1: weights of {FIRST_LAYERS} and 1 more layer"
    assert f"diverged: the loss of step 2 {reasons[23]}" in out
    assert out.count("the loss of step 2 is not finite") == 2  # when it ended, and in the table
    for size, reason in reasons.items():
        assert reason in next(line for line in rows if f"size={size}" in line)
    assert len(rows) == 4
    assert "<b>the twentieth" not in page.read_text()

    again, _ = complete()
    assert again == 1  # they failed before, and nobody asked to retry
    assert summaries(folder) == before
    retried, folder = complete("retry=failed")
    now = summaries(folder)
    assert retried == 0
    assert {size for size in SIZES if now[size] != before[size]} == {20, 21, 22}  # what diverged is finished
    assert {now[size][0] for size in (20, 21, 22)} == {"done"}

"""A batch that does not fit into memory, in a model that says so, and under a limit of the operating system."""

import copy
import json
import os
import subprocess
import sys
import weakref

import pytest
import torch
from torch import nn

from dlexp.contract import Schedule
from dlexp.machine.precision import Precision
from dlexp.parts.model.mlp import MLP
from dlexp.run.setup import tuning
from dlexp.training import step as update_module
from dlexp.training.scores import SCORES
from dlexp.training.single_learner import SingleLearner
from dlexp.training.step import StepSettings, TrainingStep
from tests import ROOT
from tests.reliability.interruptions.test_exact_resume import EVERY_STEP, cut_off, edited, folder, resumed
from tests.runs import MOONS, run

BATCH = 16
SMALL = (*MOONS, "norm=none", "on_oom=microbatch", "optimizer=momentum")


class Narrow(nn.Module):
    """Cannot take more than `most` examples, which it notices when half of the work is done.

    Args:
        most: Examples.
        where: `forward` or `backward`.
        between: Other layers in the middle.
    """

    def __init__(self, most, where="forward", between=()):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Sequential(nn.Linear(6, 8), *between, nn.Tanh()), nn.Linear(8, 3)
        self.most, self.where, self.error = most, where, lambda: torch.OutOfMemoryError("CUDA out of memory")

    def forward(self, inputs):
        hidden = self.first(inputs)
        if len(inputs) > self.most:
            if self.where == "forward":
                raise self.error()
            hidden.register_hook(self._refuse)
        return self.last(hidden)

    def _refuse(self, _):
        raise self.error()


def make_learner(model, on_oom="microbatch", format="fp32", **options):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = Schedule(torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0), "epoch")
    precision = Precision(torch.device("cpu"), format=format)
    torch.manual_seed(1)
    settings = StepSettings(on_oom=on_oom, **options)
    step = TrainingStep(model, nn.CrossEntropyLoss(), optimizer, precision, SCORES["classification"], settings)
    return SingleLearner(step, schedule)


def make_batch(seed=3, device="cpu"):
    inputs = torch.randn(BATCH, 6, generator=torch.Generator().manual_seed(seed))
    return inputs.to(device), ((inputs[:, 0] > 0).long() + (inputs[:, 1] > 0).long()).to(device)


def gradient(learner):
    return torch.cat([parameter.grad.flatten() for parameter in learner.model.parameters()])


@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("most", range(1, BATCH + 1))
def test_a_split_batch_has_the_gradient_of_the_whole(most, where):
    options = {"grad_clip": 0.3, "l1": 0.01, "l2": 0.01}
    split, whole = (make_learner(Narrow(few, where), **options) for few in (most, BATCH))
    for seed in (3, 4):
        for learner in (split, whole):
            learner.step(*make_batch(seed))
        assert float((gradient(split) - gradient(whole)).norm() / gradient(whole).norm()) < 1e-6
    assert split.microbatches.number == next(n for n in (1, 2, 4, 8, 16) if BATCH / n <= most)
    for ours, expected in zip(split.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-7)
    assert split.collect() == pytest.approx(whole.collect(), rel=1e-6)


@pytest.mark.parametrize("format", ["bf16", "fp16"])
def test_a_split_batch_in_reduced_precision(format):
    split, whole = (make_learner(Narrow(few), format=format) for few in (3, BATCH))
    for learner in (split, whole):
        learner.step(*make_batch())
    assert float((gradient(split) - gradient(whole)).norm() / gradient(whole).norm()) < 0.01


def after_two_steps(learner, device="cpu"):
    for seed in (3, 4):
        learner.step(*make_batch(seed, device))
    learner.collect()
    tensors = [*learner.model.state_dict().values(), torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
    return [copy.deepcopy(tensor) for tensor in tensors]


def random_layers():
    return nn.BatchNorm1d(8), nn.Dropout(0.3)


@pytest.mark.parametrize("undone", [True, False])
def test_an_attempt_that_failed_leaves_no_trace(undone, monkeypatch):
    if not undone:  # the same without what puts things back: it must show
        monkeypatch.setattr(update_module, "remember_state", lambda *_: lambda: None)
    failing = make_learner(Narrow(4, "backward", random_layers()), "microbatch_bn")
    found = after_two_steps(failing)
    spared = make_learner(Narrow(BATCH, "backward", random_layers()), "microbatch_bn")
    spared.microbatches.number = 4
    assert failing.microbatches.number == 4
    assert all(torch.equal(a, b) for a, b in zip(found, after_two_steps(spared), strict=True)) == undone


def test_what_an_attempt_held_is_free_before_the_next():
    model, made, alive = Narrow(2), [], []

    def look(_, __, hidden):
        alive.append(sum(tensor() is not None for tensor in made))
        made.append(weakref.ref(hidden))

    model.first.register_forward_hook(look)
    make_learner(model).step(*make_batch())
    assert alive == [0] * (3 + 8)  # three attempts that failed at their first part, then eight parts


@pytest.mark.gpu
def test_an_attempt_that_failed_leaves_no_trace_on_a_gpu():
    found = []
    for most in (4, BATCH):
        learner = make_learner(Narrow(most, "backward", random_layers()).to("cuda"), "microbatch_bn")
        if most == BATCH:
            learner.microbatches.number = 4
        found.append(after_two_steps(learner, "cuda"))
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize(("on_oom", "parts"), [("fail", None), ("microbatch", 16), ("microbatch_bn", 8)])
def test_what_fits_in_no_parts_is_out_of_memory(on_oom, parts):
    learner = make_learner(Narrow(0), on_oom)
    with pytest.raises(torch.OutOfMemoryError) as raised:
        learner.step(*make_batch())
    notes = getattr(raised.value, "__notes__", [])
    assert [f"in {parts} micro-batches" in note for note in notes] == ([] if parts is None else [True])


@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize("error", [RuntimeError("CUDA error: an illegal memory access was encountered"), KeyboardInterrupt()])
def test_other_errors_pass(error, where):
    model = Narrow(4, where)
    model.error = lambda: error
    learner = make_learner(model)
    with pytest.raises(type(error)):
        learner.step(*make_batch())
    assert learner.microbatches.number == 1


def test_a_step_of_the_optimizer_is_not_done_twice(monkeypatch):
    learner, calls = make_learner(Narrow(BATCH)), []

    def step(*_):
        calls.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(learner.optimizer, "step", step)
    with pytest.raises(torch.OutOfMemoryError):
        learner.step(*make_batch())
    assert (len(calls), learner.microbatches.number) == (1, 1)


@pytest.mark.parametrize("mirror", [False, True])
def test_a_split_evaluation_is_that_of_the_whole(mirror):
    split, whole, ours, expected = make_learner(Narrow(3)), make_learner(Narrow(BATCH)), [], []
    batches = lambda: [make_batch(), make_batch(4)]  # noqa: E731
    assert split.evaluate(batches, ours, mirror=mirror) == pytest.approx(whole.evaluate(batches, expected, mirror=mirror))
    torch.testing.assert_close(torch.cat(ours), torch.cat(expected))
    assert (split.evaluation_microbatches.number, split.microbatches.number) == (8, 1)


@pytest.fixture
def most(monkeypatch):
    """Examples that an MLP takes in training; None: any number."""
    limit, forward = {"train": 4, "eval": None}, MLP.forward

    def narrow(self, inputs):
        few = limit["train" if self.training else "eval"]
        if few is not None and len(inputs) > few and not inputs.is_meta:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, inputs)

    monkeypatch.setattr(MLP, "forward", narrow)
    return limit


def test_a_split_is_reported_in_the_terminal_the_log_and_the_summary(most, tmp_path, capsys):
    most["eval"] = 5
    summary, _ = run(*SMALL, root=tmp_path)
    assert (summary["status"], summary["microbatches"], summary["evaluation_microbatches"]) == ("done", 4, 8)
    (log,) = tmp_path.rglob("train.log")
    for text in (capsys.readouterr().out, log.read_text()):
        assert "step 1: out of memory; from here each batch is computed in 4 micro-batches" in text
        assert "evaluation after step 0: out of memory; from here each of its batches is computed in 2 micro-batches" in text


def test_a_run_that_fits_is_the_run_without_the_setting(most, tmp_path):
    most["train"] = None
    ready, rows = run(*SMALL, root=tmp_path)
    assert ready["microbatches"] == 1
    assert run(*SMALL, "on_oom=fail", root=tmp_path)[1] == rows


def test_one_example_that_does_not_fit_ends_the_run(most, tmp_path):
    most["train"] = 0
    summary, _ = run(*SMALL, root=tmp_path)
    assert summary["status"] == "oom"
    assert "OutOfMemoryError: CUDA out of memory Nor does it fit in 16 micro-batches of 1" in summary["reason"]


@pytest.mark.parametrize("is_saved", [True, False])
def test_a_resumed_run_keeps_the_number_of_parts(is_saved, most, tmp_path, monkeypatch):
    run(*SMALL, EVERY_STEP, root=tmp_path / "whole")
    planned = cut_off((*SMALL, EVERY_STEP), tmp_path / "cut", step=3, monkeypatch=monkeypatch)
    most["train"] = None  # there is more memory now, and the run is still the same
    if not is_saved:
        edited(planned, lambda state: state["learner"].update(microbatches=[1, 1]))
    assert (resumed(planned) == folder(tmp_path / "whole")) == is_saved


# About 4 KiB an example for each of four tensors: 256 MiB and some for a batch of 16,384.
WIDE = ("dataset=moons", "dataset.num_examples=30000", "model=mlp", "depth=1", "width=1024", "norm=none", "val_fraction=0",
        "max_steps=2")  # fmt: skip


def limited(root, mebibytes, known, *overrides):
    """Train under a limit of the operating system: the exit code, what was printed, and the summary."""
    command = [sys.executable, "-m", "tests.reliability.limited", str(root), str(mebibytes), known, *overrides]
    # Otherwise glibc keeps what was freed, in pieces, and how much of the limit is left is a matter of chance.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": str(2**17)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode in (0, 8), done.stdout + done.stderr
    (path,) = (root / "limited").rglob("summary.json")
    return done.returncode, done.stdout, json.loads(path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(("mebibytes", "fewest"), [(40, 4), (60, 2), (120, 2)])
def test_under_a_limit_batches_are_split(mebibytes, fewest, tmp_path):
    overrides = (*WIDE, "batch_size=16384", "optimizer=sgd")
    code, printed, summary = limited(tmp_path, mebibytes, "known", *overrides, "on_oom=microbatch")
    assert (code, summary["status"]) == (0, "done"), summary.get("reason")
    assert summary["microbatches"] >= fewest
    assert f"step 1: out of memory; from here each batch is computed in {summary['microbatches']} micro-batches" in printed
    free, _ = run(*overrides, root=tmp_path / "free")
    assert summary["metrics"]["train/loss"] == pytest.approx(free["metrics"]["train/loss"], rel=1e-5)
    assert summary["metrics"]["test/loss"] == pytest.approx(free["metrics"]["test/loss"], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("on_oom", ["fail", "microbatch"])
def test_under_a_limit_that_the_weights_exceed_the_exit_code_is_8(on_oom, tmp_path):
    wide = [text for text in WIDE if not text.startswith(("depth", "width"))]
    code, printed, summary = limited(
        tmp_path, 100, "known", *wide, "depth=8", "width=1536", "batch_size=16", f"on_oom={on_oom}"
    )
    assert (code, summary["status"]) == (8, "oom")
    assert ("Nor does it fit in 16 micro-batches" in printed) == (on_oom == "microbatch")


@pytest.mark.slow
@pytest.mark.parametrize("known", ["known", "unknown"])
@pytest.mark.parametrize(("mebibytes", "largest"), [(40, 2048), (60, 2048), (120, 4096)])
def test_under_a_limit_the_batch_that_fits_is_found(mebibytes, largest, known, tmp_path):
    code, _, summary = limited(tmp_path, mebibytes, known, *WIDE, "batch_size=auto")
    assert (code, summary["status"]) == (0, "done"), summary.get("reason")
    assert largest // 2 <= summary["batch_size"] <= largest
    (choice,) = (json.loads(path.read_text()) for path in (tmp_path / "limited").rglob(tuning.FILE))
    assert choice["tried"][0]["fits"] == (known == "known")  # the estimate leaves a margin, where it can know
    assert choice["tried"][-1] == {"batch_size": summary["batch_size"], "fits": True}

"""The estimate of a run's memory, held against what a run takes."""

import os
import subprocess
import sys

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from dlexp.run.execute import gather_facts
from dlexp.run.setup.build import build
from dlexp.run.setup.footprint import Footprint, estimate_footprint
from tests import ROOT
from tests.runs import prepare

IMAGES = (
    "dataset=synthetic_images",
    "dataset.shape=[3,16,16]",
    "dataset.num_train=160",
    "dataset.num_test=20",
    "batch_size=128",
    "epochs=1",
    "max_steps=null",
)
RUNS = {
    "mlp": ("model=mlp", "width=256"),
    "wide_mlp": ("model=mlp", "width=2048", "depth=2"),  # weights outweigh activations
    "convnet": ("width=32",),
    "recompute": ("depth=6", "width=32", "hardware.recompute=true"),
    "convnet_bf16": ("width=32", "precision=bf16", "norm=gn"),
}


def taken(prepared):
    """Largest memory in bytes, beside the data, that CPU tensors had while a run was built and took two steps."""
    facts = gather_facts(prepared)
    return facts, max(once(prepared, facts) for _ in range(3))  # a profiler on a busy machine may lose what it saw


def once(prepared, facts):
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        built = build(prepared.config, facts)
        for inputs, targets in list(built.batches(1))[:1] * 2:
            built.learner.step(inputs, targets)
    changes = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(changes, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


@pytest.mark.parametrize("name", RUNS)
def test_the_estimate_is_near_what_a_run_takes(name, tmp_path):
    prepared = prepare(*IMAGES, *RUNS[name], root=tmp_path)
    facts, most = taken(prepared)
    footprint = estimate_footprint(prepared.config, facts.dataset, facts.device)
    assert most / 1.5 < footprint.needed(facts.batch_size) - footprint.data < most * 1.5


def of(tmp_path, *overrides):
    prepared = prepare(*IMAGES, *overrides, root=tmp_path)
    facts = gather_facts(prepared)
    return facts, estimate_footprint(prepared.config, facts.dataset, facts.device)


def test_what_is_counted_is_what_a_model_holds(tmp_path):
    facts, footprint = of(tmp_path, "model=mlp", "depth=1", "width=7", "norm=none")
    count = 3 * 16 * 16 * 7 + 7 + 7 * 10 + 10
    assert footprint.num_parameters == facts.num_parameters == count
    assert footprint.weights == footprint.gradients == 4 * count
    assert footprint.raw == 3 * 16 * 16 + 8
    assert footprint.data == (160 + 20) * footprint.raw


@pytest.mark.parametrize(("optimizer", "copies"), [("sgd", 0), ("momentum", 1), ("adamw", 2), ("muon", 1)])
def test_the_state_of_the_optimizer(optimizer, copies, tmp_path):
    _, footprint = of(tmp_path, "model=mlp", f"optimizer={optimizer}")
    assert footprint.optimizer_state == copies * footprint.gradients


def test_bf16_halves_what_an_example_leaves(tmp_path):
    single, half = (of(tmp_path, f"precision={format}", "norm=none")[1] for format in ("fp32", "bf16"))
    assert half.saved == pytest.approx(single.saved / 2, rel=0.1)
    assert half.weights == single.weights


@pytest.mark.parametrize(("norm", "expected"), [("bn", True), ("gn", False)])
def test_batch_norm_is_found_in_the_model(norm, expected, tmp_path):
    assert of(tmp_path, f"norm={norm}")[1].batch_norm == expected


def made(**changes):
    sizes = dict.fromkeys(("weights", "gradients", "optimizer_state", "data", "constant", "evaluation"), 0)
    return Footprint(**sizes | {"num_parameters": 0, "saved": 70, "passing": 20, "raw": 10, "batch_norm": False} | changes)


@pytest.mark.parametrize(
    ("changes", "free", "expected"),
    [
        ({}, 10000, 64),  # 80 of 100 bytes each, rounded down to a power of two
        ({}, 125, 1),
        ({}, 124, 0),
        ({"batch_norm": True}, 249, 0),
        ({"batch_norm": True}, 250, 2),
        ({"weights": 7900}, 10000, 1),
        ({"evaluation": 8001}, 10000, 0),
    ],
)
def test_the_largest_batch(changes, free, expected):
    assert made(**changes).largest_batch(free) == expected


def test_no_memory_is_taken_for_the_estimate(tmp_path):
    prepared = prepare(*IMAGES, "width=512", "depth=8", root=tmp_path)
    facts = gather_facts(prepared)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        footprint = estimate_footprint(prepared.config, facts.dataset, facts.device)
    taken_here = [event.nbytes() for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    assert max(taken_here, default=0) < 1e5 < footprint.weights


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has a thread of autograd's of its own")
def test_the_estimate_leaves_no_threads_behind(tmp_path):
    lines = (
        "import os, torch; torch.set_num_threads(1)",
        "from pathlib import Path; from tests.runs import *",
        f"gather_facts(prepare(*MOONS, 'batch_size=auto', root=Path({str(tmp_path)!r})))",
        "torch.ones(2, requires_grad=True).sum().backward()",
        "print(len(os.listdir('/proc/self/task')))",
    )
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # else numpy and scipy have threads of their own
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]

import importlib
import inspect
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from dlexp.config.options import groups, read_option, traits
from dlexp.doctor import cpu, gpu, software
from dlexp.doctor import examine as examination
from dlexp.doctor.examine import examine
from dlexp.errors import ConfigError
from dlexp.machine import memory
from dlexp.run.setup import footprint
from tests.runs import MOONS


def sections(*overrides, root):
    return {section.name: section for section in examine([*overrides, f"data_dir={root}", f"output_dir={root}"])}


def problems(found):
    return {name: [finding.text for finding in found[name].findings if finding.level == "problem"] for name in found}


def test_a_small_run_fits(tmp_path):
    found = sections(*MOONS, root=tmp_path)
    assert not any(problems(found).values())
    assert found["run"].facts["footprint"]["num_parameters"] > 0
    assert list(tmp_path.iterdir()) == []


def test_a_data_set_that_is_not_there_is_known_by_its_shape(tmp_path):
    found = sections("dataset=cifar100", root=tmp_path)
    assert "dataset=cifar100 is not in" in problems(found)["data"][0]
    assert found["run"].facts["input_shape"] == (3, 32, 32)
    assert found["run"].facts["num_examples"] == 45_000
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_does_not_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_available", lambda: 2**22)
    found = sections(*MOONS, root=tmp_path)
    assert problems(found)["run"] == []
    wide = [text for text in MOONS if not text.startswith(("width", "batch_size"))]
    found = sections(*wide, "width=512", root=tmp_path)
    assert "no batch fits" in problems(found)["run"][0]


def test_workers_share_their_batches(tmp_path, monkeypatch):
    usual = memory.read_memory()
    monkeypatch.setattr(examination, "read_memory", lambda: replace(usual, shared=1000))
    found = sections(*MOONS, "hardware.loader=workers", root=tmp_path)
    assert "2 workers put 1 KiB of batches" in problems(found)["memory"][0]  # 2 workers, 2 batches, 16 rows of 16 bytes
    assert problems(sections(*MOONS, root=tmp_path))["memory"] == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_what_this_machine_lacks_is_a_problem_and_no_refusal(tmp_path):
    found = sections(*MOONS, "hardware=cuda", root=tmp_path)
    assert "torch finds no NVIDIA GPU" in problems(found)["run"][0]
    assert found["cpu"].facts["cores"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="pretends that there is another GPU")
@pytest.mark.parametrize(
    ("capability", "format", "words"),
    [((9, 0), "bf16", ""), ((7, 5), "fp16", ""), ((6, 1), "fp32", "not faster on compute capability 6.1")],
)
def test_on_a_gpu_its_own_memory_counts(capability, format, words, monkeypatch, tmp_path):
    for name, answer in {
        "is_available": True,
        "device_count": 1,
        "current_device": 0,
        "mem_get_info": (2**21, 2**33),
        "get_device_name": "a card",
        "get_device_capability": capability,
        "get_arch_list": ["sm_60", "sm_75", "sm_90"],
        "get_device_properties": SimpleNamespace(total_memory=2**33, major=capability[0], minor=capability[1]),
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)
    found = sections(*MOONS, "precision=auto", "optimizer=sgd", root=tmp_path)
    assert (found["run"].facts["device"], found["run"].facts["format"], found["run"].facts["free"]) == ("cuda", format, 2**21)
    assert found["gpu"].facts["auto"] == {"hardware": "cuda", "precision": format}
    assert [words in finding.text for finding in found["gpu"].findings] == ([True] if words else [])


@pytest.mark.parametrize("override", ["norm=bm", "depth=-1", "dataset=moons"])
def test_what_train_refuses_is_refused(override):
    with pytest.raises(ConfigError):
        examine([override])


def test_a_broken_torchvision_stops_only_what_needs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(software, "_import_error", lambda name: "RuntimeError: of another build")
    assert not any(problems(sections(*MOONS, root=tmp_path)).values())
    found = sections("dataset=mnist", root=tmp_path)
    assert "torchvision cannot be imported" in problems(found)["software"][0]
    assert found["run"].facts["not_measured"] == ["it needs torchvision"]


def test_the_models_that_need_torchvision_are_known():
    found = {
        option
        for option in groups()["model"]
        if "from torchvision"
        in inspect.getsource(importlib.import_module(read_option("model", option)["_target_"].rpartition(".")[0]))
    }
    assert found == {option for option in groups()["model"] if "torchvision" in traits("model", option).requires}


def test_an_lstm_has_a_section_on_its_kernels():
    composed = examination.compose(list(MOONS))
    chosen = replace(composed, choices=composed.choices | {"model": "lstm"})
    run = examination._examine_run(composed, composed.config, _machine())
    names = [section.name for section in examination._build_sections(_machine(), chosen, run)]
    assert names[-2:] == ["lstm", "run"]
    assert "lstm" not in [section.name for section in examination._build_sections(_machine(), composed, run)]


def _machine():
    return examination._Machine(memory.read_memory(), gpu.read_gpus(), cpu.read_cpu(), software.read_packages(), [])


def test_memory_is_measured_for_the_format_that_auto_stands_for(tmp_path):
    found = sections(*MOONS, "precision=auto", root=tmp_path)
    assert found["run"].facts["format"] in footprint.AUTOCAST or found["run"].facts["format"] == "fp32"
    assert dict(found["run"].lines)["precision"].endswith("(precision=auto)")

import pytest
import torch

from dlexp.machine.device import describe_device
from dlexp.machine.numerics import VARIABLES
from dlexp.run.record.environment import describe_difference, describe_environment, describe_other_environment
from dlexp.run.record.folder import without_volatile
from tests.runs import MOONS, edit_summary, prepare, run

CPU = torch.device("cpu")
HERE = describe_environment(torch.device("cpu"), 2, "code")
OLDER = {"torch": HERE["torch"], "threads": 2, "processor": "x86_64", "code": "code"}  # what versions before noted
NOT_NOTED = "processor and libraries not noted then"


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        (HERE, ""),
        (HERE | {"instructions": "AVX2"}, f"instructions AVX2 then, {HERE['instructions']} now"),
        (HERE | {"MKL_CBWR": "COMPATIBLE"}, "MKL_CBWR COMPATIBLE then, not there now"),
        ({name: value for name, value in HERE.items() if name != "pillow"}, f"pillow not there then, {HERE['pillow']} now"),
        (HERE | {"threads": 1, "code": "other"}, "threads 1 then, 2 now, other code"),
        (HERE | {"numpy": "\x1b[2J"}, f"numpy ?[2J then, {HERE['numpy']} now"),
        (OLDER, NOT_NOTED),
        (OLDER | {"processor": "NVIDIA H100", "threads": 4}, f"threads 4 then, 2 now, {NOT_NOTED}"),
    ],
)
def test_a_difference_is_named_and_a_state_that_did_not_note_the_processor_is_not_called_exact(saved, expected):
    assert describe_difference(saved, HERE) == expected


@pytest.fixture
def no_variables(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


NOW = describe_device(CPU) | {"variables": {}}
OF_CPU = f"{NOW['processor']} now"
WITHOUT_PILLOW = {name: value for name, value in NOW["libraries"].items() if name != "pillow"}


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({}, ""),
        ({"processor": "AMD EPYC"}, f"processor AMD EPYC then, {OF_CPU}"),
        ({"instructions": "?\n"}, f"instructions ?? then, {NOW['instructions']} now"),
        ({"variables": {"MKL_CBWR": "AVX2"}}, "MKL_CBWR AVX2 then, not there now"),
        ({"libraries": WITHOUT_PILLOW}, f"pillow not there then, {NOW['libraries']['pillow']} now"),
        ({"libraries": NOW["libraries"] | {"gone": "1"}}, "gone 1 then, not there now"),
        # Another version of torch is another build, and is named as code.
        ({"versions": {"torch": "1"}, "libraries": NOW["libraries"] | {"build of torch": "0"}}, ""),
        # What older versions did not note is not compared.
        ({"processor": None, "libraries": None}, ""),
        ({"processor": None, "libraries": None, "instructions": "AVX"}, f"instructions AVX then, {NOW['instructions']} now"),
        ({"instructions": None, "libraries": None, "processor": None, "variables": {"MKL_CBWR": "AVX2"}}, ""),
        ({"variables": "?", "versions": "?"}, ""),
    ],
)
@pytest.mark.usefixtures("no_variables")
def test_a_finished_run_of_another_environment_is_recognised(edit, expected):
    summary = {name: value for name, value in (NOW | edit).items() if value is not None}
    assert describe_other_environment(summary, CPU) == expected


@pytest.mark.parametrize("noted", [NOW, {name: NOW[name] for name in ("instructions", "versions")}])  # as of now, and older
@pytest.mark.usefixtures("no_variables")
def test_a_variable_that_is_set_now_is_named(noted, monkeypatch):
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    assert describe_other_environment(noted, CPU) == "MKL_CBWR not there then, AVX2 now"


def test_a_run_on_a_gpu_names_another_gpu_or_none(monkeypatch):
    summary = {**NOW, "device": "NVIDIA A", "variables": {}}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "gpu NVIDIA A then, not there now" in describe_other_environment(summary, torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA B")
    assert "gpu NVIDIA A then, NVIDIA B now" in describe_other_environment(summary, torch.device("cuda"))


def test_a_run_of_another_environment_is_named_but_never_due_for_it(tmp_path):
    summary, _ = run(*MOONS, root=tmp_path)
    assert not {"processor", "libraries"} & summary.keys()  # they are equal in no two environments
    planned = prepare(*MOONS, "stale=rerun", root=tmp_path)
    assert planned.describe_other_environment() == ""
    for status, words in (("done", "done"), ("diverged", "diverged, made")):
        edit_summary(planned.folder, lambda summary, status=status: summary.update(status=status, processor="AMD EPYC"))
        assert planned.describe_other_environment() == f"{words} in another environment: processor AMD EPYC then, {OF_CPU}"
    assert not planned.must_run()
    edit_summary(planned.folder, lambda summary: summary.update(status="failed", reason="?"))
    assert planned.describe_other_environment() == ""


def test_what_is_noted_of_the_environment_varies_between_equal_runs():
    assert without_volatile(NOW) == {}

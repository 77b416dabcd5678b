"""`batch_size=auto` is the largest power of two that fits: found once, and from then on the run's."""

import json
from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor

from dlexp.config.options import groups
from dlexp.contract_checks.part import find_part
from dlexp.contract_checks.smallest_run import list_smallest_runs
from dlexp.doctor.examine import examine
from dlexp.errors import CheckpointError, ConfigError
from dlexp.parts.model.mlp import MLP
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.setup import batch_size, tuning
from dlexp.run.setup.footprint import MAX_MEMORY_SHARE, estimate_footprint
from tests.reliability.interruptions.test_exact_resume import EVERY_STEP, cut_off, folder, resumed
from tests.run.setup.test_footprint import made
from tests.runs import IMAGES, MOONS, prepare, run, sum_again

AUTO = (*MOONS, "norm=none", "optimizer=momentum", "batch_size=auto")  # 63 training examples


@pytest.fixture
def most(monkeypatch):
    """Examples that an MLP takes in training; None: any number."""
    limit, forward = {"train": 8}, MLP.forward

    def narrow(self, inputs):
        real = not (inputs.is_meta or isinstance(inputs, FakeTensor))
        if self.training and real and limit["train"] is not None and len(inputs) > limit["train"]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, inputs)

    monkeypatch.setattr(MLP, "forward", narrow)
    return limit


def read_choice(root):
    (file,) = root.rglob(tuning.FILE)
    return json.loads(file.read_text())


@pytest.mark.parametrize(("norm", "free", "expected"), [("none", 1000, 8), ("none", 10**9, 32), ("none", 1, 1), ("bn", 1, 2)])
def test_what_the_estimate_grants(norm, free, expected, tmp_path):
    facts = gather_facts(prepare(*MOONS, f"norm={norm}", root=tmp_path))
    assert (
        batch_size.largest_batch_size(made(batch_norm=norm == "bn"), free, facts) == expected
    )  # 100 bytes an example, of 80 %


def test_less_memory_is_a_smaller_estimate(monkeypatch, tmp_path):
    planned = prepare(*AUTO, root=tmp_path)
    facts = gather_facts(planned)
    takes = replace(estimate_footprint(planned.config, facts.dataset, facts.device), data=0)
    monkeypatch.setattr(batch_size, "free_memory", lambda _: 1 + int(takes.needed(16) / MAX_MEMORY_SHARE))
    assert gather_facts(planned).batch_size == 16
    monkeypatch.setattr(batch_size, "free_memory", lambda _: int((takes.needed(16) - 1) / MAX_MEMORY_SHARE))
    assert gather_facts(planned).batch_size == 8


def test_nothing_is_computed_before_the_run_is_held(most, tmp_path):
    most["train"] = 0
    facts = gather_facts(prepare(*AUTO, root=tmp_path))
    assert (facts.batch_size, facts.steps_per_epoch, facts.horizon.num_steps) == (32, 2, 4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", groups()["model"])
def test_every_model_is_estimated(model, tmp_path):
    (smallest,) = list_smallest_runs(find_part("model", model))
    size = gather_facts(prepare(*smallest, f"model={model}", "batch_size=auto", root=tmp_path)).batch_size
    assert size == 32  # of 54 or 38 examples


def test_a_batch_that_does_not_fit_is_halved_and_the_run_is_as_if_that_had_been_typed(most, tmp_path, capsys):
    summary, rows = run(*AUTO, root=tmp_path / "auto")
    tried = [{"batch_size": 32, "fits": False}, {"batch_size": 16, "fits": False}, {"batch_size": 8, "fits": True}]
    choice = read_choice(tmp_path)
    assert (choice["chosen"], choice["tried"]) == ({"batch_size": 8}, tried)
    assert (summary["batch_size"], summary["tuned"], summary["steps"]) == (8, {"batch_size": 8}, 16)
    (log,) = tmp_path.rglob("train.log")
    for text in (capsys.readouterr().out, log.read_text()):
        assert "Chosen at the first start: batch_size=8." in text
    assert run(*AUTO, "batch_size=8", root=tmp_path / "typed")[1] == rows


@pytest.mark.parametrize(("norm", "fits", "size"), [("none", 0, 1), ("bn", 1, 2)])
def test_where_the_smallest_batch_does_not_fit_the_run_is_out_of_memory(norm, fits, size, most, tmp_path):
    most["train"] = fits
    summary, _ = run(*AUTO, f"norm={norm}", "drop_last=true", root=tmp_path)  # else a batch of one would be left
    assert summary["status"] == "oom", summary["reason"]
    assert f"batch_size=auto came down to {size}." in summary["reason"]
    assert not list(tmp_path.rglob(tuning.FILE))


def test_where_the_estimate_was_wrong_the_trial_leaves_a_margin(most, tmp_path, monkeypatch):
    planned, spared, fits = prepare(*AUTO, root=tmp_path), [], batch_size._fits
    facts = gather_facts(planned)
    monkeypatch.setattr(batch_size, "_fits", lambda *given: spared.append(given[-1]) or fits(*given))
    batch_size.find_batch_size(planned.config, facts, lambda size: replace(facts, batch_size=size))
    takes = estimate_footprint(planned.config, facts.dataset, facts.device)
    assert spared == [0, *(pytest.approx(takes.needed(size) / 4, abs=1) for size in (16, 8))]


def test_a_margin_that_is_not_there_does_not_fit(tmp_path):
    planned = prepare(*AUTO, root=tmp_path)
    facts = gather_facts(planned)
    assert [batch_size._fits(planned.config, facts, spare) for spare in (0, 2**60)] == [True, False]


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch, tmp_path):
    planned = prepare(*AUTO, root=tmp_path)
    facts = gather_facts(planned)
    monkeypatch.setattr(MLP, "forward", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        batch_size.find_batch_size(planned.config, facts, lambda size: replace(facts, batch_size=size))


def test_splitting_does_not_hide_that_a_batch_does_not_fit(most, tmp_path):
    summary, _ = run(*AUTO, "on_oom=microbatch", root=tmp_path)
    assert (summary["batch_size"], summary["microbatches"]) == (8, 1)


TOGETHER = {
    "dropped batches": ["drop_last=true"],
    "steps": ["max_steps=3"],
    "workers": ["hardware.loader=workers", "hardware.num_workers=1"],
    "other settings that are measured": ["hardware.tune=true"],
    "one step in all": ["max_steps=1", "scheduler=onecycle"],
}


@pytest.mark.parametrize("overrides", TOGETHER.values(), ids=TOGETHER)
def test_it_goes_together_with(overrides, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning.os, "sched_getaffinity", lambda _: {0, 1})
    given = [text for text in AUTO if "max_steps" not in " ".join(overrides) or not text.startswith("epochs")]
    summary, _ = run(*given, *overrides, root=tmp_path)
    assert (summary["status"], summary["batch_size"]) == ("done", 32), summary.get("reason")
    choice = read_choice(tmp_path)
    assert choice["chosen"] == summary["tuned"]
    assert ("num_threads" in choice["chosen"], "timed" in choice) == (("hardware.tune=true" in overrides),) * 2


def test_a_later_start_reads_what_was_found(most, tmp_path, monkeypatch):
    run(*AUTO, root=tmp_path)
    (file,) = tmp_path.rglob(tuning.FILE)
    file.write_text(json.dumps({"chosen": {"batch_size": 4}}))  # of a version without sums
    sum_again(file.parent)
    planned = prepare(*AUTO, "force=true", root=tmp_path)
    facts = gather_facts(planned)
    assert (facts.batch_size, facts.steps_per_epoch) == (4, 16)
    monkeypatch.setattr("dlexp.run.execute.find_batch_size", lambda *_: 1 / 0)
    assert execute(planned, facts, Plain())["batch_size"] == 4


def test_a_resumed_run_keeps_its_size_whatever_there_is_now(most, tmp_path, monkeypatch):
    run(*AUTO, EVERY_STEP, root=tmp_path / "whole")
    planned = cut_off((*AUTO, EVERY_STEP), tmp_path / "cut", step=3, monkeypatch=monkeypatch)
    most["train"] = None
    assert resumed(planned) == folder(tmp_path / "whole")


def test_a_state_without_the_size_it_goes_with_is_refused(most, tmp_path, monkeypatch):
    planned = cut_off((*AUTO, EVERY_STEP), tmp_path, step=3, monkeypatch=monkeypatch)
    (planned.folder / tuning.FILE).unlink()
    with pytest.raises(CheckpointError, match=r"tuned.json is missing.*force=true starts the run over"):
        execute(planned, gather_facts(planned), Plain())


DAMAGED = {
    "empty": b"",
    "cut off": b'{"chosen": {"batch_size": 8}',
    "no text": b"\xff\xfe\x00",
    "nested": b"[" * 100_000,
    "no map": b"[]",
    "no choice": b"{}",
    "no size": b'{"chosen": {}}',
    "text": b'{"chosen": {"batch_size": "8"}}',
    "nothing": b'{"chosen": {"batch_size": 0}}',
    "true": b'{"chosen": {"batch_size": true}}',
    "foreign": b'{"chosen": {"batch_size": 8, "num_threads": 2}}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused_until_forced(content, tmp_path, monkeypatch):
    planned = cut_off((*AUTO, EVERY_STEP), tmp_path, step=1, monkeypatch=monkeypatch)
    (planned.folder / tuning.FILE).write_bytes(content)
    facts = gather_facts(planned)  # a sweep goes on with its other cells
    with pytest.raises(CheckpointError, match=r"tuned.json is damaged: .* force=true starts the run over"):
        execute(planned, facts, Plain())
    forced = prepare(*AUTO, "force=true", "epochs=2", root=tmp_path)
    assert execute(forced, gather_facts(forced), Plain())["batch_size"] == 32


def test_the_id_holds_the_word(tmp_path):
    assert prepare(*AUTO, root=tmp_path).identity != prepare(*AUTO, "batch_size=32", root=tmp_path).identity


def test_a_size_that_leaves_a_batch_of_one_to_batch_norm_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(batch_size, "free_memory", lambda _: 0)
    with pytest.raises(ConfigError, match="smallest batch of an epoch: 1 of 63"):
        gather_facts(prepare(*AUTO, "norm=bn", root=tmp_path))


def test_the_doctor_knows_what_it_stands_for(tmp_path):
    sections = {section.name: section for section in examine([*IMAGES[:-2], "batch_size=auto", f"output_dir={tmp_path}"])}
    assert " at batch_size=32 (batch_size=auto), of " in dict(sections["run"].lines)["memory"]
    assert sections["run"].findings == []

import csv
import json
import math

import pytest
import torch

from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.training.single_learner import SingleLearner
from tests.runs import IMAGES, MOONS, prepare, run


@pytest.mark.parametrize("small", [MOONS, IMAGES], ids=["moons", "images"])
@pytest.mark.parametrize("extra", [[], ["dropout=0.3"], ["precision=fp16"], ["hardware.loader=workers"]])
def test_same_seed_gives_identical_metrics(small, extra, tmp_path):
    first, second = (run(*small, *extra, "force=true", root=tmp_path) for _ in range(2))
    assert first == second


def test_another_seed_gives_other_metrics(tmp_path):
    assert run(*MOONS, root=tmp_path)[1] != run(*MOONS, "seed=1", root=tmp_path)[1]


def test_a_run_before_changes_nothing(tmp_path):
    alone = run(*MOONS, "dropout=0.2", root=tmp_path / "a")
    run(*IMAGES, "hardware.num_threads=2", "hardware.determinism=bitwise", root=tmp_path / "b")
    assert run(*MOONS, "dropout=0.2", root=tmp_path / "b") == alone


@pytest.mark.parametrize(
    "arms", [("norm=bn", "norm=gn"), ("activation=relu", "activation=tanh"), ("model.order=cna", "model.order=acn")]
)
def test_arms_start_from_the_same_weights(arms, tmp_path):
    one, other = (run(*IMAGES, arm, "epochs=1", root=tmp_path)[0] for arm in arms)
    assert one["init_hash"] == other["init_hash"]
    assert one["metrics"] != other["metrics"]


@pytest.mark.parametrize("small", [MOONS, IMAGES], ids=["moons", "images"])
def test_loss_at_init_is_log_num_classes(small, tmp_path):
    _, rows = run(*small, "init=small_normal", "norm=none", "epochs=1", root=tmp_path)
    num_classes = 2 if small is MOONS else 3
    assert rows[0]["epoch"] == "0"
    assert float(rows[0]["val/loss"]) == pytest.approx(math.log(num_classes), rel=1e-2)


def test_max_steps_ends_the_run_at_exactly_that_step(tmp_path):
    summary, rows = run(*[text for text in MOONS if text != "epochs=2"], "max_steps=7", root=tmp_path)
    assert (summary["steps"], summary["epochs"]) == (7, 2)
    assert rows[-1]["step"] == "7"


def test_without_validation_there_are_no_validation_columns(tmp_path):
    summary, rows = run(*MOONS, "val_fraction=0", root=tmp_path)
    assert not [name for name in rows[0] if name.startswith("val/")]
    assert not [name for name in summary["metrics"] if name.startswith("best/")]


def test_looking_at_the_test_set_every_epoch_is_marked(tmp_path):
    summary, rows = run(*MOONS, "val_fraction=0", "evaluate_on=test", root=tmp_path)
    assert summary["selected_on_test"] is True
    assert float(rows[-1]["test/acc"]) == summary["metrics"]["test/acc"]
    assert run(*MOONS, root=tmp_path)[0]["selected_on_test"] is False


def test_a_mirrored_test_changes_only_the_numbers_of_the_test_split(tmp_path):
    (plain, rows), (mirrored, same) = (run(*IMAGES, f"test_flip={flip}", root=tmp_path) for flip in ("false", "true"))
    assert rows == same
    changed = {name for name in plain["metrics"] if plain["metrics"][name] != mirrored["metrics"][name]}
    assert "test/loss" in changed
    assert all(name.startswith("test/") for name in changed)


def test_early_stopping_tests_the_best_weights(tmp_path):
    options = ("optimizer.lr=0.5", "epochs=40", "early_stopping.patience=3")
    summary, rows = run(*MOONS, *options, root=tmp_path)
    losses = [float(row["val/loss"]) for row in rows[1:]]
    assert summary["status"] == "early_stopped"
    assert summary["restored_epoch"] == summary["metrics"]["best/epoch"] == losses.index(min(losses)) + 1 == len(losses) - 3
    last, _ = run(*MOONS, *options, "early_stopping.restore_best=false", root=tmp_path)
    assert last["restored_epoch"] is None
    assert last["metrics"]["test/loss"] != summary["metrics"]["test/loss"]


def test_a_diverged_run_is_a_result(tmp_path):
    summary, rows = run(*MOONS, "optimizer=sgd", "optimizer.lr=1e30", "norm=none", "epochs=5", root=tmp_path)
    assert summary["status"] == "diverged"
    assert 1 < summary["first_bad_step"] <= 5
    assert summary["metrics"]["train/loss"] is None
    assert rows[-1]["epoch"] == "1"


def test_a_failure_is_a_record_and_is_retried_only_when_asked(tmp_path, monkeypatch):
    planned = prepare(*MOONS, root=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(SingleLearner, "step", lambda *_: 1 / 0)
        summary = execute(planned, gather_facts(planned), Plain())
    assert (summary["status"], summary["reason"]) == ("failed", "ZeroDivisionError: division by zero")
    assert "Traceback" in (planned.folder / "train.log").read_text()
    assert not planned.must_run()
    again = prepare(*MOONS, "retry=failed", root=tmp_path)
    assert again.must_run()
    assert again.folder == planned.folder
    assert execute(again, gather_facts(again), Plain())["status"] == "done"


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes")]
)
def test_out_of_memory_is_a_status(error, tmp_path, monkeypatch):
    def step(*_):
        raise error

    monkeypatch.setattr(SingleLearner, "step", step)
    assert run(*MOONS, root=tmp_path)[0]["status"] == "oom"


def test_an_interrupted_run_starts_over_and_says_so(tmp_path, monkeypatch, capsys):
    planned, steps = prepare(*MOONS, root=tmp_path), []
    original = SingleLearner.step

    def step(*arguments):
        steps.append(1)
        if len(steps) == 8:
            raise KeyboardInterrupt
        original(*arguments)

    facts = gather_facts(planned)
    monkeypatch.setattr(SingleLearner, "step", step)
    with pytest.raises(KeyboardInterrupt):
        execute(planned, facts, Plain())
    monkeypatch.undo()
    assert planned.read_summary() is None
    assert planned.must_run()
    capsys.readouterr()
    interrupted = run(*MOONS, root=tmp_path)
    assert "was interrupted before its first checkpoint: it starts over" in capsys.readouterr().out
    assert interrupted == run(*MOONS, root=tmp_path / "uninterrupted")


def test_a_finished_run_is_not_due_unless_forced(tmp_path):
    run(*MOONS, root=tmp_path)
    assert not prepare(*MOONS, root=tmp_path).must_run()
    assert prepare(*MOONS, "force=true", root=tmp_path).must_run()
    assert prepare(*MOONS, "seed=1", root=tmp_path).must_run()


def test_what_a_run_leaves(tmp_path):
    planned = prepare(*MOONS, "grad_clip=1", "precision=fp16", root=tmp_path)
    execute(planned, gather_facts(planned), Plain())
    files = {str(path.relative_to(planned.folder)) for path in planned.folder.rglob("*") if path.is_file()}
    hydra = {".hydra/config.yaml", ".hydra/overrides.yaml", ".hydra/hydra.yaml"}
    assert (
        files
        == {
            "config.yaml",
            "metrics.csv",
            "summary.json",
            "train.log",
            "arrays/predictions.npz",
            "checkpoints/best.pt",
            "preprocessing.json",
        }
        | hydra
    )
    summary = json.loads((planned.folder / "summary.json").read_text())
    assert summary["choices"]["precision"] == "fp16"
    assert summary["num_parameters"] == 2 * 16 + 16 + 2 * 16 + 16 * 16 + 16 + 2 * 16 + 16 * 2 + 2
    header = next(csv.reader((planned.folder / "metrics.csv").open()))
    assert header[:7] == ["epoch", "step", "lr", "train/loss", "train/acc", "val/loss", "val/acc"]
    assert {"train/clip_rate", "train/overflow_steps", "train/grad_norm", "seconds", "examples_per_s"} < set(header)


def test_auto_and_what_it_stands_for_are_the_same_run(tmp_path):
    found = "cuda" if torch.cuda.is_available() else "cpu"
    auto, named = (prepare(*MOONS, f"hardware={option}", root=tmp_path) for option in ("auto", found))
    assert auto.identity == named.identity


@pytest.mark.slow
@pytest.mark.parametrize("small", [MOONS, IMAGES], ids=["moons", "images"])
def test_compilation_changes_no_more_than_rounding(small, tmp_path):
    plain, _ = run(*small, root=tmp_path)
    compiled, _ = run(*small, "hardware.compile=true", root=tmp_path)
    assert compiled["metrics"] == pytest.approx(plain["metrics"], rel=1e-3)


@pytest.mark.parametrize(("target", "reached"), [("0.01", True), ("1", False)])
def test_the_seconds_until_the_target_are_recorded(target, reached, tmp_path):
    planned = prepare(*MOONS, f"target={target}", root=tmp_path)
    metrics = execute(planned, gather_facts(planned), Plain())["metrics"]
    assert metrics["target/epoch"] == (1 if reached else None)
    assert metrics["target/seconds"] is None or 0 < metrics["target/seconds"] < metrics["train/seconds"]


def test_training_time_and_rate_are_in_the_summary(tmp_path):
    planned = prepare(*MOONS, root=tmp_path)
    summary = execute(planned, gather_facts(planned), Plain())
    seconds, metrics = summary["seconds"], summary["metrics"]
    assert metrics["train/seconds"] == seconds["train"] < sum(seconds.values())
    timed = 2 * summary["num_examples"] - 16  # the first step is warm-up
    assert metrics["train/examples_per_s"] == pytest.approx(timed / seconds["train"])
    assert seconds["compile"] == 0


@pytest.mark.gpu
@pytest.mark.parametrize("extra", [(), ("precision=fp16",), ("optimizer=momentum", "scheduler=onecycle")], ids=str)
def test_a_cuda_graph_changes_no_more_than_rounding(extra, tmp_path):
    plain, graphed = (
        run(*IMAGES, *extra, "hardware=cuda", *more, root=tmp_path) for more in ((), ("hardware.cuda_graph=true",))
    )
    assert graphed[0]["metrics"] == pytest.approx(plain[0]["metrics"], rel=1e-3)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam", "adamw", "adagrad"])
def test_a_fused_optimizer_changes_no_more_than_rounding(optimizer, tmp_path):
    # Without a norm: it makes the gradient of a bias before it nothing but rounding, which Adam divides by itself.
    fused, _ = run(*MOONS, f"optimizer={optimizer}", "norm=none", root=tmp_path)
    plain, _ = run(*MOONS, f"optimizer={optimizer}", "norm=none", "optimizer.fused=false", root=tmp_path)
    assert fused["metrics"] == pytest.approx(plain["metrics"], rel=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_no_step_waits_for_the_gpu(optimizer, tmp_path, monkeypatch):
    original = SingleLearner.step

    def step(*arguments):
        torch.cuda.set_sync_debug_mode("error")
        original(*arguments)
        torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(SingleLearner, "step", step)
    assert run(*IMAGES, "hardware=cuda", f"optimizer={optimizer}", root=tmp_path)[0]["status"] == "done"


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_a_gpu_trains_in_every_format(precision, tmp_path):
    summary, _ = run(*IMAGES, "hardware=cuda", f"precision={precision}", root=tmp_path)
    assert summary["status"] == "done"
    assert summary["memory"]["allocated"] > 0


@pytest.mark.parametrize(("monitor", "choose"), [("balanced_acc", max), ("recall/lower", max), ("ece", min)])
def test_any_score_of_a_classification_is_monitored(monitor, choose, tmp_path):
    summary, rows = run(*MOONS, "dataset.imbalance=5", "epochs=6", "optimizer.lr=0.1", f"monitor={monitor}", root=tmp_path)
    values = [float(row[f"val/{monitor}"]) for row in rows]
    assert 0 <= min(values) < max(values) <= 1
    best = summary["metrics"]["best/epoch"]
    assert values[best] == choose(values[1:]) == summary["metrics"][f"best/val/{monitor}"]


def test_a_summary_has_the_scores_of_all_classes_and_of_each(tmp_path):
    summary, _ = run(*MOONS, root=tmp_path)
    recall = summary["of_classes"]["recall"]
    assert set(recall) == {"upper", "lower"}
    assert summary["metrics"]["test/balanced_acc"] == pytest.approx(sum(recall.values()) / 2)
    assert "val/balanced_acc" not in summary["metrics"]


def test_losses_are_recorded_without_label_smoothing_class_weights_and_penalties(tmp_path):
    (plain, rows), (smooth, others), (weighted, _), (_, penalised) = (
        run(*MOONS, "optimizer.lr=1e-30", *more, root=tmp_path)  # a rate at which no weight changes
        for more in ((), ("loss.label_smoothing=0.4",), ("loss.class_weight=[1,3]",), ("l2=0.1",))
    )
    for name in ("train/loss", "val/loss", "test/loss"):
        assert smooth["metrics"][name] == weighted["metrics"][name] == plain["metrics"][name]
    assert "train/objective" not in {**rows[1], **plain["metrics"]}
    assert [row["val/loss"] for row in others] == [row["val/loss"] for row in rows]
    assert smooth["metrics"]["train/objective"] != smooth["metrics"]["train/loss"]
    assert weighted["metrics"]["train/objective"] > 1.5 * weighted["metrics"]["train/loss"]
    for row, other in zip(penalised[1:], rows[1:], strict=True):
        assert row["train/loss"] == other["train/loss"]
        assert float(row["train/objective"]) > float(row["train/loss"]) + 1e-3

import pytest

from dlexp.errors import ConfigError
from dlexp.run.execute import gather_facts
from dlexp.run.setup.effects import check_epochs, largest_power_of_two
from tests.runs import IMAGES as SMALL_IMAGES
from tests.runs import MOONS, prepare, run

FEW = ("dataset=noisy_line", "model=mlp", "loss=mse", "norm=none", "depth=1", "width=4")  # 45 training examples


def refusal(*overrides, root):
    """What is wrong with a run; empty if nothing is."""
    try:
        gather_facts(prepare(*overrides, root=root))
    except ConfigError as error:
        (problem,) = error.problems
        return problem
    return ""


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 2), (3, 2), (1023, 512), (1024, 1024)])
def test_the_largest_power_of_two(count, expected):
    assert largest_power_of_two(count) == expected


@pytest.mark.parametrize("size", [46, 64, 10**7])
def test_a_batch_size_beyond_the_examples_is_refused_with_what_says_the_same(size, tmp_path):
    message = refusal(*FEW, f"batch_size={size}", root=tmp_path)
    assert message == f"batch_size={size}: there are only 45 training examples. batch_size=full means the same."
    assert refusal(*FEW, "batch_size=45", root=tmp_path) == refusal(*FEW, "batch_size=full", root=tmp_path) == ""


def test_a_default_batch_size_beyond_the_examples_acts_as_full_and_says_so(tmp_path, capsys):
    default, rows = run(*FEW, "epochs=2", root=tmp_path)
    line = "batch_size=64 is the default, and there are 45 training examples: each step takes all of them."
    (log,) = tmp_path.rglob("train.log")
    assert line in capsys.readouterr().out
    assert line in log.read_text()
    full, same = run(*FEW, "epochs=2", "batch_size=full", root=tmp_path)
    assert line not in capsys.readouterr().out
    assert (rows, default["metrics"], default["steps"]) == (same, full["metrics"], 2)


# The length of a run, a schedule that does nothing in it, and the nearest that does something.
SCHEDULES = [
    ("max_steps=4", "scheduler=cosine", "max_steps=5"),  # an epoch has four steps
    ("epochs=1", "scheduler=exponential", "epochs=2"),
    ("epochs=4", "scheduler=step", "scheduler.step_size=3"),
    ("epochs=9", "scheduler=step scheduler.step_size=9", "scheduler.step_size=8"),
    ("epochs=9", "scheduler=step scheduler.gamma=1", "scheduler.gamma=0.9"),
    ("epochs=7", "scheduler=plateau", "epochs=8"),
    ("epochs=3", "scheduler=plateau scheduler.patience=1", "scheduler.patience=0"),
    ("epochs=2", "scheduler=linear scheduler.warmup_fraction=0 scheduler.end_factor=1", "scheduler.end_factor=0.9"),
    ("epochs=1", "scheduler=step scheduler.step_size=1", "scheduler=linear"),
    ("epochs=1", "scheduler=plateau", "scheduler=onecycle"),
    ("epochs=1", "scheduler=cosine", "scheduler=warmup_cosine"),
]


@pytest.mark.parametrize(("length", "schedule", "instead"), SCHEDULES)
def test_a_schedule_that_never_changes_the_rate_is_refused(length, schedule, instead, tmp_path):
    message = refusal(*MOONS, length, *schedule.split(), root=tmp_path)
    assert message.startswith(schedule.split()[0])
    assert "has no effect in a run of " in message
    assert "scheduler=constant means the same." in message
    assert refusal(*MOONS, length, "scheduler=constant", root=tmp_path) == ""
    kept = () if instead.startswith("scheduler=") else schedule.split()
    assert refusal(*MOONS, length, *kept, instead, root=tmp_path) == ""


@pytest.mark.parametrize(
    ("length", "schedule", "advice"),
    [
        ("epochs=4", "step", "For an effect use scheduler.step_size of at most 3."),
        ("epochs=5", "plateau", "For an effect use scheduler.patience of at most 2."),
        ("epochs=2", "plateau", "scheduler=constant means the same."),  # no patience would do
        ("epochs=1", "step", "use one that counts steps: linear, onecycle or warmup_cosine."),
    ],
)
def test_a_refused_schedule_comes_with_what_would_have_an_effect(length, schedule, advice, tmp_path):
    assert refusal(*MOONS, length, f"scheduler={schedule}", root=tmp_path).endswith(advice)


def test_the_advice_for_a_schedule_changes_its_rates(tmp_path):
    for key in ("step scheduler.step_size=3", "plateau scheduler.patience=1 scheduler.min_delta=9"):
        _, rows = run(*MOONS, "epochs=4", *f"scheduler={key}".split(), root=tmp_path)
        rates = [row["lr"] for row in rows[1:]]
        assert len(set(rates[:-1])) == 1
        assert rates[-1] != rates[0]


IMAGES = ("dataset=digits", "model=mlp", "depth=1", "width=8", "norm=none", "batch_size=32", "epochs=1")


def test_a_scale_that_is_another_by_a_second_name_is_refused(tmp_path):
    message = refusal(*IMAGES, "dataset.scale=minmax", root=tmp_path)
    assert message.startswith("dataset.scale=minmax: in these data the smallest value is 0")
    assert message.endswith("dataset.scale=unit means the same.")
    assert refusal(*IMAGES, "dataset.scale=unit", root=tmp_path) == ""
    assert refusal(*MOONS, "dataset.scale=minmax", root=tmp_path) == ""


SHORT = (*(text for text in MOONS if text[:6] not in ("batch_", "epochs")), "batch_size=full", "epochs=9")  # 9 steps
WARMUPS = [
    ("linear", "scheduler.warmup_fraction=0.05"),
    ("linear", "scheduler.warmup_fraction=0.05 scheduler.start_factor=1"),
    ("warmup_cosine", "scheduler.warmup_fraction=1e-9"),
]


@pytest.mark.parametrize(("option", "keys"), WARMUPS)
def test_a_warmup_without_a_step_is_refused_with_what_says_the_same(option, keys, tmp_path):
    first, *others = keys.split()
    message = refusal(*SHORT, f"scheduler={option}", first, *others, root=tmp_path)
    assert message.startswith(f"{first.replace('1e-9', '1e-09')} has no effect in a run of 9 steps")
    assert message.endswith("scheduler.warmup_fraction=0 means the same. One step is scheduler.warmup_fraction=0.11.")
    assert refusal(*SHORT, f"scheduler={option}", "scheduler.warmup_fraction=0.11", *others, root=tmp_path) == ""
    assert refusal(*SHORT, f"scheduler={option}", "scheduler.warmup_fraction=0", root=tmp_path) == ""


def test_a_default_warmup_without_a_step_acts_as_none_and_says_so(tmp_path, capsys):
    default, rows = run(*SHORT, "scheduler=warmup_cosine", root=tmp_path)
    line = "scheduler=warmup_cosine: warmup_fraction=0.05 is the default, and of 9 steps that is none: no warm-up."
    (log,) = tmp_path.rglob("train.log")
    assert line in capsys.readouterr().out
    assert line in log.read_text()
    none, same = run(*SHORT, "scheduler=warmup_cosine", "scheduler.warmup_fraction=0", root=tmp_path)
    assert "no warm-up" not in capsys.readouterr().out
    assert (rows, default["metrics"]) == (same, none["metrics"])


def test_the_start_of_a_default_warmup_without_a_step_is_refused(tmp_path):
    message = refusal(*SHORT[:-1], "epochs=2", "scheduler=linear", "scheduler.start_factor=0.5", root=tmp_path)
    assert message.startswith("scheduler.start_factor has no effect in a run of 2 steps")


@pytest.mark.parametrize(
    ("every", "stopping", "expected"),
    [
        (3, {}, ""),
        (
            4,
            {},
            "hardware.empty_cache_every=4 has no effect in a run of 3 epochs. hardware.empty_cache_every=0 means the same.",
        ),
        (0, {"patience": 1000}, ""),
        (0, {"patience": 2, "restore_best": False}, ""),
        (
            0,
            {"patience": 3, "restore_best": False},
            "early_stopping.patience=3 with early_stopping.restore_best=false has no effect in a run of 3 epochs: it never "
            "stops early. Leave both out.",
        ),
    ],
)
def test_what_would_act_only_after_the_last_epoch_is_refused(every, stopping, expected):
    stopping = {"patience": None, "restore_best": True} | stopping
    config = {"hardware": {"empty_cache_every": every}, "early_stopping": stopping}
    assert "".join(check_epochs(config, set(), 3)) == expected


@pytest.mark.parametrize("more", [(), ("early_stopping.restore_best=false", "early_stopping.min_delta=0.1")])
def test_patience_beyond_the_epochs_still_chooses_the_best_epoch(more, tmp_path):
    assert refusal(*MOONS, "early_stopping.patience=1000", *more, root=tmp_path) == ""


def test_an_initialisation_from_more_images_than_there_are(tmp_path):
    speednet = (
        *(text for text in SMALL_IMAGES if not text.startswith(("model", "depth", "width"))),
        "model=speednet",
        "model.widths=[4,8]",
    )
    speednet += ("init=dirac_whitening",)
    message = refusal(*speednet, "init.num_examples=100", root=tmp_path)
    assert message == "init.num_examples=100: there are only 54 training examples. init.num_examples=54 means the same."
    assert gather_facts(prepare(*speednet, root=tmp_path)).notes == (
        "init.num_examples=5000 is the default, and there are 54 training examples: all of them are used.",
    )
    assert not gather_facts(prepare(*speednet, "init.num_examples=54", root=tmp_path)).notes

import numpy as np
import pandas as pd
import pytest

from dlexp.analysis.judge.diagnose import ADVICE, Diagnosis, diagnose, has_learned

EPOCHS = np.arange(1, 31)
RATE = np.exp(-EPOCHS / 4)


def curve_of(train_loss, train_score, val_loss, val_score, score="acc"):
    """metrics.csv of a run, from its curves over the epochs; the untrained row in front."""
    untrained = {"epoch": 0, "val/loss": 2.3, f"val/{score}": 0.1 if score == "acc" else 1.5}
    curves = {"train/loss": train_loss, f"train/{score}": train_score, "val/loss": val_loss, f"val/{score}": val_score}
    size = max(np.size(curve) for curve in curves.values())
    rows = {name: np.broadcast_to(curve, size) for name, curve in curves.items()}
    return pd.concat([pd.DataFrame([untrained]), pd.DataFrame({"epoch": np.arange(1, size + 1), **rows})], ignore_index=True)


LEARNED = 0.95 - 0.6 * RATE
NOISE = np.tile([0.0, 0.4, 0.1], 10)
LABELLED = [
    ("fine", curve_of(2 * RATE, LEARNED, 0.2 + 1.8 * RATE, LEARNED - 0.03)),
    ("diverged", curve_of([1.0, 0.5, np.nan], [0.5, 0.6, 0.1], 1.0, 0.5)),
    ("at chance", curve_of(2.31 + 0.01 * NOISE, 0.1, 2.31, 0.1)),  # Adam, lr 0.1, on Fashion-MNIST: exactly 10 %
    ("at chance", curve_of(1e3 * RATE + 2.3, 0.1, 2.31, [0.45, *[0.1] * 29])),  # learned a little, then fell to chance
    ("at chance", curve_of(2 + 0.1 * NOISE[:8], 0.2, 2, [0.22, 0.19, 0.18, 0.19, 0.17, 0.19, 0.1, 0.1])),  # the same, 8 epochs
    ("collapsed", curve_of(2 * RATE[::-1] + 0.3, 0.2 + 0.4 * RATE, 1.5 + 0.02 * EPOCHS, 0.19 + 0.6 * RATE)),  # Adam, lr 0.1
    ("collapsed", curve_of(0.7 + 0.1 * NOISE, 0.1 + RATE / 2, 3, 0.1 + RATE / 2)),  # to chance, from far above it
    ("collapsed", curve_of([1.0, 1.5, 2.3], [0.5, 0.4, 0.1], [1.1, 1.6, 2.3], [0.5, 0.3, 0.1])),
    ("overfit", curve_of(2 * RATE, 0.99 - 0.1 * RATE, 0.5 + 0.05 * EPOCHS, 0.3 + 0.6 * RATE)),  # what it keeps it has by heart
    ("underfit", curve_of(2.0 + 0.3 * RATE, 0.14 + 0.02 * RATE, 2.0, 0.14 + 0.02 * RATE)),  # a third, of nearly nothing
    ("overshoot", curve_of(0.6 + NOISE, 0.6 - 0.1 * NOISE, 0.7, 0.6 - 0.1 * NOISE)),
    ("slow", curve_of(2.25 + 0.06 * 0.95**EPOCHS, 0.2, 2.25, 0.2)),  # SGD, lr 0.001, on Digits
    ("too short", curve_of([2.0, 1.0], 0.6, 1.0, 0.6)),
    ("overshoot", curve_of(0.6 + NOISE, 0.7, 0.7, 0.7)),
    ("overshoot", curve_of(np.linspace(0.5, 1.5, 30), 0.6, 0.7, 0.6)),
    ("overshoot", curve_of(1.2 - RATE[::-1] + 0.9 * (EPOCHS > 25), 0.7, 0.7, 0.7)),
    ("overfit", curve_of(2 * RATE, 0.99, 0.5 + RATE + 0.02 * EPOCHS, 0.95)),
    ("overfit", curve_of(2 * RATE, 0.99, 0.5, 0.8)),
    ("slow", curve_of(np.linspace(2.3, 1.5, 30), np.linspace(0.1, 0.4, 30), np.linspace(2.3, 1.5, 30), 0.4)),
    ("slow", curve_of([2.0, 1.8, 1.6, 1.45], 0.5, [2.0, 1.8, 1.6, 1.45], 0.5)),
    ("underfit", curve_of(1.9 + 0.3 * RATE, 0.3, 1.9 + 0.3 * RATE, 0.3)),
    ("fine", curve_of(0.09 + RATE, 0.3 + RATE, 0.1 + RATE, 0.33 + RATE, "rmse")),
    ("overfit", curve_of(0.04 + RATE, 0.2 + RATE, 0.14 + RATE, 0.38 + RATE, "rmse")),
    ("underfit", curve_of(1.9 + 0.1 * RATE, 1.4, 1.9, 1.4, "rmse")),
    ("collapsed", curve_of(0.1 + 1.9 * RATE[::-1], 1.0, 0.1 + 1.9 * RATE[::-1], 1.0, "rmse")),
    (
        "fine",
        curve_of(0.01 + RATE, 0.1, 0.02 + RATE + 0.2 * 0.93**EPOCHS, 0.2, "rmse"),
    ),  # far above the training error, and falling
    ("slow", curve_of(np.linspace(2, 1, 30), 1.0, np.linspace(2, 1, 30), 1.0, "rmse")),
]


@pytest.mark.parametrize(("name", "curve"), LABELLED, ids=[f"{i}-{name}" for i, (name, _) in enumerate(LABELLED)])
def test_labelled_curves(name, curve):
    found = diagnose(curve, chance=0.1)
    assert found.name == name
    assert found.advice.startswith(ADVICE[name])
    assert "\n" not in found.advice


@pytest.mark.parametrize(("num_examples", "name"), [(360, "at chance"), (100_000, "underfit")])
def test_chance_is_as_wide_as_the_test_set_is_small(num_examples, name):
    curve = curve_of(2.0 + 0.3 * RATE, 0.14, 2.0, 0.14)
    assert diagnose(curve, chance=0.1, num_examples=num_examples).name == name


@pytest.mark.parametrize("drop", [["val/loss", "val/acc"], []])
def test_without_an_evaluated_split_the_training_curve_is_judged(drop):
    assert diagnose(LABELLED[0][1].drop(columns=drop), chance=0.1).name == "fine"
    assert diagnose(LABELLED[2][1].drop(columns=drop), chance=0.1).name == "at chance"


def test_a_diverged_status_is_a_diagnosis_too():
    assert diagnose(LABELLED[0][1], status="diverged").name == "diverged"


def test_overfit_names_the_epoch_of_the_lowest_loss():
    curve = curve_of(2 * RATE, 0.99, 0.5 + 0.01 * (EPOCHS - 7) ** 2, 0.95)
    assert diagnose(curve, chance=0.1) == Diagnosis("overfit", 7)
    assert diagnose(curve, chance=0.1).advice.endswith("lowest at epoch 7.")


def test_without_a_recorded_chance_no_run_is_at_chance():
    assert diagnose(LABELLED[2][1]).name != "at chance"


def test_a_run_that_collapses_in_validation_alone_has_not_collapsed():
    fallen = curve_of(2 * RATE, 0.95 - RATE, 0.5 + 0.1 * EPOCHS, 0.2 + 0.6 * RATE)
    assert diagnose(fallen, chance=0.1).name == "overfit"
    both = fallen.assign(**{"train/acc": fallen["val/acc"]})
    assert diagnose(both, chance=0.1).name == "collapsed"
    assert diagnose(both, chance=0.1, num_examples=20).name != "collapsed"  # so few examples show no fall
    assert diagnose(both.drop(columns=["val/loss", "val/acc"]), chance=0.1).name == "collapsed"


@pytest.mark.parametrize(
    ("best", "chance", "num_examples", "learned"),
    [
        (0.14, 0.1, 10_000, False),
        (0.16, 0.1, 10_000, True),
        (0.16, 0.1, 100, False),
        (0.019, 0.01, 10_000, False),
        (0.03, 0.01, 10_000, True),
        (0.54, 0.5, 10_000, False),
        (0.1, None, 10_000, True),
    ],
)
def test_the_neighbourhood_of_chance_is_five_points_wide_or_as_wide_as_chance(best, chance, num_examples, learned):
    assert has_learned(np.array([0.01, best, 0.02]), chance, num_examples) == learned

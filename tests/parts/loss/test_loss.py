import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.special import expit, log_softmax, softmax

from dlexp.config.options import read_option
from dlexp.contract import Dataset, Split
from dlexp.run.setup.factories import make_loss
from tests.options import make, options

OUTPUTS = torch.randn(7, 4, generator=torch.Generator().manual_seed(0)) * 2
CLASSES = torch.tensor([0, 3, 1, 2, 2, 0, 1])
ONE_HOT = np.eye(4)[CLASSES]

NUMBERS = Split(torch.zeros(7, 2), torch.zeros(7, 1))
LINE = Dataset(train=NUMBERS, val=None, test=NUMBERS, classes=(), shift=torch.zeros(()), factor=torch.ones(()))


def expected_focal(gamma):
    log_p = log_softmax(OUTPUTS.double().numpy(), axis=1)[range(7), CLASSES]
    return np.mean(-((1 - np.exp(log_p)) ** gamma) * log_p)


def expected_mse(predictions, targets):
    return np.mean((np.asarray(predictions) - targets) ** 2)


def expected_smooth_cross_entropy(smoothing):
    targets = ONE_HOT * (1 - smoothing) + smoothing / 4
    return -(targets * log_softmax(OUTPUTS.double().numpy(), axis=1)).sum(1).mean()


def expected_smooth(loss, smoothing):
    """The formula of a loss that is linear in its targets: a share of that of each class."""
    each = [loss(np.full(7, label)) for label in range(4)]
    return (1 - smoothing) * loss(CLASSES.numpy()) + smoothing * np.mean(each)


def focal_of(labels):
    log_p = log_softmax(OUTPUTS.double().numpy(), axis=1)[range(7), labels]
    return np.mean(-((1 - np.exp(log_p)) ** 2) * log_p)


def expected_bce(smoothing):
    targets, p = ONE_HOT * (1 - smoothing) + smoothing / 4, expit(OUTPUTS.double().numpy())
    return -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean()


@pytest.mark.parametrize(
    ("option", "keys", "expected"),
    [
        ("cross_entropy", {}, expected_smooth_cross_entropy(0.0)),
        ("cross_entropy", {"label_smoothing": 0.2}, expected_smooth_cross_entropy(0.2)),
        ("mse", {}, expected_mse(softmax(OUTPUTS.double().numpy(), axis=1), ONE_HOT)),
        ("mse", {"softmax": False}, expected_mse(OUTPUTS, ONE_HOT)),
        ("focal", {}, expected_focal(2.0)),
        ("focal", {"gamma": 0.5}, expected_focal(0.5)),
        ("focal", {"gamma": 0.0}, expected_smooth_cross_entropy(0.0)),
        ("focal", {"gamma": 0.0, "label_smoothing": 0.2}, expected_smooth_cross_entropy(0.2)),
        ("focal", {"label_smoothing": 0.2}, expected_smooth(focal_of, 0.2)),
        ("bce", {}, expected_bce(0.0)),
        ("bce", {"label_smoothing": 0.2}, expected_bce(0.2)),
        ("mse", {"label_smoothing": 0.2}, expected_mse(softmax(OUTPUTS.double().numpy(), axis=1), ONE_HOT * 0.8 + 0.05)),
        ("mse", {"softmax": False, "label_smoothing": 0.2}, expected_mse(OUTPUTS, ONE_HOT * 0.8 + 0.05)),
    ],
)
def test_agrees_with_its_formula(option, keys, expected):
    assert make("loss", option, **keys)()(OUTPUTS, CLASSES).item() == pytest.approx(expected, rel=1e-5)


LOSSES = [
    ("cross_entropy", {}),
    ("cross_entropy", {"label_smoothing": 0.2}),
    ("mse", {}),
    ("mse", {"softmax": False}),
    ("focal", {}),
    ("focal", {"gamma": 0.5}),
    ("focal", {"gamma": 0.0}),
    ("focal", {"label_smoothing": 0.2}),
    ("bce", {}),
    ("bce", {"label_smoothing": 0.2}),
    ("mse", {"label_smoothing": 0.2}),
]


@pytest.mark.parametrize(("option", "keys"), LOSSES)
def test_one_hot_targets_give_the_loss_and_the_gradient_of_labels(option, keys):
    losses, gradients = [], []
    for targets in (CLASSES, torch.from_numpy(ONE_HOT).float()):
        outputs = OUTPUTS.clone().requires_grad_()
        loss = make("loss", option, **keys)()(outputs, targets)
        loss.backward()
        losses.append(loss.detach())
        gradients.append(outputs.grad)
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(("option", "keys"), [row for row in LOSSES if row[0] != "mse"])
def test_the_loss_of_mixed_targets_is_the_mixture_of_losses(option, keys):
    loss, share = make("loss", option, **keys)(), 0.3
    mixed = share * F.one_hot(CLASSES, 4) + (1 - share) * F.one_hot(CLASSES.flip(0), 4)
    expected = share * loss(OUTPUTS, CLASSES) + (1 - share) * loss(OUTPUTS, CLASSES.flip(0))
    torch.testing.assert_close(loss(OUTPUTS, mixed), expected)


@pytest.mark.parametrize(("keys", "predict"), [({}, softmax), ({"softmax": False}, lambda outputs, axis: outputs)])
def test_mse_of_soft_targets_is_that_of_probabilities(keys, predict):
    soft = torch.rand(7, 4, generator=torch.Generator().manual_seed(1)).softmax(1)
    expected = expected_mse(predict(OUTPUTS.double().numpy(), axis=1), soft.numpy())
    assert make("loss", "mse", **keys)()(OUTPUTS, soft).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("use_softmax", [True, False])
def test_mse_of_a_regression_is_plain(use_softmax):
    targets = torch.randn(7, 1)
    mse = make_loss({"loss": read_option("loss", "mse") | {"softmax": use_softmax}}, LINE)
    loss = mse(OUTPUTS[:, :1], targets)
    assert loss.item() == pytest.approx(expected_mse(OUTPUTS[:, :1], targets.numpy()), rel=1e-5)


@pytest.mark.parametrize(("option", "expected"), [("cross_entropy", math.log(4)), ("mse", (0.75**2 + 3 * 0.25**2) / 4)])
def test_loss_of_equal_outputs_is_that_of_chance(option, expected):
    assert make("loss", option)()(torch.zeros(7, 4), CLASSES).item() == pytest.approx(expected)


@pytest.mark.parametrize("targets", [CLASSES, torch.from_numpy(ONE_HOT).float()], ids=["labels", "soft"])
@pytest.mark.parametrize("scale", [1.0, 1e3])
@pytest.mark.parametrize("option", options("loss"))
def test_gradients_are_finite_also_where_the_model_is_certain(option, scale, targets):
    outputs = torch.tensor(ONE_HOT * scale, dtype=torch.float32, requires_grad=True)
    make("loss", option)()(outputs, targets).backward()
    assert torch.isfinite(outputs.grad).all()


@pytest.mark.parametrize("targets", [[0, 0], [[1.0, 0.0], [0.25, 0.75]]], ids=["labels", "soft"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 5.0])
def test_focal_gradients_are_finite_at_certainty_for_every_gamma(gamma, targets):
    outputs = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    make("loss", "focal", gamma=gamma)()(outputs, torch.tensor(targets)).backward()
    assert torch.isfinite(outputs.grad).all()


@pytest.mark.parametrize("option", options("loss"))
def test_runs_on_meta(option):
    loss = make("loss", option)()(OUTPUTS.to("meta"), CLASSES.to("meta"))
    assert loss.shape == ()

import math
import warnings

import pytest
import torch

from dlexp.contract import Horizon
from tests.options import make, options

LR = 0.4


def cosine(start, end, time):
    return end + (start - end) * (1 + math.cos(math.pi * time)) / 2


def onecycle(n, num_steps):
    first, last = LR / 25, LR / 250_000
    time = n / num_steps
    return cosine(first, LR, time / 0.3) if time < 0.3 else cosine(LR, last, (time - 0.3) / 0.7)


CLOSED_FORMS = [
    ("constant", {}, lambda n, num: LR),
    ("step", {"step_size": 3}, lambda n, num: LR * 0.1 ** (n // 3)),
    ("exponential", {}, lambda n, num: LR * 0.95**n),
    ("cosine", {}, lambda n, num: cosine(LR, 0, n / num)),
    ("cosine", {"eta_min": 0.1}, lambda n, num: cosine(LR, 0.1, n / num)),
    ("onecycle", {}, onecycle),
    ("warmup_cosine", {"warmup_fraction": 0.0, "eta_min": 0.1}, lambda n, num: cosine(LR, 0.1, n / num)),
    ("linear", {"warmup_fraction": 0.0}, lambda n, num: LR * (1 - n / num)),
    (
        "linear",
        {"warmup_fraction": 0.25, "start_factor": 0.5, "end_factor": 0.1},
        lambda n, num: LR * (0.5 + 0.1 * n) if n < 5 else LR * (1 - 0.06 * (n - 5)),
    ),
    (
        "warmup_cosine",
        {"warmup_fraction": 0.25, "eta_min": 0.1},
        lambda n, num: LR * (n + 1) / 6 if n < 5 else cosine(LR, 0.1, (n - 5) / 15),
    ),
]


def start(option, horizon, **keys):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    return optimizer, make("scheduler", option, **keys)(optimizer, horizon)


def run(optimizer, schedule, num):
    """The learning rate of each of `num` steps or epochs, then that at the end. The monitored value never gets better."""
    values = (1.0,) if schedule.every == "metric" else ()
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(num):
        optimizer.step()
        schedule.scheduler.step(*values)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


@pytest.mark.parametrize(("option", "keys", "expected"), CLOSED_FORMS)
def test_follows_its_closed_form_to_the_end(option, keys, expected):
    rates = run(*start(option, Horizon(20, 20), **keys), 20)
    assert rates == pytest.approx([expected(n, 20) for n in range(21)], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("option", "last"), [("cosine", 0.1), ("warmup_cosine", 0.1), ("onecycle", LR / 250_000), ("linear", 0.0)]
)
@pytest.mark.parametrize("num", [1, 2, 3, 7, 10, 100])
def test_ends_at_its_last_value_whatever_the_horizon(option, last, num):
    keys = {} if option in ("onecycle", "linear") else {"eta_min": last}
    assert run(*start(option, Horizon(num, num), **keys), num)[-1] == pytest.approx(last, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("option", options("scheduler"))
def test_a_horizon_of_one_trains_with_a_learning_rate_and_without_a_warning(option):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rates = run(*start(option, Horizon(1, 1)), 1)
    assert rates[0] > 0
    assert rates[1] >= 0


def test_plateau_falls_after_more_than_patience_epochs_and_never_below_min_lr():
    rates = run(*start("plateau", Horizon(9, 9), patience=1, factor=0.5, min_lr=0.15), 9)
    assert rates == [0.4, 0.4, 0.4, 0.2, 0.2, 0.15, 0.15, 0.15, 0.15, 0.15]


def test_plateau_wants_an_improvement_of_min_delta():
    optimizer, schedule = start("plateau", Horizon(3, 3), patience=0, min_delta=0.1)
    for value in (1.0, 0.95, 0.8):
        schedule.scheduler.step(value)
    assert optimizer.param_groups[0]["lr"] == LR / 2
    assert schedule.every == "metric"


@pytest.mark.parametrize(("num_steps", "pct_start"), [(10, 0.1), (1, 0.5), (2, 0.5), (3, 0.9)])
def test_onecycle_peaks_at_the_optimizers_learning_rate(num_steps, pct_start):
    rates = run(*start("onecycle", Horizon(1, num_steps), pct_start=pct_start), num_steps)
    assert max(rates) <= LR
    assert rates[0] == pytest.approx(LR / 25)


@pytest.mark.parametrize("option", options("scheduler"))
def test_each_rate_of_an_optimizer_follows_the_schedule_as_if_it_were_alone(option):
    rates = {0.4: [], 0.05: [], 2e-8: []}  # muon has three
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in rates])
    keys = {"eta_min": 1e-8} if "cosine" in option else {"min_lr": 0.0, "patience": 0} if option == "plateau" else {}
    schedule = make("scheduler", option, **keys)(optimizer, Horizon(8, 8))
    run(optimizer, schedule, 8)
    for group, lr in zip(optimizer.param_groups, rates, strict=True):
        alone = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
        last = run(alone, make("scheduler", option, **keys)(alone, Horizon(8, 8)), 8)[-1]
        assert group["lr"] == pytest.approx(last, rel=1e-6)
        assert (last == lr) == (option == "constant")

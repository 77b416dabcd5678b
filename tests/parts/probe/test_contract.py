"""Every probe, from the moment its file exists: it measures in whole runs and changes nothing."""

import math

import pytest

from tests.options import CONF
from tests.parts.probe.runs import PROBES, arrays, keys, run_with, scalars
from tests.runs import IMAGES, MOONS

PLANE = {"decision_boundary"}  # these are at home on points alone
EVERYTHING = (*MOONS, "dropout=0.3", "norm=bn", "precision=fp16", "grad_clip=1", "scheduler=onecycle")
ARMS = {
    "moons": EVERYTHING,
    "images": (*IMAGES, "dropout=0.3", "augment=standard", "model.pool_every=1"),
    "stopped early": (*EVERYTHING, "early_stopping.patience=1", "optimizer.lr=0.3", "epochs=8"),
}


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """What runs without probes leave: summary and rows."""
    return {arm: run_with({}, *overrides, root=tmp_path_factory.mktemp("plain"))[:2] for arm, overrides in ARMS.items()}


def chosen_in(arm):
    """Each probe alone, and all at once."""
    names = [name for name in PROBES if arm != "images" or name not in PLANE]
    return [*([name] for name in names), names]


@pytest.mark.parametrize(("arm", "chosen"), [(arm, chosen) for arm in ARMS for chosen in chosen_in(arm)])
def test_probes_do_not_change_training(arm, chosen, without, tmp_path):
    summary, rows, folder = run_with(keys(*chosen, every=1), *ARMS[arm], root=tmp_path)
    assert (summary, rows) == without[arm]
    assert len(arrays(folder)) > 1 or scalars(folder)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_probes_do_not_change_training_on_a_gpu(precision, tmp_path):
    options = (*IMAGES, "hardware=cuda", "hardware.determinism=bitwise", "dropout=0.3", f"precision={precision}")
    chosen = keys(*(name for name in PROBES if name not in PLANE))
    plain, probed = (run_with(probe, *options, root=tmp_path)[:2] for probe in ({}, chosen))
    assert plain == probed


@pytest.mark.parametrize("name", PROBES)
def test_every_probe_measures_finite_numbers_at_every_epoch(name, tmp_path):
    _, _, folder = run_with(keys(name, every=1), *MOONS, root=tmp_path)
    rows, found = scalars(folder), arrays(folder)
    assert all(math.isfinite(float(row["value"])) and row["layer"] and row["name"] for row in rows)
    measured = {row["epoch"] for row in rows} | {stem.removeprefix(f"{name}-") for stem in found if stem != "predictions"}
    assert measured == {"0", "1", "2"}
    assert {row["probe"] for row in rows} <= {name}


@pytest.mark.parametrize("name", PROBES)
def test_a_file_begins_with_its_package(name):
    assert (CONF / "probe" / f"{name}.yaml").read_text().startswith(f"# @package probe.{name}\n")


def test_a_diverged_run_is_measured_too(tmp_path):
    options = ("optimizer=sgd", "optimizer.lr=1e30", "norm=none", "epochs=3")
    summary, _, folder = run_with(keys(*PROBES, every=1), *MOONS, *options, root=tmp_path)
    assert summary["status"] == "diverged"
    assert {row["value"] for row in scalars(folder) if row["epoch"] == "1"} >= {"nan"}

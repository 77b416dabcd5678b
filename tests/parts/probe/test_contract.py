"""Every probe, from the moment its file exists: it measures, changes nothing, and each of its keys matters."""

import inspect
import math

import pytest
from hydra.utils import get_method

from dlexp.config.options import read_option
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
CHANGES = {"every": 2, "bins": 7, "flat": 0.2, "near_zero": 0.5, "resolution": 9, "margin": 0.1}


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


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in PROBES for key in keys(name)[name] if key[0] != "_"])
def test_changing_a_key_changes_what_is_measured(name, key, tmp_path):
    options = (*MOONS, "activation=sigmoid")
    plain, changed = (run_with(keys(name, **change), *options, root=tmp_path)[2] for change in ({}, {key: CHANGES[key]}))
    assert (scalars(plain), arrays(plain)) != (scalars(changed), arrays(changed))


@pytest.mark.parametrize("name", PROBES)
def test_a_file_lists_every_parameter_that_its_factory_takes_from_the_config(name):
    content = read_option("probe", name)
    assert (CONF / "probe" / f"{name}.yaml").read_text().startswith(f"# @package probe.{name}\n")
    parameters = inspect.signature(get_method(content["_target_"])).parameters.values()
    taken = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    assert set(content) - {"_target_", "_partial_", "every"} == taken


def test_a_diverged_run_is_measured_too(tmp_path):
    options = ("optimizer=sgd", "optimizer.lr=1e30", "norm=none", "epochs=3")
    summary, _, folder = run_with(keys(*PROBES, every=1), *MOONS, *options, root=tmp_path)
    assert summary["status"] == "diverged"
    assert {row["value"] for row in scalars(folder) if row["epoch"] == "1"} >= {"nan"}

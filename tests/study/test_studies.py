"""The studies in conf/study/: each can be run as it stands, and says what the documents say."""

import html
import json
import re

import pytest

from dlexp.config.compose import compose
from dlexp.config.options import CONF
from dlexp.contract import Horizon
from dlexp.doctor.data import make_placeholder
from dlexp.run.execute import gather_facts
from dlexp.run.plan import plan
from dlexp.run.setup.effects import check_schedule, choose_batch_size
from dlexp.run.setup.factories import make_factory
from dlexp.study.cells import Repeat, command
from dlexp.study.definition import read_study, studies
from dlexp.study.request import Request, compose_runs, narrow
from tests import ROOT
from tests.runs import prepare, run

# What has to be downloaded, and its shape and number of classes.
DOWNLOADED = {"cifar10": ([3, 32, 32], 10), "cifar100": ([3, 32, 32], 100), "fashion_mnist": ([1, 28, 28], 10)}
DERIVED = {"convergence_epoch", "stability"}  # dlexp/analysis/judge/curves.py
NO_SHAPE = {"optimizer", "optimizer.lr", "scheduler", "loss", "loss.softmax", "init", "precision", "grad_clip", "arm"}
ON_A_CPU = {"hardware": ("cuda", "cpu"), "precision": ("tf32", "fp32")}  # what stands for what a machine may lack
FOR_A_GPU = {"hardware.empty_cache_every", "hardware.pin_memory", "hardware.non_blocking"}
PUBLISHED = [name for name in studies() if name.endswith("_published")]

every_study = pytest.mark.parametrize("name", studies())
every_published = pytest.mark.parametrize("name", PUBLISHED)


def on_made_data(study, cell, per_class=10):
    """The command of a cell, on made images of the same shape where its data has to be downloaded."""
    settings = dict(text.split("=", 1) for text in command(study, cell, study.repeats[0], {}))
    if settings["dataset"] in DOWNLOADED:
        shape, num_classes = DOWNLOADED[settings["dataset"]]
        if "dataset.per_class" in settings:
            settings["dataset.per_class"] = per_class
        if "dataset.imbalance" in settings:
            settings |= {"dataset.imbalance": 2, "val_fraction": 0.3}  # so few examples cannot be thinned out more
        settings |= {"dataset": "synthetic_images", "dataset.shape": f"[{','.join(map(str, shape))}]"}
        settings |= {"dataset.num_classes": num_classes, "dataset.num_train": per_class * num_classes}
        settings |= {"dataset.num_test": num_classes}
        if settings.get("batch_size", "full") != "full":
            settings["batch_size"] = min(int(settings["batch_size"]), per_class * num_classes // 2)
    settings |= {key: other for key, (one, other) in ON_A_CPU.items() if settings.get(key) == one}
    settings = {key: value for key, value in settings.items() if key not in FOR_A_GPU}
    return [f"{key}={value}" for key, value in settings.items()]


def config_of(name, cell=None):
    study = read_study(name)
    return compose(command(study, cell or study.all_cells()[0], Repeat(0), {})).config


def matching(study, selectors, where):
    """The cells that one selector or any of several selects."""
    several = selectors if isinstance(selectors, list) else [selectors]
    return [cell for cell in study.all_cells() if any((where | one).items() <= cell.items() for one in several)]


@every_study
def test_the_file_reads_as_it_should(name):
    study = read_study(name)
    sentence_ends = re.compile(r"[.?!](?=\s|$)")
    assert len(sentence_ends.findall(study.question)) == 1
    assert study.question.endswith("?")
    assert len(sentence_ends.findall(study.background)) == 3
    assert len(study.predictions) >= 2
    first = (CONF / "study" / f"{name}.yaml").read_text().splitlines()[0]
    draws = f" on {len(study.data_seeds)} draws of the data" if study.data_seeds else ""
    assert first == f"# {len(study.all_cells())} cells, {len(study.seeds)} seeds{draws}: python train.py study={name}"


@every_study
def test_every_run_passes_all_checks_and_is_another(name):
    study = read_study(name)
    first, *others = study.seeds
    runs = compose_runs(study, Request(study.all_cells(), [first], {}))
    runs += compose_runs(study, Request(study.all_cells()[:1], others, {}))  # the other cells change with the seed alone, too
    assert len({plan(composed, name).identity for composed in runs}) == len(study.all_cells()) + len(others)


@every_study
def test_every_cell_fits_data_and_model(name, tmp_path):
    study = read_study(name)
    other_shape = {
        str({key: cell[key] for key in cell if key not in NO_SHAPE and not key.startswith("hardware")}): cell
        for cell in study.all_cells()
    }
    for cell in other_shape.values():
        assert gather_facts(prepare(*on_made_data(study, cell), root=tmp_path)).num_parameters > 0


@every_study
def test_every_batch_size_and_schedule_has_an_effect_on_the_published_data(name, tmp_path):
    study = read_study(name)
    for cell in study.all_cells():
        planned = prepare(*command(study, cell, study.repeats[0], {}), "hardware=cpu", root=tmp_path)
        config, choices = planned.config, planned.composed.choices
        if choices["dataset"] not in DOWNLOADED:
            continue  # the test above reads the data themselves
        num_examples = len(make_placeholder(choices["dataset"], config).train.targets)
        size, problems = choose_batch_size(config, planned.composed.overridden_keys, num_examples)
        steps = config["max_steps"] or config["epochs"] * -(-num_examples // size)
        horizon = Horizon(-(-steps // -(-num_examples // size)), steps)
        assert problems + check_schedule(config, choices["scheduler"], make_factory(config, "scheduler"), horizon) == []


TAKES_LONG = ("norm_batch_size_cifar100", "mixed_precision")  # norm_batch_size and precision_stability show the same


FIRST_CELLS = [pytest.param(name, 8, marks=[pytest.mark.slow] if name in TAKES_LONG else []) for name in studies()]
FIRST_CELLS += [pytest.param(name, None, marks=pytest.mark.slow, id=f"{name}-its_own_batch") for name in studies()]


@pytest.mark.parametrize(("name", "batch_size"), FIRST_CELLS)
def test_the_first_cell_trains(name, batch_size, tmp_path):
    study = read_study(name)
    made = on_made_data(study, study.all_cells()[0], per_class=5 if name.endswith("cifar100") else 10)
    replaced = (
        "epochs=",
        "max_steps=",
        "scheduler",  # two steps are one epoch, in which most schedules do nothing
        *(["batch_size="] if batch_size else []),
    )
    short = [text for text in made if not text.startswith(replaced)]
    short += [f"batch_size={batch_size}"] if batch_size else []
    enough = 100 if batch_size else 512  # for two of the study's own batches
    few = [f"dataset.num_train={enough}", "dataset.num_test=50"] if "dataset.num_train=8192" in made else []
    summary, _ = run(*short, *few, "max_steps=2", root=tmp_path)
    assert (summary["status"], summary["steps"]) == ("done", 2), summary.get("reason")


@every_study
def test_predictions_compare_what_differs_in_nothing_else(name):
    study = read_study(name)
    for prediction in study.predictions:
        where = prediction.get("where", {})
        plus, minus = (matching(study, prediction[side], where) for side in ("plus", "minus"))
        assert not [cell for cell in plus if cell in minus]
        metric = prediction.get("metric", study.metric)
        assert metric in DERIVED or metric.startswith(("train/", "val/", "test/", "memory."))
        sides = [side if isinstance(side, list) else [side] for side in (prediction["plus"], prediction["minus"])]
        named = {key for side in sides for selector in side for key in selector}
        if "arm" not in named:
            beside = [{str({k: v for k, v in cell.items() if k not in named}) for cell in side} for side in (plus, minus)]
            assert beside[0] == beside[1]


@every_study
def test_each_published_number_belongs_to_one_cell(name):
    study = read_study(name)
    for entry in study.reference.get("values", []):
        selector = {key: value for key, value in entry.items() if key not in ("value", "sd", "n")}
        assert matching(study, selector, {}) == [selector], entry
        assert 0 < entry["value"] < (1 if study.metric.endswith("/acc") else 100)
    assert study.reference.get("source") or not name.endswith("_published")


@every_published
def test_published_protocols_look_at_the_test_set_and_their_corrections_do_not(name):
    published, corrected = config_of(name), config_of(name.removesuffix("_published"))
    assert (published["val_fraction"], published["evaluate_on"]) == (0, "test")
    assert corrected["val_fraction"] > 0
    assert (corrected["evaluate_on"], corrected["dataset"]["scale_on"]) == ("val", "train")
    same = ("model", "optimizer", "scheduler", "loss", "batch_size", "epochs")
    assert [published[key] for key in same] == [corrected[key] for key in same]


NETS = [  # study, cell, training examples of a class, parameters, steps; counted by hand from the documents
    ("depth_activation_published", {"activation": "relu", "depth": 1}, 300, 896 + 64 + 330, 60),
    ("depth_activation_published", {"activation": "relu", "depth": 8}, 300, 896 + 7 * 9248 + 8 * 64 + 330, 60),
    ("depth_activation", {"activation": "relu", "depth": 8}, 375, 66474, 60),
    ("norm_batch_size_published", {"norm": "gn", "batch_size": 2}, 200, 448 + 4640 + 18496 + 224 + 10250, 10_000),
    ("norm_batch_size_published", {"norm": "bn", "batch_size": 128}, 200, 34058, 160),
    ("norm_batch_size_long", {"norm": "bn", "batch_size": 128}, 625, 34058, 4000),
    ("block_order_published", {"model.order": "can", "activation": "relu"}, 500, 195770 + 724 + 410, 1000),
    ("activation_2d_published", {"dataset": "moons", "activation": "relu"}, None, 768 + 32896 + 258, 300),
    ("loss_published", {"dataset": "digits", "loss": "mse"}, None, 16640 + 32896 + 1290, 30 * 23),
    ("hardware_timing", {"hardware": "cpu", "batch_size": 256, "optimizer.lr": 0.001}, None, 256 * 67 + 65, 50 * 16),
    ("cifar10_speedrun", {"arm": "full", "optimizer": "muon"}, 500, 24 + 9 * 218_624 + 2 * 576 + 2560, 8 * 3),
    ("topology", {"arm": "small", "depth": 2, "width": 48}, None, 5962, 630),
    ("topology", {"arm": "wider", "depth": 2, "width": 109}, None, 20175, 630),
    ("topology", {"arm": "deeper", "depth": 8, "width": 48}, None, 20074, 630),
    ("topology", {"arm": "both", "depth": 4, "width": 70}, None, 20170, 630),
]


@pytest.mark.parametrize(("name", "cell", "per_class", "num_parameters", "num_steps"), NETS)
def test_size_and_length_are_those_of_the_protocol(name, cell, per_class, num_parameters, num_steps, tmp_path):
    study = read_study(name)
    assert cell in study.all_cells()
    facts = gather_facts(prepare(*on_made_data(study, cell, per_class), root=tmp_path))
    assert (facts.num_parameters, facts.horizon.num_steps) == (num_parameters, num_steps)


NUMBERS = [
    ("depth_activation", {"activation": "sigmoid", "depth": 8}, 0.1859, 0.0171),
    ("hardware_timing", {"hardware": "cpu", "batch_size": 512, "optimizer.lr": 0.002}, 25.632, None),
    ("hardware_timing", {"hardware": "cuda", "batch_size": 32, "optimizer.lr": 0.001}, 15.425, None),
    ("hardware_timing", {"hardware": "cuda", "batch_size": 256, "optimizer.lr": 0.001}, 0.437, None),
    ("depth_activation_published", {"activation": "relu", "depth": 8}, 0.3761, None),
    ("norm_batch_size_published", {"norm": "bn", "batch_size": 2}, 0.1001, None),
    ("norm_batch_size", {"norm": "gn", "batch_size": 128}, 0.5009, None),
    ("block_order_published", {"model.order": "cna", "activation": "relu"}, 0.6264, 0.0064),
    ("loss", {"loss": "mse", "loss.softmax": True, "dataset": "digits"}, 0.9694, None),
    ("cifar10_speedrun", {"arm": "full", "optimizer": "muon"}, 0.9401, None),
    ("activation_2d_published", {"dataset": "circles", "activation": "sigmoid"}, 0.6033, None),
    ("optimizer_lr_published", {"dataset": "fashion_mnist", "optimizer": "adam", "optimizer.lr": 0.1}, 0.1, None),
    ("optimizer_lr_published", {"dataset": "digits", "optimizer": "sgd", "optimizer.lr": 0.001}, 0.1861, None),
]


@pytest.mark.parametrize(("name", "cell", "value", "sd"), NUMBERS)
def test_published_numbers_are_those_of_the_documents(name, cell, value, sd):
    entry = next(entry for entry in read_study(name).reference["values"] if cell.items() <= entry.items())
    assert (entry["value"], entry.get("sd")) == (value, sd)


def test_what_holds_for_one_value_of_a_cell_is_set_there_alone():
    fashion, digits = (
        config_of("optimizer_lr_published", {"dataset": name, "optimizer": "adam", "optimizer.lr": 0.1})
        for name in ("fashion_mnist", "digits")
    )
    assert (fashion["batch_size"], fashion["dataset"]["scale"]) == (128, {"mean": [0.5], "std": [0.5]})
    assert (digits["batch_size"], digits["dataset"]["scale"]) == (64, "standardize_features")
    assert digits["optimizer"]["lr"] == 0.1
    assert "groups" not in config_of("norm_batch_size", {"norm": "bn", "batch_size": 2})["norm"]
    assert config_of("norm_batch_size", {"norm": "gn", "batch_size": 2})["norm"]["groups"] == {16: 4, 32: 8, 64: 8}


def test_a_command_wins_over_all_that_the_file_says():
    study = read_study("norm_batch_size")
    request = narrow(
        study, ["norm.groups=4", "epochs=1", "dataset=image_folder", "dataset.root=data/x", "norm=gn", "batch_size=2"]
    )
    overrides = command(study, request.cells[0], Repeat(0), request.changes)
    assert {"norm.groups=4", "epochs=1", "dataset=image_folder", "dataset.root=data/x", "dataset.per_class=250"} <= set(
        overrides
    )


@pytest.mark.parametrize("name", [path.parent.name for path in sorted((ROOT / "outputs/reference").glob("*/protocol.json"))])
def test_a_reference_report_says_what_its_study_says(name):
    """Where a sentence of a study is corrected, it is corrected in its reference report too."""
    study, folder = read_study(name), ROOT / "outputs/reference" / name
    reported = json.loads((folder / "protocol.json").read_text())["study"]
    if (study.axes, study.cells) != (reported["axes"], reported["cells"]):
        return  # the study has other arms since, and the report is of those that ran
    assert (study.question, study.background) == (reported["question"], reported["background"])
    assert study.reference.get("source") == (reported["reference"] or {}).get("source")
    assert study.reference.get("values") == (reported["reference"] or {}).get("values")
    page = (folder / "report.md").read_text()
    plain = re.sub(r"\\(.)", r"\1", html.unescape(page))
    assert study.background in plain
    assert not study.reference or study.reference["source"] in plain

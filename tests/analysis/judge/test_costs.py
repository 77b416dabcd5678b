"""Studies whose metric is a cost: their means, ratios, tables and figure."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dlexp.analysis import analyse
from dlexp.analysis.judge.costs import COSTS
from dlexp.analysis.report.arrange import mark_absent
from dlexp.analysis.report.figures import draw
from dlexp.analysis.report.figures.speed import draw_speed_ups
from dlexp.analysis.report.labels import metric_label
from dlexp.analysis.report.speedup import build_grid, build_ratios, compute_speed_ups
from dlexp.analysis.report.tables import build_results, format_metric
from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import build_report
from tests.analysis.made import make_study
from tests.analysis.report.test_figures import is_drawn

AXES = {"hardware": ["cpu", "cuda"], "batch_size": [32, 256, 512], "optimizer.lr": [0.001, 0.002]}
TIMES = {"cpu": 40.0, "cuda": 8.0}
REFERENCE = {
    "source": "a document",
    "values": [
        {"hardware": "cpu", "batch_size": 32, "optimizer.lr": 0.001, "value": 42.466, "n": 1},
        {"hardware": "cuda", "batch_size": 32, "optimizer.lr": 0.001, "value": 15.425, "n": 1},
    ],
}
FASTER = {"claim": "faster", "plus": {"hardware": "cpu"}, "minus": {"hardware": "cuda"}, "expected": "greater", "ratio": 4}
EN = Text("en")


def seconds(cell, seed):
    return TIMES[cell["hardware"]] * 32 / cell["batch_size"] * (1 + 0.01 * ((3 * seed + cell["batch_size"]) % 7))


def study(root, metric="train/seconds", axes=AXES, seeds=range(5), **more):
    more = {"seconds": seconds, "reference": REFERENCE, "predictions": [FASTER]} | more
    return make_study(root, axes, seeds, metric=metric, **more)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return analyse(study(tmp_path_factory.mktemp("outputs")))


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A function that gives the text of a report in a language."""
    folder = study(tmp_path_factory.mktemp("reports"), axes=AXES | {"batch_size": [32, 256], "optimizer.lr": [0.001]})
    return cache(lambda lang: build_report(folder, lang).with_name("report.md").read_text())


def test_less_time_is_better_and_the_test_set_brings_no_noise(result):
    fast = result.cells.set_index(list(AXES)).loc["cuda", 512]
    slow = result.cells.set_index(list(AXES)).loc["cpu", 32]
    assert fast["rank"].max() < slow["rank"].min()
    assert result.cells["noise"].isna().all()


@pytest.mark.parametrize(("metric", "best"), [("train/examples_per_s", "cuda"), ("memory.allocated", "cuda")])
def test_more_speed_is_better_and_less_memory(metric, best, tmp_path):
    cells = analyse(study(tmp_path, metric, {"hardware": ["cpu", "cuda"], "batch_size": [32]}, reference={})).cells
    assert cells.sort_values("rank")["hardware"].iloc[0] == best


def test_the_median_is_that_of_the_runs(result):
    runs = result.runs[(result.runs["hardware"] == "cpu") & (result.runs["batch_size"] == 32)]
    medians = runs.groupby("optimizer.lr")["train/seconds"].median()
    assert result.cells["median"].iloc[:2].tolist() == medians.tolist()


def test_a_diverged_run_has_no_cost(tmp_path):
    folder = study(tmp_path, status=lambda cell, seed: "diverged" if seed == 1 else "done")
    cells = analyse(folder).cells
    assert cells[["n", "diverged", "unusable"]].to_numpy().tolist() == [[4, 1, 1]] * len(cells)


def test_a_ratio_is_that_of_pairs_of_runs(result):
    found = next(one for one in compute_speed_ups(result) if one.cell["batch_size"] == 256)
    table = result.runs[(result.runs["batch_size"] == 256) & (result.runs["optimizer.lr"] == found.cell["optimizer.lr"])]
    times = table.pivot(index="seed", columns="hardware", values="train/seconds")
    logarithms = np.log(times["cpu"] / times["cuda"])
    half = stats.t.ppf(0.975, 4) * logarithms.sem()
    assert [found.low, found.ratio, found.high] == pytest.approx(np.exp(logarithms.mean() + half * np.array([-1, 0, 1])))
    assert found.n == 5


def test_above_one_is_better_for_times_speeds_and_memory_alike(tmp_path):
    for metric in ("train/seconds", "train/examples_per_s", "memory.allocated"):
        found = compute_speed_ups(analyse(study(tmp_path / metric.replace("/", "."), metric, reference={})))
        assert [one.cell["hardware"] for one in found] == ["cuda"] * 6
        assert all(one.ratio == pytest.approx(5, rel=0.1) and one.low <= one.ratio <= one.high for one in found)


def test_published_numbers_have_their_ratio(result):
    published = [one.published for one in compute_speed_ups(result)]
    assert published[0] == pytest.approx(42.466 / 15.425)
    assert np.isnan(published[1:]).all()


def test_arms_are_compared_with_the_first_of_their_device(tmp_path):
    axes = {"hardware": ["cpu", "cuda"], "arm": ["resident", "two", "four"]}
    quick = {"resident": 1.0, "two": 2.0, "four": 4.0}
    folder = study(tmp_path, axes=axes, seconds=lambda cell, seed: quick[cell["arm"]] * (1 + seed), reference={})
    assert [(one.cell["arm"], one.ratio) for one in compute_speed_ups(analyse(folder))] == [
        ("two", pytest.approx(0.5)),
        ("four", pytest.approx(0.25)),
    ] * 2


def test_a_study_of_accuracy_has_no_speed_up(tmp_path):
    plain = analyse(study(tmp_path, "test/acc", reference={}))
    assert (compute_speed_ups(plain), build_ratios(plain, EN), build_grid(plain, EN)) == ([], None, None)


def test_a_partner_that_did_not_run_leaves_no_ratio(tmp_path):
    folder = study(tmp_path, status=lambda cell, seed: "missing" if cell["hardware"] == "cuda" else "done")
    result = analyse(folder)
    assert compute_speed_ups(result) == []
    assert list(draw_speed_ups(mark_absent(result))) == []
    assert build_grid(result, EN).rows[2][1:] == ["–"] * 6


def test_the_table_has_the_median_and_the_quality_beside_the_speed(result):
    table = build_results(result, EN)
    assert table.head[:6] == ["cell", "this study", "test accuracy (%)", "n", "sd", "median"]
    row = result.cells.iloc[0]
    assert table.rows[0][1].split(" ± ")[0] == f"{row['mean']:.4g}"
    assert table.rows[0][5] == f"{row['median']:.4g}"
    quality = result.runs[(result.runs["hardware"] == "cpu") & (result.runs["batch_size"] == 32)]["test/acc"].iloc[:5].mean()
    assert table.rows[0][2].startswith(f"{100 * quality:.2f}")


def test_the_grid_is_that_of_the_document_in_milliseconds(result):
    table = build_grid(result, EN)
    assert table.head == ["hardware", *(f"batch_size={size}, lr={lr}" for size in (32, 256, 512) for lr in (0.001, 0.002))]
    assert [row[0] for row in table.rows] == ["cpu", "cpu, published", "cuda", "cuda, published"]
    assert [row[1] for row in table.rows[1::2]] == ["42\N{NARROW NO-BREAK SPACE}466", "15\N{NARROW NO-BREAK SPACE}425"]
    mean = 1000 * result.cells["mean"].iloc[0]
    assert table.rows[0][1] == f"{round(mean):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


@pytest.mark.parametrize(
    ("axes", "caption"), [(AXES, "speed_up_lines"), ({"hardware": ["cpu", "cuda"], "batch_size": [32, 64]}, "speed_up_points")]
)
def test_the_speed_up_figure_suits_the_axes(axes, caption, tmp_path):
    pictures = draw(analyse(study(tmp_path, axes=axes, reference={})))
    picture = next(picture for picture in pictures if picture.name == "speed_up")
    assert (picture.caption, picture.section, picture.values) == (caption, "results", {"partner": "cpu"})
    assert is_drawn(picture.png)


@pytest.mark.parametrize("metric", COSTS)
def test_costs_have_their_units_and_are_never_per_cent(metric):
    assert metric_label(metric).endswith(f"({COSTS[metric].unit})")
    assert Text("ko").metric(metric) != metric
    assert "%" not in metric_label(metric) + Text("ko").metric(metric)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("train/seconds", 42.466, "42.47"),
        ("train/examples_per_s", 123456.7, "123\N{NARROW NO-BREAK SPACE}457"),
        ("memory.allocated", 3 * 2**20, "3"),
        ("test/rmse", 123456.7, "1.235e+05"),
    ],
)
def test_costs_are_shown_in_their_unit(metric, value, text):
    assert format_metric(metric, value) == text


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("en", ["expected: greater than 4", "all ratios are equal"]),
        pytest.param("ko", ["예측: 4보다 큼", "비의"], marks=pytest.mark.slow),
    ],
)
def test_the_report_has_ratios_and_no_points(lang, words, report):
    verdicts = report(lang).split("\n## ")[1]
    assert all(word in verdicts for word in [*words, "hardware=cpu / hardware=cuda"])
    assert "points" not in verdicts
    assert "%p" not in verdicts


def test_every_run_has_its_costs_in_the_table(result, report):
    assert pd.to_numeric(result.runs["memory.allocated"]).gt(0).all()
    costs = report("en").split("## Costs")[1]
    assert "peak GPU memory in use (MiB)" in costs

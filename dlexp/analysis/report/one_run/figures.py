"""Draw the figures that a study has not: learning curve, confusion matrix, predictions and scalars of probes of one run."""

from collections.abc import Iterator, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dlexp.analysis.judge.curves import evaluated_split
from dlexp.analysis.report.figures.arrays import Arrays
from dlexp.analysis.report.figures.heat import COLOUR_MAP, draw_number_grid
from dlexp.analysis.report.figures.learning import spans_decades
from dlexp.analysis.report.figures.names import fit_classes, measure, name_classes
from dlexp.analysis.report.figures.panels import MAX_PANELS, make_grid, make_panels
from dlexp.analysis.report.figures.predictions import draw_gallery, label_images
from dlexp.analysis.report.figures.probes import MAX_LINES, SHARES, layer_label, list_modes, spread
from dlexp.analysis.report.figures.style import COLOURS, INK, DrawnFigure, add_legend, set_log_axis, set_title, thin
from dlexp.analysis.report.labels import SPLITS, display_factor, is_rate, metric_label

MAX_SIDE_BY_SIDE = 6  # classes; the two matrices of more classes are two figures
MAX_NUMBERED = 20  # classes up to which a confusion matrix has its numbers
MAX_DRAWN_CLASSES = 2000
MAX_OUTPUTS = 3  # of a regression
MAX_POINTS = 2000  # of a scatter plot
MAX_IN_SERIES = 100  # examples
SERIES_CORRELATION = 0.5  # of the targets with those some places before; about 0 in a shuffled test split
MAX_LAG = 20  # places
MAX_IMAGES = 24  # of a gallery: four full rows
MAX_PROBES = 12  # of which scalars are drawn


def draw_learning_curve(curve: pd.DataFrame, marked: tuple[str, int] | None) -> Iterator[DrawnFigure]:
    """Loss, and score, of the training and of the watched split.

    Args:
        curve: The run's metrics.csv.
        marked: Label and number of an epoch that a vertical line marks.
    """
    splits = ["train", *([split] if (split := evaluated_split(curve)) else [])]
    panels = []
    for name in ("loss", "acc", "rmse"):
        metrics = [f"{split}/{name}" for split in splits if f"{split}/{name}" in curve]
        if sum(int(np.isfinite(curve[metric]).sum()) for metric in metrics) > 1:
            panels.append((name, metrics))
    if not panels:
        return
    figure, grid = make_panels(len(panels), 3.7, 2.9)
    for axes, (name, metrics) in zip(grid, panels, strict=True):
        for metric, colour in zip(metrics, COLOURS, strict=False):
            marker = "o" if len(curve) <= 20 else ""
            label = SPLITS[metric.partition("/")[0]]
            line = curve.iloc[thin(curve[metric].to_numpy(float))]
            axes.plot(line["epoch"], line[metric] * display_factor(metric), color=colour, marker=marker, ms=4, label=label)
        if marked:
            axes.axvline(marked[1], color=INK, lw=1.2, ls=(0, (1, 1.5)), label=f"{marked[0]} {marked[1]}")
        axes.set(xlabel="epoch", ylabel=metric_label(name))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if not is_rate(name) and spans_decades(pd.concat([curve[metric] for metric in metrics])):
            set_log_axis(axes)
    add_legend(figure)
    shown = [metric for _, metrics in panels for metric in metrics]
    yield DrawnFigure("learning", figure, "run_learning", {"metrics": shown}, wide=len(panels) > 1)


def draw_confusion(arrays: Arrays) -> Iterator[DrawnFigure]:
    """Counts, and per cent of the row: side by side, or one after the other; of many classes the second alone, as a picture."""
    number = len(arrays["confusion"])
    if number > MAX_DRAWN_CLASSES:
        return
    counts = arrays["confusion"].astype(float)
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    if number > MAX_NUMBERED:
        space = fit_classes(arrays["classes"])[1]
        figure, (axes,) = make_grid((5.6 + space, 4.8 + space), 1, 1)
        axes.imshow(shares, cmap=COLOUR_MAP, vmin=0, vmax=100)
        axes.grid(visible=False)
        name_classes(axes, fit_classes(arrays["classes"])[0])
        figure.colorbar(axes.images[0], ax=axes, label="% of the true class", shrink=0.9)
        yield DrawnFigure("confusion", figure, "run_confusion_many")
        return
    names, space = fit_classes(arrays["classes"])
    side = max(3.2, 1.3 + 0.4 * number) + space
    together = number <= MAX_SIDE_BY_SIDE
    kinds = [("counts", counts, max(1.0, counts.max())), ("per cent of the true class", shares, 100.0)]
    for batch in [kinds] if together else [[kind] for kind in kinds]:
        figure, grid = make_grid((side * len(batch), side), len(batch), len(batch))
        for axes, (title, table, high) in zip(grid, batch, strict=True):
            _draw_matrix(axes, table, names, high)
            set_title(axes, title, 40)
        caption = "run_confusion" if together else "run_confusion_counts" if batch[0] is kinds[0] else "run_confusion_shares"
        yield DrawnFigure(caption.removeprefix("run_"), figure, caption, wide=side * len(batch) > 5)


def _draw_matrix(axes: Axes, table: np.ndarray, names: Sequence[str], high: float) -> None:
    size = 8 * min(1, 0.34 / measure(f"{table.max():.0f}"))
    draw_number_grid(axes, table, limits=(0, high), digits=0, size=size)
    name_classes(axes, names)


def draw_examples(arrays: Arrays) -> Iterator[DrawnFigure]:
    """Images of ordinary test examples, then of the worst errors, as far as they were saved."""
    for name, caption in (("sample", "run_sample"), ("worst", "run_worst")):
        images = arrays.get(f"{name}_images", np.zeros(0))[:MAX_IMAGES]
        if not len(images):
            continue
        if "classes" in arrays:
            labels = label_images(arrays, name)
            right = [arrays["target"][index] == arrays["predicted"][index] for index in arrays[name]]
        else:
            pairs = zip(*(arrays[kind][arrays[name], 0] for kind in ("target", "predicted")), strict=True)
            labels = [f"{true:.3g}\n→ {predicted:.3g}" for true, predicted in pairs]
            right = [True] * len(labels)
        colours = [INK if correct or name == "worst" else COLOURS[1] for correct in right]
        yield DrawnFigure(name, draw_gallery(images, labels, colours), caption, wide=True, raster=True)


def draw_regression(arrays: Arrays) -> Iterator[DrawnFigure]:
    """Predicted against true values, their differences, and both in their order where the order means something."""
    target, predicted = (arrays[name].astype(float) for name in ("target", "predicted"))
    outputs = [k for k in range(min(target.shape[1], MAX_OUTPUTS)) if np.isfinite(predicted[:, k]).sum() > 1]
    if not outputs:
        return
    figure, grid = make_grid((7.0, 2.9 * len(outputs) + 0.3), 2 * len(outputs), 2)
    for row, k in zip(grid.reshape(-1, 2), outputs, strict=True):
        finite = np.isfinite(predicted[:, k]) & np.isfinite(target[:, k])
        name = f" {k + 1}" if target.shape[1] > 1 else ""
        _draw_scatter(row[0], target[finite, k], predicted[finite, k], name)
        row[1].hist(predicted[finite, k] - target[finite, k], bins=30, color=COLOURS[0])
        row[1].axvline(0, color=INK, lw=1)
        row[1].yaxis.set_major_locator(MaxNLocator(6, integer=True))
        row[1].set(xlabel=f"predicted − true value{name}", ylabel="test examples")
    yield DrawnFigure("regression", figure, "run_regression", wide=True)
    if _is_series(target[:, 0]):
        figure, grid = make_grid((7.4, 2.4 * len(outputs) + 0.6), len(outputs), 1)
        for axes, k in zip(grid, outputs, strict=True):
            for values, colour, label in ((target, INK, "true"), (predicted, COLOURS[1], "predicted")):
                axes.plot(values[:MAX_IN_SERIES, k], color=colour, lw=1.4, label=label, marker=".", ms=4)
            axes.set_ylabel("value" if target.shape[1] == 1 else f"value {k + 1}")
        grid[-1].set_xlabel("index in the test split")
        add_legend(figure)
        caption = "run_series" if len(target) <= MAX_IN_SERIES else "run_series_start"
        yield DrawnFigure("series", figure, caption, {"n": MAX_IN_SERIES}, wide=True)


def _draw_scatter(axes: Axes, target: np.ndarray, predicted: np.ndarray, name: str) -> None:
    places = spread(len(target), MAX_POINTS)
    axes.plot(target[places], predicted[places], "o", color=COLOURS[0], ms=3.5, alpha=0.5, mew=0)
    ends = [min(target.min(), predicted.min()), max(target.max(), predicted.max())]
    axes.plot(ends, ends, color=INK, lw=1)
    axes.set(xlabel=f"true value{name}", ylabel=f"predicted value{name}")


def _is_series(values: np.ndarray) -> bool:
    """Whether targets depend on those before them, so that their order means something."""
    if len(values) < 3 * MAX_LAG or not np.isfinite(values).all():
        return False
    centred = values - values.mean()
    products = [centred[lag:] @ centred[:-lag] for lag in range(1, MAX_LAG + 1)]
    return bool(max(map(abs, products)) > SERIES_CORRELATION * (centred @ centred))


def draw_measurements(probes: pd.DataFrame) -> Iterator[DrawnFigure]:
    """The scalars of each probe over the epochs, except those that have a heat map: a panel for each, with a line per layer."""
    drawn = {(probe, name) for name, (probe, _) in SHARES.items()}
    for number, (probe, rows) in enumerate(probes.groupby("probe", sort=False)):
        names = [name for name in rows["name"].unique() if (probe, name) not in drawn][:MAX_PANELS]
        if number == MAX_PROBES or not names:
            continue
        layers = _choose_layers(rows)
        figure, grid = make_panels(len(names), 3.4, 2.6)
        for axes, name in zip(grid, names, strict=True):
            _draw_layers(axes, rows[rows["name"] == name], layers)
            set_title(axes, str(name)[:70], 34)
        add_legend(figure)
        values = {"probe": str(probe)[:70], "modes": list_modes(rows)}
        yield DrawnFigure(f"measurements_{number + 1}", figure, "run_measurements", values, wide=len(names) > 1)


def _choose_layers(rows: pd.DataFrame) -> list[str]:
    """At most six layers, from the first to the last; of tensors only the weights."""
    names = [str(name) for name in rows["layer"].unique()]
    names = [name for name in names if name.endswith("weight")] or names
    return [names[place] for place in spread(len(names), MAX_LINES)]


def _draw_layers(axes: Axes, rows: pd.DataFrame, layers: Sequence[str]) -> None:
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.88, len(layers)))
    for layer, colour in zip(layers, shades, strict=True):
        line = rows[rows["layer"] == layer].sort_values("epoch")
        line = line.iloc[thin(line["value"].to_numpy(float))]
        label = layer_label(layer) or "all"
        axes.plot(line["epoch"], line["value"], color=colour, marker="o", ms=3, lw=1.4, label=label)
    if spans_decades(rows.loc[rows["layer"].isin(layers), "value"]):
        set_log_axis(axes)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))

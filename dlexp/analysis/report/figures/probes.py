"""Draw what the probes measured by layer: heat maps over epochs, activation histograms, gradients, weight norms."""

import re
from collections.abc import Iterator

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import add_cell_names, cell_names, mean_over_seeds, varying_keys
from dlexp.analysis.report.figures.arrays import CellArrays, list_seeds, load_cell_arrays
from dlexp.analysis.report.figures.diverged import title_cells
from dlexp.analysis.report.figures.heat import COLOUR_MAP
from dlexp.analysis.report.figures.learning import spans_decades
from dlexp.analysis.report.figures.panels import label_rows, make_figures, make_panels, number_batches
from dlexp.analysis.report.figures.style import COLOURS, DrawnFigure, add_legend, plot_means, set_log_axis, set_title, wrap

SHARES = {
    "dead": ("dead_units", "units that no example activates (%)"),
    "nonpositive": ("dead_units", "activations of zero or less (%)"),
    "saturation": ("activation_stats", "saturated activations (%)"),
}
MAX_LAYERS = 4
MAX_LINES = 6
MAX_LAYER_LABELS = 12  # beside a heat map
SNAPSHOTS = 5


def draw_layer_heat_maps(result: StudyResult) -> Iterator[DrawnFigure]:
    """Shares of dead and of saturated units: layer by epoch, one panel per cell; cells without any are only named."""
    titles = title_cells(result)
    for name, (probe, label) in SHARES.items():
        frame, cells = _select_measurements(result, probe, name)
        without = [cell for cell in cells if frame.loc[frame["cell"] == cell, "value"].fillna(0).eq(0).all()]
        drawn = [cell for cell in cells if cell not in without]
        for number, batch in number_batches(f"{probe}_{name}", drawn):
            num_layers = frame[frame["cell"].isin(batch)].groupby("cell")["layer"].nunique().max()
            figure, grid = make_panels(len(batch), 3.4, min(3.2, 1.2 + 0.3 * num_layers))
            for axes, cell in zip(grid, batch, strict=True):
                image = _draw_layers_by_epochs(axes, frame[frame["cell"] == cell])
                set_title(axes, titles[cell], 32)
            figure.colorbar(image, ax=list(grid), label=wrap(label, 26), shrink=0.9)
            caption = "layer_shares_zero" if without else "layer_shares"
            values = {"what": name, "zero": "; ".join(without), "modes": list_modes(frame)}
            yield DrawnFigure(number, figure, caption, values, wide=len(batch) > 1)


def list_modes(measurements: pd.DataFrame) -> list[str]:
    """The modes in which the probes found the models, for a caption; usually there is only one."""
    return [mode for mode in ("train", "eval") if (measurements["mode"] == mode).any()]


def _select_measurements(result: StudyResult, probe: str, name: str, layers: str = "") -> tuple[pd.DataFrame, list[str]]:
    """A probe's measurements of this name in layers whose name ends so, and the cells that have any, in their order."""
    rows = result.probes[(result.probes["probe"] == probe) & (result.probes["name"] == name)]
    frame = add_cell_names(rows[rows["layer"].astype(str).str.endswith(layers)], varying_keys(result))
    return frame, [cell for cell in cell_names(result) if (frame["cell"] == cell).any()]


def _draw_layers_by_epochs(axes: Axes, frame: pd.DataFrame) -> matplotlib.image.AxesImage:
    table = frame.pivot_table(index="layer", columns="epoch", values="value", aggfunc="mean", sort=False)
    table = table.reindex(index=list(dict.fromkeys(frame["layer"])), columns=sorted(table.columns)) * 100
    image = axes.imshow(np.ma.masked_invalid(table.to_numpy(dtype=float)), cmap=COLOUR_MAP, vmin=0, vmax=100, aspect="auto")
    axes.set_facecolor("#EEEEEE")
    axes.grid(visible=False)
    rows = spread(len(table), MAX_LAYER_LABELS)
    axes.set_yticks(rows, [layer_label(table.index[row]) for row in rows], size=8)
    places = spread(len(table.columns), 6)
    axes.set_xticks(places, [str(int(table.columns[place])) for place in places])
    axes.set_xlabel("epoch")
    return image


def draw_activation_histograms(result: StudyResult) -> Iterator[DrawnFigure]:
    """One row per cell, one column per layer, one line per epoch; on a logarithmic scale, because ReLU has a peak at zero."""
    name = "activation_histograms"
    modes = list_modes(result.probes[result.probes["probe"] == "activation_stats"])
    for number, batch in number_batches(name, load_cell_arrays(result, "activation_stats"), 3):
        layers = {item.cell: _select_layers(item) for item in batch}
        across = max(map(len, layers.values()))
        if not across:
            continue
        figure = Figure((max(6.2, 2.6 * across), 2.2 * len(batch) + 0.8), layout="constrained")
        grid = figure.subplots(len(batch), across, squeeze=False)
        for row, item in zip(grid, batch, strict=True):
            for axes, layer in zip(row, layers[item.cell], strict=False):
                _draw_histograms(axes, item, layer)
                set_title(axes, f"{item.title}: {layer_label(layer)}", 13 * 6 // across)
            for axes in row[len(layers[item.cell]) :]:
                axes.remove()
            row[0].set_ylabel("density")
        for axes in grid[-1]:
            axes.set_xlabel("activation")
        add_legend(figure, "epoch")
        yield DrawnFigure(number, figure, name, {"seed": list_seeds(batch), "modes": modes}, wide=True)


def _select_layers(item: CellArrays) -> list[str]:
    """At most four layers, including the first and the last."""
    last = item.arrays[max(item.arrays)]
    layers = [name.removesuffix("/density") for name in last if name.endswith("/density")]
    return [layers[place] for place in spread(len(layers), MAX_LAYERS)]


def _draw_histograms(axes: Axes, item: CellArrays, layer: str) -> None:
    epochs = [epoch for epoch, arrays in item.arrays.items() if f"{layer}/density" in arrays]
    selected = [epochs[place] for place in spread(len(epochs), SNAPSHOTS)]
    for epoch, shade in zip(selected, np.linspace(0, 0.88, len(selected)), strict=True):
        arrays = item.arrays[epoch]
        colour = matplotlib.colormaps["viridis"](shade)
        axes.stairs(arrays[f"{layer}/density"], arrays[f"{layer}/edges"], color=colour, lw=1.4, label=str(epoch))
    set_log_axis(axes)


def draw_gradient_flow(result: StudyResult) -> Iterator[DrawnFigure]:
    """Mean |gradient| of each weight tensor at the first and the last measurement, geometric mean over seeds, by cell."""
    frame, cells = _select_measurements(result, "grad_flow", "mean_abs", "weight")
    titles = title_cells(result)
    for number, batch, figure, grid in make_figures("grad_flow", cells, 3.4, 2.8, sharey=True):
        for axes, cell in zip(grid, batch, strict=True):
            _draw_first_and_last(axes, frame[frame["cell"] == cell], by_draw=result.by_draw)
            set_title(axes, titles[cell], 32)
        label_rows(grid, "mean |gradient|")
        add_legend(figure)
        yield DrawnFigure(number, figure, "grad_flow", {"modes": list_modes(frame)}, wide=len(batch) > 1)


def _draw_first_and_last(axes: Axes, frame: pd.DataFrame, *, by_draw: bool) -> None:
    layers = list(dict.fromkeys(frame["layer"]))
    epochs = frame["epoch"].min(), frame["epoch"].max()
    for label, epoch, colour, marker in zip(("first measured", "last measured"), epochs, COLOURS, "os", strict=False):
        rows = frame[(frame["epoch"] == epoch) & (frame["value"] > 0)]
        logarithms = mean_over_seeds(rows.assign(value=np.log10(rows["value"])), "value", "layer", by_draw=by_draw)
        mean = 10 ** logarithms.set_index("layer").reindex(layers)
        plot_means(axes, range(len(layers)), mean, colour, marker=marker, ms=4, lw=1.5, label=label)
    if (frame["value"] > 0).any():
        set_log_axis(axes)
    few = len(layers) <= 10
    names = [layer_label(layer) if few else str(i + 1) for i, layer in enumerate(layers)]
    axes.set_xticks(range(len(layers)), names, size=8, rotation=45 if few else 0, ha="right" if few else "center")


def draw_weight_norms(result: StudyResult) -> Iterator[DrawnFigure]:
    """L2 norm of each weight tensor over the epochs, mean over seeds: one panel per cell, one line per layer."""
    frame, cells = _select_measurements(result, "weight_stats", "norm", "weight")
    titles = title_cells(result)
    for number, batch, figure, grid in make_figures("weight_norms", cells, 3.4, 2.8, sharey=True):
        rows = frame[frame["cell"].isin(batch)]
        lists = [list(dict.fromkeys(rows.loc[rows["cell"] == cell, "layer"])) for cell in batch]
        deepest_first = list(dict.fromkeys(layer for layers in sorted(lists, key=len, reverse=True) for layer in layers))
        layers = [deepest_first[place] for place in spread(len(deepest_first), MAX_LINES)]
        shades = dict(zip(layers, matplotlib.colormaps["viridis"](np.linspace(0, 0.88, len(layers))), strict=True))
        for axes, cell in zip(grid, batch, strict=True):
            _draw_layers_over_epochs(axes, rows[rows["cell"] == cell], shades, by_draw=result.by_draw)
            set_title(axes, titles[cell], 32)
            axes.set_xlabel("epoch")
        label_rows(grid, "L2 norm of the weights")
        if spans_decades(rows.loc[rows["layer"].isin(layers), "value"]):
            for axes in grid:
                set_log_axis(axes)
        add_legend(figure)
        yield DrawnFigure(number, figure, "weight_norms", wide=len(batch) > 1)


def _draw_layers_over_epochs(axes: Axes, frame: pd.DataFrame, shades: dict[str, np.ndarray], *, by_draw: bool) -> None:
    for layer, colour in shades.items():
        mean = mean_over_seeds(frame[frame["layer"] == layer], "value", by_draw=by_draw)
        if len(mean):
            plot_means(axes, mean["epoch"], mean, colour, marker="o", ms=3, lw=1.5, label=layer_label(layer))


def layer_label(path: str) -> str:
    """`blocks.0.act` → `block 1`; `blocks.0.linear.weight` → `block 1 linear`."""
    label = re.sub(r"^blocks\.(\d+)", lambda found: f"block {int(found[1]) + 1}", path)
    return re.sub(r"(\.act|\.weight)$", "", label).replace(".", " ")


def spread(length: int, count: int) -> list[int]:
    """At most `count` indices below `length`, evenly spaced, including the first and the last."""
    return [round(i * (length - 1) / max(count - 1, 1)) for i in range(count)] if length > count else list(range(length))

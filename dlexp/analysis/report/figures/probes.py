"""What the probes saw, by layer: heat maps over the epochs, activation histograms, gradients early and late, weight norms."""

import re
from collections.abc import Iterator

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import band, name_of, named, records, varying_keys
from dlexp.analysis.report.figures.arrays import Kept, kept, seeds
from dlexp.analysis.report.figures.heat import MAP
from dlexp.analysis.report.figures.learning import spans_decades
from dlexp.analysis.report.figures.panels import batched, grid_width, numbered, panels
from dlexp.analysis.report.figures.style import COLOURS, Drawn, legend, log_axis, wrapped

SHARES = {
    "dead": ("dead_units", "units that no example activates (%)"),
    "nonpositive": ("dead_units", "activations of zero or less (%)"),
    "saturation": ("activation_stats", "saturated activations (%)"),
}
MAX_LAYERS = 4
MAX_LINES = 6
SNAPSHOTS = 5


def layer_heat_maps(result: StudyResult) -> Iterator[Drawn]:
    """Shares of dead and of saturated units: layer by epoch, a panel a cell; cells where there are none are only named."""
    keys = varying_keys(result)
    for name, (probe, label) in SHARES.items():
        rows = result.probes[(result.probes["probe"] == probe) & (result.probes["name"] == name)]
        if rows.empty:
            continue
        frame = named(rows, keys)
        names = [cell for cell in _cells(result) if (frame["cell"] == cell).any()]
        without = [cell for cell in names if frame.loc[frame["cell"] == cell, "value"].fillna(0).eq(0).all()]
        for i, some in enumerate(batched([cell for cell in names if cell not in without])):
            most = max(frame.loc[frame["cell"] == cell, "layer"].nunique() for cell in some)
            figure, grid = panels(len(some), 3.4, min(3.2, 1.2 + 0.3 * most))
            for axes, cell in zip(grid, some, strict=True):
                image = _layers_by_epochs(axes, frame[frame["cell"] == cell])
                axes.set_title(wrapped(cell, 32), loc="left", size=9)
            figure.colorbar(image, ax=list(grid), label=wrapped(label, 26), shrink=0.9)
            key = "layer_shares_zero" if without else "layer_shares"
            facts = {"what": name, "zero": "; ".join(without)}
            yield Drawn(numbered(f"{probe}_{name}", i), figure, key, facts, wide=len(some) > 1)


def _layers_by_epochs(axes: Axes, frame: pd.DataFrame) -> matplotlib.image.AxesImage:
    table = frame.pivot_table(index="layer", columns="epoch", values="value", aggfunc="mean", sort=False)
    table = table.reindex(index=list(dict.fromkeys(frame["layer"])), columns=sorted(table.columns)) * 100
    image = axes.imshow(np.ma.masked_invalid(table.to_numpy(dtype=float)), cmap=MAP, vmin=0, vmax=100, aspect="auto")
    axes.set_facecolor("#EEEEEE")
    axes.grid(visible=False)
    axes.set_yticks(range(len(table)), [layer_label(layer) for layer in table.index], size=8)
    places = spread(len(table.columns), 6)
    axes.set_xticks(places, [str(int(table.columns[place])) for place in places])
    axes.set_xlabel("epoch")
    return image


def activation_histograms(result: StudyResult) -> Iterator[Drawn]:
    """A row a cell, a column a layer, a line a moment of training; on a logarithmic scale, for ReLU piles up at zero."""
    for i, some in enumerate(batched(kept(result, "activation_stats"), 3)):
        layers = {item.cell: _some_layers(item) for item in some}
        across = max(map(len, layers.values()))
        if not across:
            continue
        figure = Figure((max(6.2, 2.6 * across), 2.2 * len(some) + 0.8), layout="constrained")
        grid = figure.subplots(len(some), across, squeeze=False)
        for row, item in zip(grid, some, strict=True):
            for axes, layer in zip(row, layers[item.cell], strict=False):
                _snapshots(axes, item, layer)
                axes.set_title(wrapped(f"{item.cell}: {layer_label(layer)}", 13 * 6 // across), loc="left", size=9)
            for axes in row[len(layers[item.cell]) :]:
                axes.remove()
            row[0].set_ylabel("density")
        for axes in grid[-1]:
            axes.set_xlabel("activation")
        legend(figure, "epoch")
        yield Drawn(numbered("activation_histograms", i), figure, "activation_histograms", {"seed": seeds(some)}, wide=True)


def _some_layers(item: Kept) -> list[str]:
    """At most four layers, first and last among them."""
    last = item.arrays[max(item.arrays)]
    layers = [name.removesuffix("/density") for name in last if name.endswith("/density")]
    return [layers[place] for place in spread(len(layers), MAX_LAYERS)]


def _snapshots(axes: Axes, item: Kept, layer: str) -> None:
    epochs = [epoch for epoch, arrays in item.arrays.items() if f"{layer}/density" in arrays]
    chosen = [epochs[place] for place in spread(len(epochs), SNAPSHOTS)]
    for epoch, shade in zip(chosen, np.linspace(0, 0.88, len(chosen)), strict=True):
        arrays = item.arrays[epoch]
        colour = matplotlib.colormaps["viridis"](shade)
        axes.stairs(arrays[f"{layer}/density"], arrays[f"{layer}/edges"], color=colour, lw=1.4, label=str(epoch))
    log_axis(axes)


def gradient_flow(result: StudyResult) -> Iterator[Drawn]:
    """Mean |gradient| of each weight tensor, its geometric mean over seeds: a panel a cell, first and last measurement."""
    frame, names = _of_weights(result, "grad_flow", "mean_abs")
    for i, some in enumerate(batched(names)):
        figure, grid = panels(len(some), 3.4, 2.8, sharey=True)
        for j, (axes, cell) in enumerate(zip(grid, some, strict=True)):
            _early_and_late(axes, frame[frame["cell"] == cell])
            axes.set_title(wrapped(cell, 32), loc="left", size=9)
            if j % grid_width(len(some)) == 0:
                axes.set_ylabel("mean |gradient|")
        legend(figure)
        yield Drawn(numbered("grad_flow", i), figure, "grad_flow", wide=len(some) > 1)


def _of_weights(result: StudyResult, probe: str, name: str) -> tuple[pd.DataFrame, list[str]]:
    """What a probe measured of each weight tensor, and the cells in which it did, in their order."""
    rows = result.probes[(result.probes["probe"] == probe) & (result.probes["name"] == name)]
    rows = rows[rows["layer"].str.endswith("weight")] if len(rows) else rows
    frame = named(rows, varying_keys(result))
    return frame, [cell for cell in _cells(result) if (frame["cell"] == cell).any()]


def _early_and_late(axes: Axes, frame: pd.DataFrame) -> None:
    layers = list(dict.fromkeys(frame["layer"]))
    epochs = frame["epoch"].min(), frame["epoch"].max()
    for label, epoch, colour, marker in zip(("first measured", "last measured"), epochs, COLOURS, "os", strict=False):
        rows = frame[(frame["epoch"] == epoch) & (frame["value"] > 0)]
        mean = 10 ** band(rows.assign(value=np.log10(rows["value"])), "value", ["layer"]).set_index("layer").reindex(layers)
        axes.plot(range(len(layers)), mean["mean"], color=colour, marker=marker, ms=4, lw=1.5, label=label)
        axes.fill_between(range(len(layers)), mean["low"], mean["high"], color=colour, alpha=0.18, linewidth=0)
    if (frame["value"] > 0).any():
        log_axis(axes)
    few = len(layers) <= 10
    axes.set_xticks(range(len(layers)), [layer_label(layer) if few else str(i + 1) for i, layer in enumerate(layers)])
    axes.tick_params(axis="x", labelsize=8, labelrotation=45 if few else 0)
    for text in axes.get_xticklabels():
        text.set_horizontalalignment("right" if few else "center")


def weight_norms(result: StudyResult) -> Iterator[Drawn]:
    """L2 norm of each weight tensor over the epochs, its mean over seeds: a panel a cell, a line a layer, input to output."""
    frame, names = _of_weights(result, "weight_stats", "norm")
    for i, some in enumerate(batched(names)):
        figure, grid = panels(len(some), 3.4, 2.8, sharey=True)
        mine = frame[frame["cell"].isin(some)]
        lists = [list(dict.fromkeys(mine.loc[mine["cell"] == cell, "layer"])) for cell in some]
        deepest_first = list(dict.fromkeys(layer for layers in sorted(lists, key=len, reverse=True) for layer in layers))
        layers = [deepest_first[place] for place in spread(len(deepest_first), MAX_LINES)]
        shades = dict(zip(layers, matplotlib.colormaps["viridis"](np.linspace(0, 0.88, len(layers))), strict=True))
        for j, (axes, cell) in enumerate(zip(grid, some, strict=True)):
            _layers_over_epochs(axes, mine[mine["cell"] == cell], shades)
            axes.set_title(wrapped(cell, 32), loc="left", size=9)
            axes.set_xlabel("epoch")
            if j % grid_width(len(some)) == 0:
                axes.set_ylabel("L2 norm of the weights")
        if spans_decades(mine.loc[mine["layer"].isin(layers), "value"]):
            for axes in grid:
                log_axis(axes)
        legend(figure)
        yield Drawn(numbered("weight_norms", i), figure, "weight_norms", wide=len(some) > 1)


def _layers_over_epochs(axes: Axes, frame: pd.DataFrame, shades: dict[str, np.ndarray]) -> None:
    for layer, colour in shades.items():
        mean = band(frame[frame["layer"] == layer], "value")
        if len(mean):
            axes.plot(mean["epoch"], mean["mean"], color=colour, marker="o", ms=3, lw=1.5, label=layer_label(layer))
            axes.fill_between(mean["epoch"], mean["low"], mean["high"], color=colour, alpha=0.18, linewidth=0)


def layer_label(path: str) -> str:
    """`blocks.0.act` → `block 1`; `blocks.0.linear.weight` → `block 1 linear`."""
    named_block = re.sub(r"^blocks\.(\d+)", lambda found: f"block {int(found[1]) + 1}", path)
    return re.sub(r"(\.act|\.weight)$", "", named_block).replace(".", " ")


def spread(length: int, count: int) -> list[int]:
    """At most `count` places among so many, at equal distances, first and last among them."""
    return [round(i * (length - 1) / max(count - 1, 1)) for i in range(count)] if length > count else list(range(length))


def _cells(result: StudyResult) -> list[str]:
    return [name_of(row, varying_keys(result)) for row in records(result.cells)]

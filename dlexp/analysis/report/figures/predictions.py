"""What single runs answered: decision boundaries, confusion matrices, and the images they were most wrong about."""

from collections.abc import Iterator

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.figures.arrays import Arrays, best_and_worst, kept, seeds
from dlexp.analysis.report.figures.heat import MAP, grid_of_numbers
from dlexp.analysis.report.figures.panels import batched, numbered, panels
from dlexp.analysis.report.figures.style import COLOURS, Drawn, legend, wrapped

ACROSS, DOWN = 6, 3  # images of a gallery
# From the colour of class 0 to that of class 1, pale enough for points on it to be seen.
PLANE = LinearSegmentedColormap.from_list("plane", ["#8FC1E3", "#F7F7F7", "#F3B58C"])


def decision_boundaries(result: StudyResult) -> Iterator[Drawn]:
    """The probability of class 1 over the plane at the end of training, a panel a cell."""
    found = kept(result, "decision_boundary")
    for i, some in enumerate(batched(found)):
        figure, grid = panels(len(some), 3.4, 2.8)
        for axes, item in zip(grid, some, strict=True):
            image = _plane(axes, item.arrays[max(item.arrays)])
            axes.set_title(wrapped(item.cell, 36), loc="left", size=9)
        figure.colorbar(image, ax=list(grid), label="probability of class 1", shrink=0.9, ticks=[0, 0.25, 0.5, 0.75, 1])
        legend(figure, markerscale=2)
        name = numbered("decision_boundary", i)
        yield Drawn(name, figure, "decision_boundary", {"seed": seeds(some)}, wide=len(some) > 1)


def _plane(axes: Axes, arrays: Arrays) -> matplotlib.contour.QuadContourSet:
    probability = np.nan_to_num(arrays["probability"].astype(float), nan=0.5)
    image = axes.contourf(arrays["x"], arrays["y"], probability, levels=np.linspace(0, 1, 51), cmap=PLANE)
    axes.contour(arrays["x"], arrays["y"], probability, levels=[0.5], colors="black", linewidths=1.2)
    for label, colour, marker in ((0, COLOURS[0], "o"), (1, COLOURS[1], "^")):
        points = arrays["points"][arrays["targets"] == label]
        axes.plot(*points.T, marker, color=colour, mec="white", mew=0.4, ms=3.5, label=f"class {label}")
    axes.set_xlabel("feature 1")
    axes.set_ylabel("feature 2")
    axes.grid(visible=False)
    return image


def confusions(result: StudyResult) -> Iterator[Drawn]:
    """Rows of true, columns of predicted classes, in per cent of the row; of all cells, or of the best and the worst."""
    found = [item for item in kept(result, "predictions") if "confusion" in item.arrays[0]]
    some = best_and_worst(result, found)
    if not some:
        return
    classes = [str(name) for name in some[0].arrays[0]["classes"]]
    side = min(5.2, max(2.6, 1.3 + 0.36 * len(classes)))
    figure = Figure((max(5.6, 2 * side) if len(some) > 1 else 5.6, side * -(-len(some) // 2) + 0.4), layout="constrained")
    grid = figure.subplots(-(-len(some) // 2), min(2, len(some)), squeeze=False).ravel()
    for axes, item in zip(grid, some, strict=False):
        counts = item.arrays[0]["confusion"].astype(float)
        shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
        names = [str(name) for name in item.arrays[0]["classes"]]
        if len(names) <= 12:
            grid_of_numbers(axes, shares, limits=(0, 100), digits=0, size=7)
        else:
            axes.imshow(shares, cmap=MAP, vmin=0, vmax=100)
            axes.grid(visible=False)
        if len(names) <= 20:
            axes.set_xticks(
                range(len(names)),
                names,
                size=8,
                rotation=45 if max(map(len, names)) > 2 else 0,
                ha="right" if max(map(len, names)) > 2 else "center",
            )
            axes.set_yticks(range(len(names)), names, size=8)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        axes.set_title(wrapped(item.cell, int(side * 11)), loc="left", size=9)
    for axes in grid[len(some) :]:
        axes.remove()
    key = "confusion" if len(some) == len(found) else "confusion_some"
    yield Drawn("confusion", figure, key, {"seed": seeds(some)}, wide=len(some) > 1)


def galleries(result: StudyResult) -> Iterator[Drawn]:
    """The test images to whose true class a run gave the least probability; of all cells, or of the best and the worst."""
    found = [item for item in kept(result, "predictions") if len(item.arrays[0].get("worst_images", ()))]
    for i, item in enumerate(best_and_worst(result, found)):
        facts = {"group": item.cell, "seed": item.seed}
        yield Drawn(f"worst_errors_{i + 1}", _gallery(item.arrays[0]), "gallery", facts, wide=True, raster=True)


def _gallery(arrays: Arrays) -> Figure:
    """The images in rows of six; above each its class, what it was taken for, and how surely."""
    images = arrays["worst_images"][: ACROSS * DOWN]
    down = -(-len(images) // ACROSS)
    figure = Figure((7.4, 1.5 * down + 0.1), layout="constrained")
    axes = figure.subplots()
    brightest = images.max()  # of digits it is 16
    for place, (image, index) in enumerate(zip(images, arrays["worst"], strict=False)):
        x, y = 1.25 * (place % ACROSS), -1.4 * (place // ACROSS)
        pixels = image.transpose(1, 2, 0)
        height, width = (side / max(pixels.shape[:2]) for side in pixels.shape[:2])
        shown = pixels[:, :, 0] if len(image) != 3 else pixels
        axes.imshow(shown, cmap="gray", vmin=0, vmax=brightest, extent=(x, x + width, y, y + height))
        true, predicted = (str(arrays["classes"][arrays[name][index]])[:16] for name in ("target", "predicted"))
        sure = float(arrays["p_predicted"][index])
        surely = f" ({100 * sure:.0f} %)" if np.isfinite(sure) else ""
        axes.text(x, y + height + 0.05, f"{true}\n→ {predicted}{surely}", size=8, va="bottom")
    axes.set_xlim(-0.05, 1.25 * ACROSS - 0.2)
    axes.set_ylim(-1.4 * (down - 1) - 0.05, 1.36)
    axes.axis("off")
    return figure

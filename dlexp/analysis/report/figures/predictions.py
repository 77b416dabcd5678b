"""Draw the predictions of single runs: decision boundaries, confusion matrices, and the images with the worst errors."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.figures.arrays import PREDICTIONS, Arrays, CellArrays, best_and_worst, list_seeds, load_cell_arrays
from dlexp.analysis.report.figures.diverged import list_diverged
from dlexp.analysis.report.figures.heat import COLOUR_MAP, draw_number_grid
from dlexp.analysis.report.figures.names import fit_classes, fit_names, measure, name_classes
from dlexp.analysis.report.figures.panels import make_figures, make_grid
from dlexp.analysis.report.figures.style import COLOURS, INK, DrawnFigure, add_legend, set_title

GALLERY_COLUMNS, GALLERY_ROWS = 6, 3
LABEL = 1.12  # inches of a line above an image of a gallery
MAX_NUMBERED = 12  # classes up to which a matrix has its numbers written in it; with more it has a colour scale
MAX_POINTS = 1000  # of each class on a plane
# From the colour of class 0 to that of class 1, pale enough for points on it to be seen.
PROBABILITY_MAP = LinearSegmentedColormap.from_list("plane", ["#8FC1E3", "#F7F7F7", "#F3B58C"])


def draw_decision_boundaries(result: StudyResult) -> Iterator[DrawnFigure]:
    """The probability of class 1 over the plane at the end of training, one panel per cell."""
    name = "decision_boundary"
    found = load_cell_arrays(result, name)
    for number, batch, figure, grid in make_figures(name, found, 3.4, 2.8):
        for axes, item in zip(grid, batch, strict=True):
            image = _draw_plane(axes, item.arrays[max(item.arrays)])
            set_title(axes, item.title, 36)
        figure.colorbar(image, ax=list(grid), label="probability of class 1", shrink=0.9, ticks=[0, 0.25, 0.5, 0.75, 1])
        add_legend(figure, markerscale=2)
        values = {"seed": list_seeds(batch), "lost": list_diverged(result, [item.cell for item in found])}
        yield DrawnFigure(number, figure, name, values, wide=len(batch) > 1)


def _draw_plane(axes: Axes, arrays: Arrays) -> matplotlib.contour.QuadContourSet:
    probability = np.nan_to_num(arrays["probability"].astype(float), nan=0.5)
    image = axes.contourf(arrays["x"], arrays["y"], probability, levels=np.linspace(0, 1, 51), cmap=PROBABILITY_MAP)
    axes.contour(arrays["x"], arrays["y"], probability, levels=[0.5], colors="black", linewidths=1.2)
    for label, colour, marker in ((0, COLOURS[0], "o"), (1, COLOURS[1], "^")):
        points = arrays["points"][arrays["targets"] == label]
        points = points[:: -(-len(points) // MAX_POINTS) or 1]
        axes.plot(*points.T, marker, color=colour, mec="white", mew=0.4, ms=3.5, label=f"class {label}")
    axes.set(xlabel="feature 1", ylabel="feature 2")
    axes.grid(visible=False)
    return image


def select_confusions(result: StudyResult) -> tuple[list[CellArrays], list[CellArrays]]:
    """The cells that have a confusion matrix, and those of them that are drawn."""
    found = [item for item in load_cell_arrays(result, PREDICTIONS) if "confusion" in item.arrays[0]]
    return found, best_and_worst(result, found)


def select_galleries(result: StudyResult) -> list[CellArrays]:
    """The cells whose worst errors are drawn as images."""
    found = [item for item in load_cell_arrays(result, PREDICTIONS) if len(item.arrays[0].get("worst_images", ()))]
    return best_and_worst(result, found)


def draw_confusions(result: StudyResult) -> Iterator[DrawnFigure]:
    """Rows of true, columns of predicted classes, in per cent of the row; of all cells, or of the best and the worst."""
    found, selected = select_confusions(result)
    if not selected:
        return
    names, space = fit_classes(selected[0].arrays[0]["classes"])
    side = min(5.2, max(2.6, 1.3 + 0.36 * len(names))) + space
    down, across = -(-len(selected) // 2), min(2, len(selected))
    figure, grid = make_grid((max(5.6, 2 * side) if across > 1 else 5.6, side * down + 0.4), len(selected), across)
    for axes, item in zip(grid, selected, strict=True):
        _draw_confusion(axes, item.arrays[0])
        set_title(axes, item.title, int((side - space) * 11))
    if len(names) > MAX_NUMBERED:
        figure.colorbar(grid[0].images[0], ax=list(grid), label="per cent of the true class", shrink=0.7)
    caption = "confusion" if len(selected) == len(found) else "confusion_some"
    values = {"seed": list_seeds(selected), "lost": list_diverged(result, [item.cell for item in found])}
    yield DrawnFigure("confusion", figure, caption, values, wide=across > 1)


def _draw_confusion(axes: Axes, arrays: Arrays) -> None:
    counts = arrays["confusion"].astype(float)
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names, _ = fit_classes(arrays["classes"])
    if len(names) <= MAX_NUMBERED:
        draw_number_grid(axes, shares, limits=(0, 100), digits=0, size=7)
    else:
        axes.imshow(shares, cmap=COLOUR_MAP, vmin=0, vmax=100)
        axes.grid(visible=False)
    name_classes(axes, names)


def draw_galleries(result: StudyResult) -> Iterator[DrawnFigure]:
    """The test images to whose true class a run gave the least probability; of all cells, or of the best and the worst."""
    for i, item in enumerate(select_galleries(result)):
        values = {"group": item.title, "seed": item.seed}
        count = GALLERY_COLUMNS * GALLERY_ROWS
        figure = draw_gallery(item.arrays[0]["worst_images"][:count], label_images(item.arrays[0], "worst")[:count])
        yield DrawnFigure(f"worst_errors_{i + 1}", figure, "gallery", values, wide=True, raster=True)


def label_images(arrays: Arrays, name: str) -> list[str]:
    """Of each example listed under `name` its class, the predicted class, and the probability of that prediction."""
    labels = []
    kinds = {kind: [int(arrays[kind][index]) for index in arrays[name]] for kind in ("target", "predicted")}
    needed = sorted({label for listed in kinds.values() for label in listed})
    room = LABEL - measure("→ ")
    names = dict(zip(needed, fit_names([str(arrays["classes"][label]) for label in needed], room), strict=True))
    for index in arrays[name]:
        true, predicted = (names[int(arrays[kind][index])] for kind in ("target", "predicted"))
        probability = float(arrays["p_predicted"][index])
        per_cent = f"({100 * probability:.0f} %)" if np.isfinite(probability) else ""
        apart = " " if measure(f"→ {predicted} {per_cent}") <= LABEL else "\n"
        labels.append(f"{true}\n→ {predicted}{apart}{per_cent}".rstrip())
    return labels


def draw_gallery(images: np.ndarray, labels: Sequence[str], colours: Iterable[str] = repeat(INK)) -> Figure:
    """Images [N, C, H, W] in rows of six, each with its label above it, in the label's colour."""
    down = -(-len(images) // GALLERY_COLUMNS)
    pitch = 1.27 + 0.13 * max(label.count("\n") for label in labels)  # from one row to the next
    figure = Figure((7.4, 1.07 * pitch * down + 0.1), layout="constrained")
    axes = figure.subplots()
    brightest = images.max()  # 16 in Digits
    for place, (image, label, colour) in enumerate(zip(images, labels, colours, strict=False)):
        x, y = 1.25 * (place % GALLERY_COLUMNS), -pitch * (place // GALLERY_COLUMNS)
        pixels = image.transpose(1, 2, 0)
        height, width = (side / max(pixels.shape[:2]) for side in pixels.shape[:2])
        pixels = pixels[:, :, 0] if len(image) != 3 else pixels
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=brightest, extent=(x, x + width, y, y + height))
        axes.text(x, y + height + 0.05, label, size=8, va="bottom", color=colour)
    axes.set(xlim=(-0.05, 1.25 * GALLERY_COLUMNS - 0.2), ylim=(-pitch * (down - 1) - 0.05, pitch - 0.04))
    axes.axis("off")
    return figure

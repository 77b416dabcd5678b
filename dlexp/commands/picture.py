"""Draw a batch: images in a grid, features as points or lines, series as lines. Used by preview.py."""

import io
from collections.abc import Sequence

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from dlexp.analysis.report.figures.names import fit_names
from dlexp.analysis.report.figures.style import INK, drawing
from dlexp.commands.followed import EPOCHS, Followed

COLUMNS, MAX_PANELS = 8, 40  # of a grid
MAX_CLASSES = 20  # named in the text and in a legend, and coloured differently
TITLE = 1.05  # inches above a panel
MAX_LINES = 1000  # examples that are drawn as lines or points


def draw_batch(inputs: Tensor, targets: Tensor, classes: Sequence[str]) -> bytes:
    """Draw a batch as a PNG.

    Args:
        inputs: Scaled, float32 on the CPU: images [B, C, H, W], series [B, T, F] or features [B, F].
        targets: Labels [B], soft targets [B, K] or numbers [B, 1].
        classes: Name of each class; empty for a regression.
    """
    with drawing():
        if inputs.dim() == 2:
            figure = _draw_features(inputs, targets, classes)
        else:
            draw = _draw_images if inputs.dim() == 4 else _draw_series
            figure = draw(inputs[:MAX_PANELS], name_targets(targets[:MAX_PANELS], classes))
        limit = MAX_LINES if inputs.dim() == 2 else MAX_PANELS
        shown = "" if len(inputs) <= limit else f"the first {limit} of "
        figure.suptitle(f"{shown}{len(inputs)} examples", fontsize=10)
        return _save(figure)


def draw_followed(followed: Followed, classes: Sequence[str]) -> bytes:
    """Draw images as they are in the first row, and below what becomes of them in each epoch, as a PNG."""
    count = len(followed.originals)
    images = torch.cat([followed.originals, *(inputs for inputs, _ in followed.epochs)])
    titles = name_targets(followed.labels, classes)
    for _, targets in followed.epochs:
        is_mixed = classes and targets.dim() > 1
        titles += name_targets(targets, classes) if is_mixed else [""] * count
    with drawing():
        figure = _draw_images(images, titles, columns=count)
        rows = ["original", *(f"epoch {epoch}" for epoch in EPOCHS)]
        for axes, name in zip(figure.axes[:: max(count, 1)], rows, strict=False):
            axes.set_ylabel(name, fontsize=9)
        figure.suptitle(f"{count} examples, and what becomes of them", fontsize=10)
        return _save(figure)


def _save(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def name_targets(targets: Tensor, classes: Sequence[str]) -> list[str]:
    """Targets in words: their classes, the shares of the two largest classes of soft ones, or their numbers."""
    if not classes:
        return [" ".join(f"{number:.3g}" for number in target.flatten().tolist()[:2]) for target in targets]
    if targets.dim() == 1:
        labels = sorted(set(targets.tolist()))
        names = dict(zip(labels, fit_names([classes[label] for label in labels], TITLE), strict=True))
        return [names[label] for label in targets.tolist()]
    pairs = [list(zip(*(found.tolist() for found in target.topk(min(2, len(classes)))), strict=True)) for target in targets]
    pairs = [[(share, label) for share, label in found if share > 0.005] for found in pairs]
    labels = sorted({label for found in pairs for _, label in found})
    names = dict(zip(labels, fit_names([classes[label] for label in labels], TITLE - 0.3), strict=True))
    return [
        "\n".join(f"{names[label]} {share:.2f}" if found[1:] else names[label] for share, label in found) for found in pairs
    ]


def describe_targets(targets: Tensor, classes: Sequence[str]) -> str:
    """The count of each class in the batch, or the range of the numbers."""
    if not classes:
        return f"min {targets.min():.4g}  max {targets.max():.4g}  mean {targets.mean():.4g}"
    soft = targets.dim() > 1
    counts = targets.sum(0).tolist() if soft else torch.bincount(targets, minlength=len(classes)).tolist()
    order = sorted(range(len(classes)), key=lambda label: (-counts[label], label)) if len(classes) > MAX_CLASSES else None
    shown = (order or list(range(len(classes))))[:MAX_CLASSES]
    names = [str(label) if classes[label] == str(label) else f"{label} {classes[label]}" for label in shown]
    text = ", ".join(f"{name}: {counts[label]:{'.1f' if soft else 'd'}}" for name, label in zip(names, shown, strict=True))
    return f"{text}, and {len(classes) - len(shown)} classes more" if order else text


def _panels(titles: Sequence[str], height: float, columns: int = COLUMNS) -> tuple[Figure, list[Axes]]:
    """A figure with one small panel for each title."""
    columns = min(columns, len(titles))
    rows = -(-len(titles) // columns)
    figure = Figure(figsize=(max(1.15 * columns, 4), height * rows + 0.8), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel().tolist()
    for axes in grid[len(titles) :]:
        axes.set_axis_off()
    for axes, title in zip(grid, titles, strict=False):
        axes.set_title(title, fontsize=8)
    return figure, grid


def _draw_images(images: Tensor, titles: Sequence[str], columns: int = COLUMNS) -> Figure:
    """One panel for each image. The same grey, and the same share of red, green and blue, is the same value everywhere."""
    figure, panels = _panels(titles, 1.35, columns)
    low, high = float(images.min()), float(images.max())
    is_colour = images.shape[1] == 3
    unit = (images - low) / max(high - low, 1e-12)
    for axes, image in zip(panels, unit if is_colour else images, strict=False):
        shown = axes.imshow((image.permute(1, 2, 0) if is_colour else image[0]).numpy(), cmap="gray", vmin=low, vmax=high)
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
    if is_colour:
        figure.supxlabel(f"each colour: black {low:.3g}, full {high:.3g}", fontsize=8)
    else:
        figure.colorbar(shown, ax=figure.axes, shrink=0.6, aspect=30)
        if images.shape[1] > 1:
            figure.supxlabel(f"the first of {images.shape[1]} channels", fontsize=8)
    return figure


def _draw_series(series: Tensor, titles: Sequence[str]) -> Figure:
    """One panel for each series, with a line for each of its features."""
    figure, panels = _panels(titles, height=1.1)
    for axes, example in zip(panels, series, strict=False):
        axes.plot(example.numpy(), linewidth=1)
        axes.tick_params(labelsize=7)
    figure.supxlabel("time step; the title is the target", fontsize=8)
    return figure


def _draw_features(features: Tensor, targets: Tensor, classes: Sequence[str]) -> Figure:
    """Points for one or two features, else a line over the features for each example; coloured by class or target."""
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    count = features.shape[1]
    if count == 1 and not classes:
        axes.plot(features[:, 0].numpy(), targets[:, 0].numpy(), "o", color=INK)
        axes.set(xlabel="feature 1", ylabel="target")
        return figure
    features, targets = features[:MAX_LINES], targets[:MAX_LINES]
    values = (targets.argmax(1) if targets.dim() > 1 else targets) if classes else targets[:, 0]
    few = 0 < len(classes) <= MAX_CLASSES  # else classes are shades of one scale, as numbers are
    palette = matplotlib.colormaps["viridis" if not few else "tab20" if len(classes) > 10 else "tab10"]
    low, high = (0.0, float(len(classes) - 1)) if classes else (float(values.min()), float(values.max()))
    shares = values.tolist() if few else ((values - low) / max(high - low, 1e-12)).tolist()
    colours = [palette(share) for share in shares]
    if count <= 2:
        axes.scatter(features[:, 0].numpy(), (features[:, 1] if count == 2 else values).numpy(), c=colours, s=18)
        axes.set(xlabel="feature 1", ylabel="feature 2" if count == 2 else "class")
    else:
        for example, colour in zip(features, colours, strict=True):
            axes.plot(range(1, count + 1), example.numpy(), color=colour, linewidth=0.7, alpha=0.6)
        axes.set(xlabel="feature", ylabel="value")
    if few:
        present = [label for label in range(len(classes)) if (values == label).any()]
        for label, name in zip(present, fit_names([classes[label] for label in present], 1.6, size=10), strict=True):
            axes.plot([], [], "o", color=palette(label), label=name)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        scale = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(low, high), palette)
        figure.colorbar(scale, ax=axes, label="number of the class" if classes else "target")
    return figure

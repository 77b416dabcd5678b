"""Learning rates compared, where a study varies them."""

from collections.abc import Iterator

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import named, varying_keys
from dlexp.analysis.report.figures.learning import PANEL, by_panels, has_curves, held_out, lines, measured
from dlexp.analysis.report.figures.panels import panels
from dlexp.analysis.report.figures.style import Drawn, legend, log_axis, within_rates
from dlexp.analysis.report.labels import metric_label

LR = "optimizer.lr"
LAST = 20  # epochs that are looked at closely


def lr_comparison(result: StudyResult) -> Iterator[Drawn]:
    """Smoothed loss, score, learning rate and gradient norm for each setting of the rest; then the last twenty epochs."""
    if LR not in varying_keys(result) or not has_curves(result):
        return
    others = [key for key in varying_keys(result) if key != LR]
    split = held_out(result)
    frame = named(result.curves, others, PANEL) if others else result.curves.assign(**{PANEL: ""})
    score = measured(result, split or "train")[-1]
    for i, group in enumerate(frame[PANEL].drop_duplicates()):
        rows = frame[frame[PANEL] == group]
        figure, grid = panels(4, 3.7, 2.7)
        for axes, metric in zip(grid, ("train/loss", score, "lr", "train/grad_norm"), strict=True):
            smoothed = metric == "train/loss"
            lines(axes, result, rows, metric, LR, window=5 if smoothed else 1)
            label = "learning rate" if metric == "lr" else metric_label(metric)
            axes.set_ylabel(f"{label}, 5-epoch mean" if smoothed else label)
            within_rates([axes], metric)
            if metric != score and (rows[metric].dropna() > 0).all():
                log_axis(axes)
        legend(figure, f"{group}: learning rate" if others else "learning rate")
        key = "lr_comparison" if others else "lr_comparison_all"
        yield Drawn(
            f"lr_{i + 1:02d}", figure, key, {"group": group, "metrics": ["train/loss", score, "train/grad_norm"]}, wide=True
        )
    if split and result.curves["epoch"].max() > LAST:
        last = result.curves["epoch"].max() - LAST
        yield from by_panels(result, f"{split}/loss", LR, "last_epochs", "last_epochs", after=last, same_scale=False)

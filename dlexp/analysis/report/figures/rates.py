"""Draw the comparison of learning rates, where a study varies them."""

from collections.abc import Iterator

from dlexp.analysis.judge.curves import SMOOTHING_WINDOW, evaluated_split
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import add_cell_names, varying_keys
from dlexp.analysis.report.figures.learning import PANEL, draw_by_panels, draw_lines, has_curves, list_metrics
from dlexp.analysis.report.figures.panels import make_panels
from dlexp.analysis.report.figures.style import DrawnFigure, add_legend, limit_to_rates, set_log_axis
from dlexp.analysis.report.labels import metric_label

LR = "optimizer.lr"
LAST_EPOCHS = 20  # that are drawn again on their own scale


def draw_lr_comparison(result: StudyResult) -> Iterator[DrawnFigure]:
    """Smoothed loss, score, learning rate and gradient norm for each setting of the other keys; then the last twenty epochs."""
    if LR not in varying_keys(result) or not has_curves(result):
        return
    others = [key for key in varying_keys(result) if key != LR]
    split = evaluated_split(result.curves)
    frame = add_cell_names(result.curves, others, PANEL)
    score = list_metrics(result, split or "train")[-1]
    for i, group in enumerate(frame[PANEL].drop_duplicates()):
        rows = frame[frame[PANEL] == group]
        figure, grid = make_panels(4, 3.7, 2.7)
        for axes, metric in zip(grid, ("train/loss", score, "lr", "train/grad_norm"), strict=True):
            smoothed = metric == "train/loss"
            draw_lines(axes, result, rows, metric, LR, window=SMOOTHING_WINDOW if smoothed else 1)
            label = "learning rate" if metric == "lr" else metric_label(metric)
            axes.set_ylabel(f"{label}, {SMOOTHING_WINDOW}-epoch mean" if smoothed else label)
            limit_to_rates([axes], metric)
            if metric != score and (rows[metric].dropna() > 0).all():
                set_log_axis(axes)
        add_legend(figure, f"{group}: learning rate" if others else "learning rate")
        caption = "lr_comparison" if others else "lr_comparison_all"
        values = {"group": group, "metrics": ["train/loss", score, "train/grad_norm"]}
        yield DrawnFigure(f"lr_{i + 1:02d}", figure, caption, values, wide=True)
    if split and result.curves["epoch"].max() > LAST_EPOCHS:
        after = result.curves["epoch"].max() - LAST_EPOCHS
        yield from draw_by_panels(result, f"{split}/loss", LR, "last_epochs", "last_epochs", after=after, same_scale=False)

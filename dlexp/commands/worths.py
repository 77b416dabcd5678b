"""Print what each switch of a recipe is worth, as the report of the ablation has it."""

from pathlib import Path


def show_worths(folder: Path) -> None:
    """Print the table of an ablation.

    Args:
        folder: The folder of its report.
    """
    from dlexp.analysis import analyse  # loads pandas
    from dlexp.analysis.report.ablation import build_table, explain_marks
    from dlexp.analysis.report.text import Text
    from dlexp.run.display import make_display, results_table

    result = analyse(folder)
    text = Text("en", by_draw=result.by_draw)
    with make_display() as display:
        if table := build_table(result, text):
            rows = [dict(zip(table.head, row, strict=True)) for row in table.rows]
            display.table(results_table(rows, table.head))
        display.say(explain_marks(result, text))

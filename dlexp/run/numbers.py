"""The numbers of an epoch as text, for a line and beside a bar."""

from collections.abc import Mapping
from typing import Any

from dlexp.run.record.scores import is_score, is_share

MAIN = [f"{split}/{name}" for split in ("val", "test", "train") for name in ("acc", "rmse", "loss")]  # the most telling first

NOTHING = "–"  # in the place of a number that there is not


def epoch_line(row: Mapping[str, float], num_epochs: int) -> str:
    """Format a row of metrics.csv as a line."""
    return "  ".join([f"epoch {row['epoch']:>{len(str(num_epochs))}}/{num_epochs}", *_format_numbers(row)])


def split_numbers(row: Mapping[str, float]) -> tuple[str, str]:
    """The most telling number of a row, and the others, for places beside a bar."""
    main = next((name for name in MAIN if format_value(name, row.get(name)) != NOTHING), "")
    others = _format_numbers({name: value for name, value in row.items() if name != main})
    return _shorten(f"{main} {format_value(main, row[main])}") if main else "", _shorten("  ".join(others))


def _format_numbers(row: Mapping[str, float]) -> list[str]:
    numbers = [f"{name} {format_value(name, row[name])}" for name in row if is_score(name)]
    rate = row.get("examples_per_s")
    return numbers + ([f"{rate:,.0f} examples/s"] if rate else [])


def _shorten(text: str) -> str:
    return text.replace("train/", "").replace(" examples/s", "/s")


def format_value(name: str, value: Any) -> str:
    """Format a metric: rates in per cent, other numbers with four digits."""
    if value is None or value == "":
        return NOTHING
    if is_share(name):
        return f"{100 * value:.2f} %"
    return f"{value:.4g}" if isinstance(value, float) else str(value)

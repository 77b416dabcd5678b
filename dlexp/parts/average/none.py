"""No averaging: `average=none`."""

from dlexp.contract import Horizon


def none(horizon: Horizon) -> None:
    """The weights that are validated, tested and saved are those that are trained."""

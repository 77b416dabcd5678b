"""A console of rich for text that may come from files: colours and bars work, and no control character of the text does."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from dlexp.machine.printing import open_coded, replace_controls


class _SafeConsole(Console):
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a text, table or bar. Those with which rich itself steers the terminal are left as they are."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=replace_controls(segment.text))


def make_console(**settings: Any) -> Console:
    """A console on standard output.

    Args:
        settings: As of `rich.console.Console`.
    """
    return _SafeConsole(file=open_coded(), **settings)

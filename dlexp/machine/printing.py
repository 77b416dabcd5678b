"""Print text. All output of dlexp goes through this module.

Names of classes and files, messages of libraries and records from elsewhere may hold escape codes, which change the title of a
terminal or its clipboard, or imitate lines of dlexp. `PrintedStream` replaces them. It also replaces characters that the
encoding of the terminal lacks, and a command continues if its output cannot be written. Loads no torch.
"""

import codecs
import io
import re
import sys
from collections.abc import Callable
from typing import Any

# C0 but tab and line break, DEL, C1, line separators, what turns the direction of writing round, and halves of characters.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# What dlexp itself prints beyond ASCII, for terminals in Latin-1 or ASCII.
_SIGNS = {
    "→": "->",
    "–": "-",
    "—": "-",
    "…": "...",
    "×": "x",
    "·": "-",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "✓": "ok",
    "✗": "FAILED",
}
_ERRORS = "dlexp_signs"

_lost: list[OSError] = []  # why output of this process could not be written


def replace_controls(text: str) -> str:
    """The text with `?` in place of each control character. Tabs and line breaks stay."""
    return _CONTROL.sub("?", text.replace("\r\n", "\n"))


def put_on_one_line(text: str) -> str:
    """The text without control characters; spaces replace its tabs and line breaks."""
    return replace_controls(" ".join(text.split("\n")).replace("\t", " "))


class PrintedStream(io.TextIOBase):
    """Standard output or standard error, as everything in dlexp writes to it.

    - Control characters are replaced.
    - What the encoding lacks is written in ASCII: `->` for an arrow, else the number of the character.
    - If nothing can be written, because the log lies on a full disk or the terminal is gone, standard error says so once, and
      the command goes on. `lost_output` tells it.

    Args:
        stream: The stream itself.
        codes: Whether control characters are written as they are. Only for text that rich has laid out.
    """

    def __init__(self, stream: Any, *, codes: bool = False) -> None:
        self.stream, self.codes = stream, codes

    def write(self, text: str) -> int:
        """Write a text; returns its length."""
        shown = text if self.codes else replace_controls(text)
        shown = shown.encode(self.encoding, _ERRORS).decode(self.encoding)
        self._try(lambda: self.stream.write(shown))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        self._try(self.stream.flush)

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OSError as error:
            _lost.append(error)
            if len(_lost) == 1 and self.stream is not _unwrap(sys.stderr):
                reason = error.strerror or type(error).__name__
                text = f"Standard output cannot be written ({reason}): the command goes on without it."
                print(text, file=_wrap(sys.stderr))

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return getattr(self.stream, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """How the stream treats what its encoding lacks; nothing of the kind reaches it."""
        return getattr(self.stream, "errors", None)

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """The number of the stream's file."""
        return self.stream.fileno()

    def writable(self) -> bool:
        """Always."""
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def guard_streams() -> None:
    """Make everything that this process prints, warnings and errors of libraries too, go through `PrintedStream`."""
    sys.stdout, sys.stderr = _wrap(sys.stdout), _wrap(sys.stderr)


def print_text(text: str, *, error: bool = False, end: str = "\n", codes: bool = False) -> None:
    """Print a text, as `print` does, where the streams may not be guarded, and flush it.

    Args:
        text: The text.
        error: Whether it goes to standard error.
        end: What follows it.
        codes: Whether control characters are written as they are. Never for text from files.
    """
    stream = sys.stderr if error else sys.stdout
    print(text, end=end, file=PrintedStream(_unwrap(stream), codes=True) if codes else _wrap(stream), flush=True)


def open_coded(*, error: bool = False) -> Any:
    """The stream for a console of rich, which writes colours and moves the cursor."""
    return PrintedStream(_unwrap(sys.stderr if error else sys.stdout), codes=True)


def lost_output() -> bool:
    """Whether something that this process printed could not be written."""
    return bool(_lost)


def _wrap(stream: Any) -> Any:
    return stream if isinstance(stream, PrintedStream) else PrintedStream(stream)


def _unwrap(stream: Any) -> Any:
    while isinstance(stream, PrintedStream):
        stream = stream.stream
    return stream


def _write_in_ascii(error: UnicodeError) -> tuple[str, int]:
    """An error handler of codecs."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_SIGNS.get(letter) or letter.encode("ascii", "backslashreplace").decode() for letter in letters), error.end


codecs.register_error(_ERRORS, _write_in_ascii)

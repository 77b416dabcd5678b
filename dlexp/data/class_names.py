"""Names of classes that look the same and are two: é may be written as one character or as an e with an accent."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from dlexp.config.values import join_first
from dlexp.errors import ConfigError

MAX_LISTED = 5


def check_spelling(names: Iterable[object], place: str) -> None:
    """Refuse names that differ only in how Unicode writes the same characters. Systems differ in that: macOS takes them apart.

    Args:
        names: Of the classes; what is no text is passed over.
        place: Where they are, the beginning of the message.

    Raises:
        ConfigError: With the names, and how each is written.
    """
    spellings: dict[str, set[str]] = defaultdict(set)
    for name in names:
        if isinstance(name, str):
            spellings[unicodedata.normalize("NFC", name)].add(name)
    if alike := [sorted(found) for found in spellings.values() if len(found) > 1]:
        shown = join_first((" and ".join(map(ascii, found)) for found in alike), MAX_LISTED)
        raise ConfigError(
            f"{place}: expected each class under one name, got names that look the same and are written with other characters: "
            f"{shown}. Rename them to one of the two."
        )

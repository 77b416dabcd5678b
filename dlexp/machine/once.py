"""Look up once, within one check of many runs, what is the same for each of them: what is on disk at that moment."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Found = TypeVar("Found")

_found: ContextVar[dict[Hashable, Any] | None] = ContextVar("found", default=None)


@contextmanager
def checking_once() -> Iterator[None]:
    """Within this context `look_up_once` keeps what it finds, so that later changes on disk are not noticed."""
    if _found.get() is not None:
        yield
        return
    token = _found.set({})
    try:
        yield
    finally:
        _found.reset(token)


def look_up_once(key: Hashable, look_up: Callable[[], Found]) -> Found:
    """What `look_up` returns, which within `checking_once` is called once for each key. Not to be changed by the caller."""
    found = _found.get()
    if found is None:
        return look_up()
    if key not in found:
        found[key] = look_up()
    return found[key]


def look_up_again(kind: str, key: Hashable, look_up: Callable[[], Found]) -> Found:
    """The same, where only what was found for the latest key of a kind is kept: there are too many keys to keep all."""
    found = _found.get()
    if found is None:
        return look_up()
    if kind not in found or found[kind][0] != key:
        found[kind] = key, look_up()
    return found[kind][1]

"""Try settings in place of a mistaken one, so that only what works is suggested."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import combinations, islice, product

from dlexp.config.check_config import check
from dlexp.config.combination import name_choice
from dlexp.config.compose import compose
from dlexp.config.options import groups, option_keys
from dlexp.config.overrides import parse, sample_cells
from dlexp.errors import ConfigError

MAX_CELLS = 4  # of a sweep that are tried
COMPANIONS = ("model", "loss", "dataset")  # the groups whose options fit only some of each other's


class Trial:
    """The rest of a command, to which other settings are added to see whether they pass.

    Args:
        others: The other overrides of the command. Those that are wrong themselves are left out.
        replaceable: Keys that may be set again: those that a study sets.
        find_mistakes: As `find_mistakes` in lookup.py, without suggestions, of a sweep.
    """

    def __init__(
        self,
        others: Sequence[str],
        replaceable: Collection[str],
        find_mistakes: Callable[[Sequence[str]], Mapping[int, list[str]]],
    ) -> None:
        self._typed = others
        self._replaceable = replaceable
        self._find_mistakes = find_mistakes

    @cached_property
    def _others(self) -> list[str]:
        rest = list(self._typed)
        while wrong := self._find_mistakes(rest):
            rest = [text for position, text in enumerate(rest) if position not in wrong]
        return rest

    @cached_property
    def _problems_before(self) -> set[str]:
        return set(_check(self._others))

    def find_mistakes(self, settings: Sequence[str]) -> list[str]:
        """What `look_up` finds wrong with the settings beside the rest of the command."""
        return [line for lines in self._find_mistakes([*self._beside(settings), *settings]).values() for line in lines]

    def find_problems(self, settings: Sequence[str]) -> list[str]:
        """What is wrong with the settings beside the rest of the command, as far as that is seen without data and model."""
        if mistakes := self.find_mistakes(settings):
            return mistakes
        found = _check([*self._beside(settings), *settings])
        return [problem for problem in found if problem not in self._problems_before]

    def complete(self, settings: Sequence[str]) -> list[str]:
        """The settings with what they need beside them, such as `dataset=moons` with `model=mlp`; empty if they do not pass.

        A key that has to be given and has no default gets the value `...`.
        """
        if self.find_mistakes(settings):
            return []
        completed = (self._with_required([*settings, *more]) for more in self._companions(settings))
        return next((found for found in completed if not self.find_problems(found)), [])

    def _beside(self, settings: Sequence[str]) -> list[str]:
        try:
            keys = {parse(text).key for text in settings}
        except ConfigError:
            keys = set()
        return [text for text in self._others if parse(text).key not in keys.intersection(self._replaceable)]

    def _companions(self, settings: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Settings to try beside these: none, and then, where an option is chosen, options of other groups."""
        yield ()
        chosen = {parse(text).key for text in settings}
        if chosen.isdisjoint(COMPANIONS):
            return
        free = [group for group in COMPANIONS if group not in chosen | {parse(text).key for text in self._others}]
        for count in (1, 2):
            for some in combinations(free, count):
                yield from product(*([f"{group}={option}" for option in _simplest_first(group)] for group in some))

    def _with_required(self, settings: list[str]) -> list[str]:
        given = {parse(text).key for text in [*self._others, *settings]}
        chosen = [(parse(text).key, name_choice(parse(text).values[0])) for text in settings if parse(text).key in groups()]
        required = [
            f"{path}=..."
            for group, option in chosen
            for path, default in option_keys(group, option).items()
            if default == "???" and path not in given
        ]
        return [*settings, *required]


def _simplest_first(group: str) -> list[str]:
    """The options of a group: those of which no key has to be given come first."""
    return sorted(groups()[group], key=lambda option: "???" in option_keys(group, option).values())


def _check(overrides: Sequence[str]) -> list[str]:
    return [problem for cell in islice(sample_cells(overrides), MAX_CELLS) for problem in check(compose(cell))]

import pytest

from dlexp.config.options import default_choices, groups, keys_of, leaves, list_groups, reference, scalars
from dlexp.config.ranges import KINDS, RANGES, either, integer, list_of, map_of, map_with, number, odd, one_of, rule_for

KEYS = [
    *leaves(scalars()),
    *(item for group in default_choices() for option in groups()[group] for item in keys_of(group, option).items()),
    *(item for group, options in list_groups().items() for option in options for item in keys_of(group, option).items()),
]
ODDITIES = [None, True, "1", "", [], [1], {}, {1: 1}, float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), object()]


@pytest.mark.parametrize(("path", "default"), KEYS)
def test_every_number_list_and_null_has_a_range(path: str, default: object) -> None:
    assert isinstance(default, bool | str) or path in RANGES


@pytest.mark.parametrize(("path", "default"), KEYS)
def test_every_default_is_in_its_range(path: str, default: object) -> None:
    assert path.rpartition(".")[2].startswith("_") or reference(default) or rule_for(path, default).holds(default)


def test_every_range_belongs_to_a_key() -> None:
    assert RANGES.keys() <= {path for path, _ in KEYS}


@pytest.mark.parametrize("rule", [*RANGES.values(), *KINDS.values()], ids=lambda rule: rule.expected)
def test_no_rule_raises(rule) -> None:
    assert {rule.holds(value) for value in ODDITIES} <= {True, False}


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (number(above=0), [1, 0.1, 1e300], [0, -1, True, "1", float("inf"), float("nan"), None, 10**400]),
        (number(at_least=0, below=1), [0, 0.999], [1, -1e-9]),
        (number(above=0, at_most=1), [1], [0, 1.0000001]),
        (integer(0, 2), [0, 2], [-1, 3, 1.0, True, "1"]),
        (odd(1, 9), [1, 9], [2, 11, 3.0, True]),
        (one_of("a", "b"), ["a"], ["", "c", None, ["a"]]),
        (list_of(integer(1, 9)), [[1], [9, 9]], [[], [0], [1.5], 1, [[1]], "1", [1] * 1001]),
        (list_of(integer(1, 9), 2, 2), [[1, 1]], [[1], [1, 1, 1]]),
        (map_of(integer(1, 9), integer(1, 9)), [{1: 2}], [{}, {0: 1}, {1: 0}, {"a": 1}, [1]]),
        (
            map_with(a=number(), b=integer(1, 9)),
            [{"a": 0.5, "b": 1}],
            [{}, {"a": 1}, {"a": 1, "b": 0}, {"a": 1, "b": 1, "c": 1}, []],
        ),
        (either(integer(1, 9), one_of("full")), [1, "full"], [0, "all"]),
        (rule_for("grad_clip", None), [None, 0.5], [0, "null"]),
        (rule_for("model.depth", "${depth}"), [0, 3], [-1, 2.5, None]),
        (rule_for("some.path", "text"), ["a b", "한국어"], ["", "a\0b", "a\nb", 1, None, "x" * 5000]),
        (rule_for("some.switch", True), [True, False], [0, 1, "true", None]),
    ],
    ids=lambda value: getattr(value, "expected", ""),
)
def test_a_rule_draws_the_line_where_it_says(rule, good: list, bad: list) -> None:
    assert [value for value in good if not rule.holds(value)] == []
    assert [value for value in bad if rule.holds(value)] == []

import pytest

from dlexp.config.grid import GRID
from dlexp.config.options import groups, list_groups, option_keys, scalars
from dlexp.config.ranges import (
    KINDS,
    either,
    integer,
    list_of,
    map_of,
    map_with,
    number,
    one_of,
    option_ranges,
    parse_rule,
    rule_for,
)
from dlexp.config.values import find_reference, leaves
from dlexp.errors import ConfigError

OPTIONS = [(group, option) for group, options in (groups() | list_groups()).items() for option in options]
RANGES = option_ranges("", "config")
KEYS = [(path, default, RANGES) for path, default in leaves(scalars())]
KEYS += [(*item, option_ranges(*option)) for option in OPTIONS for item in option_keys(*option).items()]
ODDITIES = [None, True, "1", "", [], [1], {}, {1: 1}, float("nan"), float("inf"), -float("inf"), 10**400, -(10**400), object()]


@pytest.mark.parametrize(("path", "default", "ranges"), KEYS)
def test_every_number_list_and_null_has_a_range(path: str, default: object, ranges: dict) -> None:
    assert isinstance(default, bool | str) or path in RANGES.keys() | ranges.keys() | {*GRID}  # which no config of a run sets


@pytest.mark.parametrize(("path", "default", "ranges"), KEYS)
def test_every_default_is_in_its_range(path: str, default: object, ranges: dict) -> None:
    assert path.rpartition(".")[2].startswith("_") or find_reference(default) or rule_for(path, default, ranges).holds(default)


def test_every_range_belongs_to_a_key() -> None:
    assert RANGES.keys() <= {path for path, _, _ in KEYS}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_range_of_an_option_belongs_to_one_of_its_keys_and_not_to_those_of_several_options(option) -> None:
    assert option_ranges(*option).keys() <= option_keys(*option).keys() - RANGES.keys()


@pytest.mark.parametrize("text", {rule.expected: "" for rule in RANGES.values()})
def test_a_rule_is_built_from_the_words_of_its_message(text: str) -> None:
    assert parse_rule(text).expected == text


@pytest.mark.parametrize("text", ["", "a number", "a number over 1", "an integer from 1", "a number above x", "integer", "3"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected words such as|could not convert"):
        parse_rule(text)


def test_a_range_in_other_words_is_refused_with_its_file(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("dlexp.config.options.CONF", tmp_path)
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "made.yaml").write_text("_ranges_: {gamma: positive}\ngamma: 1.0\n")
    with pytest.raises(ConfigError, match=r"conf/loss/made.yaml: _ranges_: expected words such as .*, got 'positive'\."):
        option_ranges.__wrapped__("loss", "made")


RULES = [
    *RANGES.values(),
    *KINDS.values(),
    *(rule for option in OPTIONS for rule in option_ranges(*option).values()),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.expected)
def test_no_rule_raises(rule) -> None:
    assert {rule.holds(value) for value in ODDITIES} <= {True, False}


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (number(above=0), [1, 0.1, 3.4e38, 1e-44], [0, -1, True, "1", float("inf"), float("nan"), None, 10**400, 1e39, 1e-46]),
        (number(at_least=0, below=1), [0, 0.999], [1, -1e-9]),
        (number(above=0, at_most=1), [1], [0, 1.0000001]),
        (integer(0, 2), [0, 2], [-1, 3, 1.0, True, "1"]),
        (integer(1, 9, odd=True), [1, 9], [2, 11, 3.0, True]),
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
        (parse_rule("an odd integer from 1 to 9"), [1, 9], [2, 11, 3.0, True]),
        (parse_rule("a number above 0 and at most 1, or one of full, auto"), [1, 0.5, "full"], [0, "all", 2]),
        (parse_rule("a list of 2 values, each an integer from 1 to 9"), [[1, 9]], [[1], [0, 1], 1]),
        (parse_rule("a map from an integer from 1 to 9 to a number above 0"), [{1: 0.1}], [{}, {0: 1}, {1: 0}, 1]),
        (rule_for("grad_clip", None, RANGES), [None, 0.5], [0, "null"]),
        (rule_for("model.depth", "${depth}", RANGES), [0, 3], [-1, 2.5, None]),
        (rule_for("some.path", "text", {}), ["a b", "한국어"], ["", "a\0b", "a\nb", 1, None, "x" * 5000]),
        (rule_for("some.switch", True, {}), [True, False], [0, 1, "true", None]),
    ],
    ids=lambda value: getattr(value, "expected", ""),
)
def test_a_rule_draws_the_line_where_it_says(rule, good: list, bad: list) -> None:
    assert [value for value in good if not rule.holds(value)] == []
    assert [value for value in bad if rule.holds(value)] == []

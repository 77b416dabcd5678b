import pytest

from dlexp.config.values import find_references, join_first, resolve, value_at

TREE = {
    "a": 1,
    "b": {"c": "${a}", "d": ["${b.c}", "x${a}y${e}"]},
    "e": True,
    "f": "${b}",
    "g": "${h}",
    "h": "-${g}",
    "i": "${no.a}",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [("a", 1), ("b.c", 1), ("b.d", [1, "x1yTrue"]), ("f", {"c": 1, "d": [1, "x1yTrue"]})],
)
def test_references_are_replaced_by_values_of_their_type(path: str, value: object) -> None:
    assert resolve(value_at(TREE, path), TREE) == value


@pytest.mark.parametrize("path", ["g", "h", "i"])
def test_a_reference_to_itself_or_to_nothing_raises(path: str) -> None:
    with pytest.raises(LookupError):
        resolve(TREE[path], TREE)


def test_a_resolved_value_shares_nothing_with_the_tree() -> None:
    resolve(TREE["f"], TREE)["d"].append(2)
    assert len(TREE["b"]["d"]) == 2


def test_references_are_found_at_any_depth() -> None:
    assert find_references(TREE) == {"a", "b", "b.c", "e", "g", "h", "no.a"}


def test_a_long_list_is_cut_short() -> None:
    assert join_first([]) == ""
    assert join_first("abc") == "a, b, c"
    assert join_first(range(12)) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"

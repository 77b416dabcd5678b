import pytest

from dlexp.config.overrides import parse, read_from_hydra, write_for_hydra
from dlexp.errors import ConfigError

LISTED = {
    "log(1e-4,1,5)": [0.0001, 0.001, 0.01, 0.1, 1],
    "log(1,1e-4,5)": [1, 0.1, 0.01, 0.001, 0.0001],
    "log(16,256,5)": [16, 32, 64, 128, 256],
    "log(1e-4,1,4)": [0.0001, 0.002154, 0.04642, 1],
    "log(1e-300,1e300,3)": [1e-300, 1, 1e300],
    "lin(0,0.5,6)": [0, 0.1, 0.2, 0.3, 0.4, 0.5],
    "lin(1,9,5)": [1, 3, 5, 7, 9],
    "lin(1000,1001,5)": [1000, 1000.25, 1000.5, 1000.75, 1001],
    "lin(-1,1,3)": [-1, 0, 1],
    "lin(-1e308,1e308,3)": [-1e308, 0, 1e308],
    "log(1,1.001,3)": [1, 1.0005, 1.001],
}


@pytest.mark.parametrize(("typed", "values"), LISTED.items())
def test_the_values_are_those_that_one_would_type(typed: str, values: list) -> None:
    found = parse(f"optimizer.lr={typed}").values
    assert (found, list(map(type, found))) == (
        values,
        list(map(type, parse(f"optimizer.lr={','.join(map(str, values))}").values)),
    )


def test_values_stay_in_order_and_close_to_their_place() -> None:
    for start, stop, num in [(1e-7, 3e-2, 40), (0.999, 1.001, 100), (3, 4, 1000)]:
        found = parse(f"optimizer.lr=log({start},{stop},{num})").values
        ratio = (stop / start) ** (1 / (num - 1))
        assert len(found) == num
        assert all(
            after / before == pytest.approx(ratio, rel=1e-2 * (ratio - 1))
            for before, after in zip(found, found[1:], strict=False)
        )


REFUSED = {
    "log(0,1,5)": "log takes bounds above 0, because its values have equal ratios, got 0 and 1.",
    "log(1,-1,5)": "log takes bounds above 0, because its values have equal ratios, got 1 and -1.",
    "log(a,1,5)": "log takes numbers, such as log(1e-4,1,5), got 'a'.",
    "lin(0,inf,5)": "lin takes numbers, such as lin(0,0.5,6), got inf.",
    "lin(0,nan,5)": "lin takes numbers, such as lin(0,0.5,6), got nan.",
    "lin(true,1,5)": "lin takes numbers, such as lin(0,0.5,6), got true.",
    f"lin(1{'0' * 400},1,5)": "lin takes numbers, such as lin(0,0.5,6), got 1000",
    "lin(0,1)": "lin takes the first value, the last and how many, such as lin(0,0.5,6), got 2 values.",
    "lin(0,1,0)": "lin takes how many values, a whole number from 2 to 1000, last, got 0.",
    "lin(0,1,-1)": "lin takes how many values, a whole number from 2 to 1000, last, got -1.",
    "lin(0,1,2.5)": "lin takes how many values, a whole number from 2 to 1000, last, got 2.5.",
    "lin(0,1,1000000000)": "lin takes how many values, a whole number from 2 to 1000, last, got 1000000000.",
    "log(1,1,5)": "log takes two different bounds, got 1 twice.",
    "[log(1,2,3)]": "a function that lists values stands alone: write the values out.",
    "0.1,log(1,2,3)": "a function that lists values stands alone: write the values out.",
    "log(1,2,num=3)": "cannot be read: TypeError while evaluating",
    "log[1,2,3]": "cannot be read",
}


@pytest.mark.parametrize(("typed", "message"), REFUSED.items())
def test_what_lists_no_values_is_refused_with_what_was_expected(typed: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(f"optimizer.lr={typed}")
    assert message in str(refused.value)
    assert str(refused.value).startswith("optimizer.lr=")


def test_hydra_gets_the_values() -> None:
    assert write_for_hydra("optimizer.lr=log(1e-4,1,3)") == "optimizer.lr=0.0001,0.01,1"
    assert write_for_hydra("optimizer.lr=sort(lin(0,1,3),reverse=true)") == "optimizer.lr=1,0.5,0"
    assert write_for_hydra("data_dir='log(1)'") == "data_dir='log(1)'"


def test_hydra_adds_a_key_that_its_own_composition_may_lack() -> None:
    for typed in ("augment.crop.padding=2", "probe.grad_flow.every=2", "optimizer.momentum=0.5"):
        assert write_for_hydra(typed) == f"++{typed}"
        assert read_from_hydra(f"++{typed}") == typed

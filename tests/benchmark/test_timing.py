from dlexp.benchmark.comparison import Case, Figure, Sample
from dlexp.benchmark.timing import time_case


def made(calls, *, least_seconds=0.0, seconds=(0.1, 0.2)):
    """A case whose arms note when they are made and called, and say what they took."""

    def arm(name, took):
        def make():
            calls.append(f"make {name}")

            def block(num_units):
                calls.append((name, num_units))
                return Sample(took, took)

            return block

        return make

    return Case(
        name="made",
        arms=("a", "b"),
        ours=arm("A", seconds[0]),
        other=arm("B", seconds[1]),
        figures=(Figure("other / ours"),),
        unit="steps",
        block=4,
        check=lambda case, block: calls.append("check"),
        least_seconds=least_seconds,
    )


def test_arms_alternate_in_mirrored_order_after_a_check_and_a_warm_up():
    calls = []
    samples, num_units = time_case(made(calls), rounds=4)
    assert calls[:4] == ["check", "make A", "make B", "make A"]
    assert "".join(name for name, _ in calls[4:]) == "ABA" + "ABA" * 4
    assert {name: len(taken) for name, taken in samples.items()} == {"ours": 4, "other": 4, "again": 4}
    assert num_units == 4


def test_the_second_round_begins_with_the_control():
    order = []

    def arm(name):
        return lambda: lambda num_units: order.append(name) or Sample(len(order), None)

    case = made([])
    case = Case(**{**vars(case), "ours": arm("ours"), "other": arm("other")})
    samples, _ = time_case(case, rounds=2)
    assert order[3:] == ["ours", "other", "ours", "ours", "other", "ours"]
    assert samples["ours"][1].seconds > samples["again"][1].seconds  # mirrored: ours comes last in the second


def test_blocks_are_lengthened_to_the_least_time_of_the_quicker_arm():
    calls = []
    _, num_units = time_case(made(calls, least_seconds=2.0), rounds=1)
    assert num_units == 21
    assert calls[-1] == ("A", 21)


def test_a_given_block_is_taken_as_it_is():
    _, num_units = time_case(made([], least_seconds=2.0), rounds=1, block=3)
    assert num_units == 3

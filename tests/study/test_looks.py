import pytest

from dlexp.errors import ConfigError
from dlexp.study.definition import read_study
from dlexp.study.request import narrow, read_command

STUDY = """
question: Does it learn faster?
background: Made for a test.
base: {{dataset: moons, model: mlp}}
axes:
  optimizer.lr: [0.1, 0.001]
{more}
"""
PREDICTIONS = """
predictions:
  - {claim: A large one, plus: {optimizer.lr: 0.1}, minus: {optimizer.lr: 0.001}, expected: greater}
"""


def write(folder, more="", name="tiny"):
    path = folder / f"{name}.yaml"
    path.write_text(STUDY.format(more=more))
    return path


def test_a_study_with_looks_has_the_seeds_of_the_last(tmp_path):
    study = read_study(str(write(tmp_path, "looks: [5, 10]\nbounds: pocock")))
    assert (study.looks, study.bounds, study.seeds) == ([5, 10], "pocock", list(range(10)))
    study = read_study(str(write(tmp_path, "looks: [5, 6]\nseeds: [3, 1, 4, 5, 9, 2]", "other")))
    assert (study.looks, study.bounds, study.seeds) == ([5, 6], "", [3, 1, 4, 5, 9, 2])
    study = read_study(str(write(tmp_path, "looks: [5, 6]\nseeds: [7, 8]\ndata_seeds: [1, 2, 3, 4, 5, 6]", "drawn")))
    assert (study.units, study.seeds) == (list(range(1, 7)), [7, 8])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("looks: 5, 10", r"looks: must be a list of numbers of seeds, such as \[5, 10, 20\], got '5, 10'. Write \[5, 10\]."),
        ("looks: []", "looks: must be a list of numbers of seeds"),
        ("looks: [3, 10]", "looks: must be numbers of seeds from 5, which a verdict needs, to 1000, got 3"),
        ("looks: [5, true]", "got true"),
        ("looks: [5, 1.5]", "got 1.5"),
        ("looks: [5, 1000000000]", "to 1000, got 1000000000"),
        ("looks: [10, 5]", r"looks: must increase, such as \[5, 10, 20\], got \[10, 5\]"),
        ("looks: [5, 5]", "looks: must increase"),
        ("looks: [5, 10]\nseeds: [0, 1, 2, 3, 4]", "looks: the last must be 5, the number of seeds, got 10"),
        ("looks: [5, 10]\nbounds: pococks", "bounds: must be obrien_fleming or pocock, got pococks. Did you mean pocock?"),
        ("bounds: pocock", "bounds: only with looks"),
        ("looks: [5, 10]\ndata_seeds: [0, 1, 2]", "looks: the last must be 3, the number of data_seeds, got 10"),
        ("look: [5, 10]", "look: no such key"),
    ],
)
def test_wrong_looks_are_refused_with_what_would_work(more, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        read_study(str(write(tmp_path, more)))


@pytest.mark.parametrize(
    ("more", "typed", "looks", "seeds"),
    [
        ("", [], [5, 10, 20], list(range(20))),
        ("", ["max_seeds=12"], [5, 10, 12], list(range(12))),
        ("", ["max_seeds=40"], [5, 10, 20, 40], list(range(40))),
        ("", ["max_seeds=5"], [5], list(range(5))),
        ("seeds: [2, 9]", ["max_seeds=6"], [5, 6], [2, 9, 0, 1, 3, 4]),
        ("seeds: [0, 1, 2, 3, 4, 5, 6, 7]", ["max_seeds=5"], [5], list(range(5))),
        ("looks: [6, 8]", [], [6, 8], list(range(8))),
        ("looks: [6, 8]", ["max_seeds=7"], [6], list(range(6))),
        ("looks: [6, 8]", ["max_seeds=90"], [6, 8], list(range(8))),
    ],
)
def test_seeds_auto_takes_the_looks_of_the_study_or_the_usual_ones(more, typed, looks, seeds, tmp_path):
    path = write(tmp_path, PREDICTIONS + more)
    _, request = read_command([f"study={path}", "seeds=auto", *typed, "optimizer.lr=0.1"])
    assert request.schedule.looks == looks
    assert request.schedule.units[: looks[-1]] == seeds
    assert (request.seeds, request.changes, len(request.cells)) == (seeds, {}, 1)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["seeds=3"], "seeds=3: seeds takes auto, which adds seeds until all is decided; seed=0,1,2 chooses seeds"),
        (["seeds=0,1"], "seeds=0,1: seeds takes auto"),
        (["seeds=auto", "seed=0,1"], "seeds=auto: chooses by itself what is run: leave seed=0,1 out"),
        (["seeds=auto", "data_seed=1,2"], "seeds=auto: chooses by itself what is run: leave data_seed=1,2 out"),
        (["max_seeds=10"], "max_seeds=10: limits seeds=auto, which the command does not have"),
        (["seeds=auto", "max_seeds=3"], "max_seeds=3: must be at least 5, the number of seeds at the first look"),
        (["seeds=auto", "max_seeds=many"], "max_seeds=many: must be a whole number, such as max_seeds=20"),
        (["seeds=auto", "max_seeds=5,10"], "must be a whole number"),
        (["seeds=auto", "max_seeds=1e3"], "must be a whole number"),
        (["seeds=auto", "max_seeds=100000"], "must be at most 1000"),
        (["seeds=auto", "seeds=auto"], "seeds is set twice"),
    ],
)
def test_a_wrong_command_is_refused_with_what_would_work(typed, message, tmp_path):
    study = read_study(str(write(tmp_path, PREDICTIONS)))
    with pytest.raises(ConfigError, match=message):
        narrow(study, typed)


def test_without_predictions_nothing_can_be_decided(tmp_path):
    with pytest.raises(ConfigError, match="tiny has no predictions that could be decided"):
        narrow(read_study(str(write(tmp_path))), ["seeds=auto"])


def test_a_study_that_draws_its_data_several_times_adds_draws(tmp_path):
    path = write(tmp_path, PREDICTIONS + "seeds: [7, 8]\ndata_seeds: [0, 1, 2]")
    _, request = read_command([f"study={path}", "seeds=auto", "max_seeds=6"])
    assert request.schedule == ("data_seed", list(range(6)), [5, 6])
    assert (request.seeds, request.data_seeds, request.until(5).data_seeds) == ([7, 8], list(range(6)), list(range(5)))
    assert len(request.until(5).repeats) == 10

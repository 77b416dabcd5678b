"""What a file of registrations says about a study, and which files are refused."""

import json

import pytest

from dlexp.config.plain_json import FormError, seal
from dlexp.run.record.registrations import (
    REGISTRATIONS,
    find_standing,
    hash_study,
    list_differing_keys,
    read_registrations,
)

STUDY = {"name": "made", "question": "q", "background": "b", "axes": {"depth": [1, 2]}, "seeds": [0, 1], "metric": "test/acc"}
STUDY |= {"pairing": "paired", "predictions": []}
OTHER = {**STUDY, "seeds": [0, 1, 2], "metric": "test/loss"}
FIRST, SECOND, THIRD = (f"2026-11-2{day}T10:00:00+00:00" for day in (1, 2, 3))


def registered(study=STUDY, date=SECOND, **more):
    content = {"study": study, "changes": []}
    return {"hash": hash_study(study, []), "date": date, "git_commit": None, "begun": 0, **content, **more}


def write(folder, *registrations):
    (folder / REGISTRATIONS).write_text(json.dumps(seal({"registrations": list(registrations)})))


@pytest.mark.parametrize(
    ("registrations", "started", "state", "date", "others"),
    [
        ([], [THIRD], "none", None, ()),
        ([registered()], [], "before", SECOND, ()),
        ([registered()], [THIRD, None, float("nan"), "yesterday"], "before", SECOND, ()),
        ([registered()], [SECOND], "before", SECOND, ()),  # no run had been started, so this one was later
        ([registered()], [THIRD, FIRST], "after", SECOND, ()),
        ([registered(begun=1)], [THIRD], "after", SECOND, ()),  # the run was interrupted, and started again later
        ([registered(date=FIRST), registered(OTHER)], [THIRD], "before", FIRST, (SECOND,)),
        ([registered(OTHER, FIRST), registered(begun=3)], [THIRD], "after", SECOND, (FIRST,)),
        ([registered(OTHER, FIRST), registered({**OTHER, "question": "?"})], [THIRD], "changed", SECOND, (FIRST,)),
    ],
)
def test_the_standing_is_that_of_the_first_registration_of_this_version(registrations, started, state, date, others, tmp_path):
    if registrations:
        write(tmp_path, *registrations)
    found = find_standing(tmp_path, STUDY, [], started)
    assert (found.state, found.registration and found.registration["date"], found.others) == (state, date, others)
    if state == "changed":
        assert set(found.differs) == {"question", "seeds", "metric"}


def test_the_hash_is_that_of_everything_that_is_given_and_of_the_changes():
    assert len({hash_study({**STUDY, key: ["x"]}, []) for key in STUDY} | {hash_study(STUDY, [])}) == len(STUDY) + 1
    assert hash_study(STUDY, ["epochs=2"]) != hash_study(STUDY, [])
    later = {**STUDY, "looks": [], "effect": None}  # keys that a later version may have
    assert hash_study(later, []) == hash_study(STUDY, [])
    assert list_differing_keys(registered(later), STUDY) == ()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"hash": "0" * 64}, r"registrations\[0\].hash is not that of what was registered"),
        ({"study": OTHER}, r"registrations\[0\].hash is not that of what was registered"),
        ({"begun": -1}, r"registrations\[0\].begun must be at least 0"),
        ({"date": "2026-11-21"}, r"registrations\[0\].date is not what dlexp writes there"),
        ({"git_commit": "\x1b[2J"}, r"registrations\[0\].git_commit is not what dlexp writes there"),
    ],
)
def test_a_registration_that_was_not_written_so_is_refused(edit, message, tmp_path):
    write(tmp_path, registered() | edit)
    with pytest.raises(FormError, match=rf"{REGISTRATIONS}: {message}"):
        read_registrations(tmp_path)
    assert find_standing(tmp_path, STUDY, [], []).state == "damaged"

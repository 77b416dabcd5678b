"""Saved states that were damaged, or that a disk refused, are found out; the one before them is used."""

import hashlib
import json
import os

import pytest
import torch

from dlexp.config.plain_json import SUM_KEY
from dlexp.errors import CheckpointError
from dlexp.run.record import checkpoint
from tests.runs import edit_json

CPU = torch.device("cpu")
FILES = {"probes.csv": {"bytes": 6, "sha256": hashlib.sha256(b"epoch\n").hexdigest()}}


def state(step):
    return {"weights": torch.full((64,), float(step)), "step": step, "names": ["a", None, 1.5]}


def newest(folder):
    return checkpoint.newest(folder, CPU, torch.get_num_threads(), "code")


@pytest.fixture
def saved(tmp_path):
    (tmp_path / "probes.csv").write_text("epoch\n")
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, state(step), step, FILES, CPU, "code")
    return tmp_path


def file(folder, step, suffix=".pt"):
    return folder / checkpoint.FOLDER / f"step-{step:09}{suffix}"


def test_the_newest_is_found_and_the_oldest_removed(saved):
    found = newest(saved)
    assert torch.equal(found.state["weights"], state(3)["weights"])
    assert (found.files, found.refused, found.differs) == (FILES, [], "")
    assert len(list((saved / checkpoint.FOLDER).iterdir())) == 2 * checkpoint.NUM_STATES


def test_nothing_saved_is_no_error(tmp_path):
    assert newest(tmp_path) is None


def rewritten(saved, contents):
    """The reason why the newest state is refused, for each of these contents."""
    reasons = []
    for content in contents:
        file(saved, 3).write_bytes(content)
        found = newest(saved)
        assert found.state["step"] == 2
        reasons += found.refused
    return reasons


@pytest.mark.parametrize("part", range(10))
def test_a_truncated_state_is_refused(saved, part):
    """R11: 200 lengths, from nothing to one byte too few."""
    content = file(saved, 3).read_bytes()
    lengths = [(len(content) - 1) * number // 199 for number in range(part, 200, 10)]
    assert len(rewritten(saved, [content[:length] for length in lengths])) == 20


@pytest.mark.parametrize("part", range(10))
def test_a_flipped_bit_is_found(saved, part):
    """R12: 400 bits."""
    content = file(saved, 3).read_bytes()
    bits = [(8 * len(content) - 1) * number // 399 for number in range(part, 400, 10)]
    flipped = [content[: bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1 :] for bit in bits]
    reasons = rewritten(saved, flipped)
    assert len(reasons) == 40
    assert all("sha256" in text for text in reasons)


def garbage(path):
    path.write_bytes(b"\x80\x02garbage")


def directory(path):
    path.unlink()
    path.mkdir()


def dangling(path):
    path.unlink()
    path.symlink_to("nowhere")


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "garbage": garbage,
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a folder": directory,
    "a dangling link": dangling,
    "no sidecar": lambda path: path.with_suffix(".json").unlink(),
    "another's sidecar": lambda path: path.with_suffix(".json").write_text(file(path.parents[1], 2, ".json").read_text()),
    "a torn sidecar": lambda path: path.with_suffix(".json").write_text('{"schema": 1, "sha'),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_state_gives_way_to_the_one_before(saved, damage):
    DAMAGE[damage](file(saved, 3))
    found = newest(saved)
    assert found.state["step"] == 2
    assert len(found.refused) == 1
    assert found.refused[0].startswith("step-000000003.pt")


@pytest.mark.parametrize("damage", sorted(DAMAGE.keys() - {"another's sidecar"}))
def test_without_a_whole_state_the_search_fails_and_says_why(saved, damage):
    for step in (3, 2):
        DAMAGE[damage](file(saved, step))
    with pytest.raises(CheckpointError) as error:
        newest(saved)
    assert str(error.value).count("step-00000000") >= 2


@pytest.mark.parametrize("schema", [0, 3, "1"])
def test_another_schema_is_refused_with_both_numbers(saved, schema):
    for step in (3, 2):
        sidecar = file(saved, step, ".json")
        edit_json(sidecar, lambda facts: facts.update(schema=schema))
        if step == 3:
            number = f"has schema {schema}, and this version reads 1 and 2"
            assert (number if schema != "1" else "schema must be a whole number, got text") in newest(saved).refused[0]
    with pytest.raises(CheckpointError, match="no usable checkpoint"):
        newest(saved)


def test_a_damaged_state_does_not_take_the_place_of_a_whole_one(saved):
    """What goes on from the state before it saves earlier steps than the damaged one's."""
    file(saved, 3).write_bytes(b"")
    file(saved, 3).rename(file(saved, 9))
    for step in (4, 5):
        checkpoint.save(saved, state(step), step, FILES, CPU, "code")
    assert sorted((saved / checkpoint.FOLDER).glob("*.pt")) == [file(saved, 4), file(saved, 5)]


def test_a_state_that_needs_more_of_probes_csv_than_is_left_is_refused(saved):
    os.truncate(saved / "probes.csv", 3)
    with pytest.raises(CheckpointError, match="needs 6 bytes of probes.csv"):
        newest(saved)


def test_a_state_is_refused_if_what_probes_wrote_before_has_changed(saved):
    (saved / "probes.csv").write_text("epoch\nand what was measured later")
    assert newest(saved).refused == []
    (saved / "probes.csv").write_text("epocj\n")
    with pytest.raises(CheckpointError, match=r"needs probes.csv as it was when the state was saved"):
        newest(saved)


def test_a_sidecar_of_an_older_version_has_no_sums(saved):
    for step in (3, 2):
        sidecar = file(saved, step, ".json")
        facts = {key: value for key, value in json.loads(sidecar.read_text()).items() if key != SUM_KEY}
        sidecar.write_text(json.dumps(facts | {"schema": 1, "files": {"metrics.csv": 99, "probes.csv": 6}}))
    assert (newest(saved).files, newest(saved).refused) == ({"probes.csv": 6}, [])
    sidecar.with_name(file(saved, 3, ".json").name).write_text(json.dumps(facts | {"schema": 2}))
    assert "its content is not what was written" in newest(saved).refused[0]


@pytest.mark.parametrize("name", ["threads", "torch", "processor", "instructions", "build of torch", "pillow", "code"])
def test_another_environment_is_named(saved, name):
    sidecar = file(saved, 3, ".json")
    edit_json(sidecar, lambda facts: facts["environment"].update({name: "another"}))
    assert ("other code" if name == "code" else f"{name} another then") in newest(saved).differs


def test_saving_takes_a_share_of_the_time_at_most():
    cadence = checkpoint.Cadence(0.001)
    cadence.count_save(10.0)
    assert not cadence.due()
    assert cadence._next - checkpoint.perf_counter() == pytest.approx(10 / checkpoint.MAX_TIME_SHARE, abs=1)


class Payload:
    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("call", [(os.system, ("touch executed",)), (eval, ("open('executed', 'w')",)), (exec, ("import os",))])
def test_a_malicious_state_is_refused_and_nothing_executed(saved, call, monkeypatch):
    monkeypatch.chdir(saved)
    malicious = {"weights": torch.zeros(1), "optimizer": {"state": [Payload(call)]}}
    checkpoint.save(saved, malicious, 4, FILES, CPU, "code")  # with a sidecar that fits
    found = newest(saved)
    assert found.state["step"] == 3
    assert not (saved / "executed").exists()

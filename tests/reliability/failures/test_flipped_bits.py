"""Bits that turn on the disk after a file was written: each is found, or changes nothing that anybody reads.

One bit at a random place of each file, many times. Files of an interrupted run: it goes on as if nothing had happened, or is
refused. Files of a finished run and of a study: what reads them gives what was written, or names the file.
"""

import json
import random
import shutil
import warnings

import pytest

from dlexp.analysis import DamagedRunWarning, analyse, load_metrics, load_probes, load_runs
from dlexp.analysis.read.folder import DamagedError
from dlexp.analysis.report.write import build_report
from dlexp.data.preprocessing import to_json
from dlexp.errors import CheckpointError, ConfigError
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.record.checksums import NOT_SUMMED, SUMS_FILE
from dlexp.run.record.layout import PROTOCOL, SUMMARY
from dlexp.run.record.registrations import REGISTRATIONS, hash_study
from dlexp.run.record.verify import verify_tree
from dlexp.study.sharing import write_json
from dlexp.trained.load import load_trained
from tests.analysis.made import make_study
from tests.reliability.harness import content
from tests.reliability.interruptions.test_exact_resume import EVERY_STEP, cut_off
from tests.runs import MOONS, prepare

RUN = (*MOONS, "depth=1", "probe=[weight_stats,dead_units]", EVERY_STEP)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run, with its saved states."""
    planned = prepare(*RUN, root=tmp_path_factory.mktemp("finished"))
    execute(planned, gather_facts(planned), Plain())
    return planned.folder


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """The same run, cut off after most of its steps."""
    with pytest.MonkeyPatch.context() as patch:
        return cut_off(RUN, tmp_path_factory.mktemp("cut"), step=6, monkeypatch=patch).folder


def list_files(folder):
    """The files of a run that something reads."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if path.name not in NOT_SUMMED or path.name == SUMMARY or (folder / PROTOCOL).exists()]


def flip(path, choose):
    """Turn one bit of a file."""
    content = bytearray(path.read_bytes())
    place = choose.randrange(len(content))
    content[place] ^= 1 << choose.randrange(8)
    path.write_bytes(content)


def flips(folder, root, number):
    """Copies of a folder, each with one flipped bit: the copy, and the path of the damaged file. Each file gets its turn."""
    choose, files = random.Random(0), list_files(folder)
    for turn in range(number):
        copy = root / folder.name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        path = copy / files[turn % len(files)].relative_to(folder)
        flip(path, choose)
        yield copy, path


@pytest.mark.parametrize("number", [60, pytest.param(2000, marks=pytest.mark.slow(seconds=60))])
@pytest.mark.parametrize("name", ["finished", "interrupted"])
def test_each_is_found_by_verify(name, number, request, tmp_path):
    folder = request.getfixturevalue(name)
    assert [found.problems for found in verify_tree(folder)] == [[]]
    missed = [path for copy, path in flips(folder, tmp_path, number) if not next(iter(verify_tree(copy))).problems]
    # Of a run that has not ended, the config is compared with the command, and what the state holds is written again.
    again = {"config.yaml", "hydra.yaml", "overrides.yaml", "metrics.csv"} if name == "interrupted" else set()
    assert {path.name for path in missed} <= again


def read_all(folder):
    """Everything that is read of a finished run, and what was named as damaged while reading."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DamagedRunWarning)
        found = [table.to_json() for table in (load_runs(folder), load_metrics(folder), load_probes(folder))]
        named = [str(one.message) for one in caught]
        try:
            trained = load_trained(folder)
            found += [
                {name: tensor.tolist() for name, tensor in trained.model().state_dict().items()},
                to_json(trained.preprocessing),
            ]
        except (ConfigError, CheckpointError) as error:
            named.append(str(error))
    return found, named


@pytest.mark.parametrize("number", [40, pytest.param(1000, marks=pytest.mark.slow(seconds=120))])
def test_none_is_read_in_silence(number, finished, tmp_path):
    expected = read_all(shutil.copytree(finished, tmp_path / finished.name))
    assert expected[1] == []
    silent = []
    for copy, path in flips(finished, tmp_path, number):
        found, named = read_all(copy)
        silent += [] if named or found == expected[0] else [path]
    assert silent == []


@pytest.mark.parametrize("number", [18, pytest.param(1000, marks=pytest.mark.slow(seconds=300))])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened_or_is_refused(number, interrupted, finished, tmp_path):
    expected, refused, root = content(finished), 0, tmp_path / "adhoc"
    for _, path in flips(interrupted, root, number):
        planned = prepare(*RUN, root=tmp_path)
        try:
            execute(planned, gather_facts(planned), Plain())
        except (CheckpointError, ConfigError):
            refused += 1
        else:
            assert content(planned.folder) == expected, path
            assert next(iter(verify_tree(planned.folder))).problems == [], path
    assert refused <= number / 2  # only the config and what probes wrote before the older state are in no other file


@pytest.mark.parametrize("number", [30, pytest.param(1000, marks=pytest.mark.slow(seconds=60))])
def test_a_finished_run_is_done_as_it_was_or_is_damaged(number, finished, tmp_path):
    summary = prepare(*RUN, root=finished.parents[1]).read_summary()
    for _, path in flips(finished, tmp_path / "adhoc", number):
        planned = prepare(*RUN, root=tmp_path)
        found = planned.read_summary()
        assert found in (None, summary), path
        if found is None and path.name != SUMMARY:
            with pytest.raises(CheckpointError, match=f"{path.name} has changed since the run wrote it"):
                execute(planned, gather_facts(planned), Plain())


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of a study with protocol, registration, manifest and report."""
    folder = make_study(tmp_path_factory.mktemp("study"), {"depth": [1, 2]}, [0, 1])
    write_json(folder / PROTOCOL, json.loads((folder / PROTOCOL).read_text()))
    protocol = json.loads((folder / PROTOCOL).read_text())
    registered = {
        "hash": hash_study(protocol["study"], []),
        "date": "2026-01-01T00:00:00+00:00",
        "git_commit": None,
        "begun": 0,
    }
    write_json(folder / REGISTRATIONS, {"registrations": [{**registered, "study": protocol["study"], "changes": []}]})
    write_json(folder / "sweeps" / "0123456789ab.json", {"command": "dlexp train", "runs": [], "finished": ["0123456789ab"]})
    build_report(folder)
    for run in folder.glob("*=*"):
        shutil.rmtree(run)
    return folder


@pytest.mark.parametrize("number", [60, pytest.param(1000, marks=pytest.mark.slow(seconds=30))])
def test_those_of_a_study_and_its_report_are_found(number, study, tmp_path):
    assert [found.problems for found in verify_tree(study)] == [[], [], [], []]
    found = len(analyse(study).runs)
    for copy, path in flips(study, tmp_path, number):
        assert sum(bool(found.problems) for found in verify_tree(copy)) == 1, path
        if path.name in (PROTOCOL, "runs.csv"):
            with pytest.raises(DamagedError):
                analyse(copy)
        elif path.name != SUMS_FILE:
            result = analyse(copy)
            assert len(result.runs) == found
            assert result.registration.state == ("damaged" if path.name == REGISTRATIONS else "before"), path

import os
import signal
import sys

import pytest

from dlexp.errors import ConfigError, DatasetError
from dlexp.machine.files import is_alive
from dlexp.run import signals
from dlexp.study import passes, workers
from tests import ROOT
from tests.parallel_sweeps import (
    SAVING,
    has_saved,
    killing,
    list_runs,
    read_files,
    read_holders,
    run_sweep,
    wait_until,
)
from tests.processes import Command
from tests.runs import MOONS, only_last, prepare

FOUR = ("norm=bn,ln", "seed=0,1")
LONG = ("batch_size=4", "epochs=40", "checkpoint_every=0.05", "seed=0,1")
ENDLESS = ("batch_size=4", "epochs=100000", "seed=0,1")


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """What a sweep of four runs leaves, and one of two longer runs, one after the other in this process."""
    roots = {name: tmp_path_factory.mktemp("serial") for name in (FOUR, LONG)}
    for overrides, root in roots.items():
        assert run_sweep(*overrides, root=root) == 0
    return {overrides: read_files(root) for overrides, root in roots.items()}


def test_several_runs_at_a_time_leave_what_they_leave_one_after_the_other(serial, in_memory, capsys):
    assert run_sweep(*FOUR, "jobs=2", root=in_memory) == 0
    assert read_files(in_memory) == serial[FOUR]
    out = capsys.readouterr().out
    assert "4 runs: 4 done, 0 skipped, 0 failed, 0 held." in out
    ended = out[: out.index("norm  seed")].splitlines()
    assert [line.split(": ")[1][:4] for line in ended] == ["done"] * 4  # a line for each run that has ended, and no other
    rows = out[out.index("norm  seed") :].splitlines()[1:5]
    assert [row.split()[:2] for row in rows] == [["bn", "0"], ["bn", "1"], ["ln", "0"], ["ln", "1"]]
    assert run_sweep(*FOUR, "jobs=2", root=in_memory) == 0
    assert "4 runs: 0 done, 4 skipped, 0 failed, 0 held." in capsys.readouterr().out


def test_the_summary_says_how_many_ran_at_the_same_time(in_memory):
    run_sweep("seed=0,1", "jobs=2", root=in_memory)
    run_sweep("seed=0,1,2", "jobs=2", root=in_memory)  # one is due: it has nothing beside it
    texts = [(folder / "summary.json").read_text() for folder in list_runs(in_memory).values()]
    assert [text.count('"jobs": 2') for text in texts] == [1, 1, 0]
    assert "jobs" not in (next(iter(list_runs(in_memory).values())) / "config.yaml").read_text()


def test_one_job_is_the_sweep_in_this_process(in_memory, monkeypatch):
    monkeypatch.setattr(passes, "complete_at_once", None)
    assert run_sweep("seed=0,1", "jobs=1", root=in_memory) == 0


def test_a_killed_worker_costs_its_run_a_start_from_the_last_state(serial, in_memory, capsys):
    with killing(in_memory, times=2) as killed:
        assert run_sweep(*LONG, "jobs=2", root=in_memory) == 0
    assert len(killed) == 2
    assert read_files(in_memory) == serial[LONG]
    out = capsys.readouterr().out
    assert out.count("its process was ended by SIGKILL (by hand, or by the system because memory ran out)") == 2
    assert "Goes on from step-" in out
    assert "not exact" not in out


def test_a_run_that_ends_its_worker_three_times_has_failed(in_memory, capsys):
    first = []

    def is_first(identity):
        first[:] = first or [identity]
        return identity == first[0]

    with killing(in_memory, 3, is_first) as killed:
        assert run_sweep("batch_size=4", "epochs=100000,2", "jobs=2", root=in_memory) == 1
    assert len(killed) == 3
    out = capsys.readouterr().out
    assert "2 runs: 1 done, 0 skipped, 1 failed, 0 held." in out
    assert "Its process was ended 3 times, the last time by SIGKILL" in out
    assert run_sweep("batch_size=4", "epochs=100000,2", root=in_memory) == 1  # recorded, and not tried again by itself
    assert "2 runs: 0 done, 1 skipped, 1 failed, 0 held." in capsys.readouterr().out
    assert has_saved(in_memory, killed[0])  # retry=failed goes on from there


def end_command(process, root, how):
    """End a command: by a signal to it alone, or as a terminal does, by one to all of its processes."""
    for pid in [process.pid, *(read_holders(root).values() if how == signal.SIGINT else ())]:
        os.kill(pid, how)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_end_of_the_command_stops_all_workers_with_their_states_saved(how, serial, in_memory):
    root = in_memory / "outputs"
    overrides = only_last((*SAVING, *ENDLESS, "jobs=2", f"output_dir={root}"))
    process = Command(str(ROOT / "train.py"), "-m", *overrides, cwd=in_memory)
    wait_until(lambda: len(read_holders(root)) == 2 and all(has_saved(root, one) for one in read_holders(root)))
    pids = list(read_holders(root).values())
    end_command(process, root, how)
    out, err = process.communicate(timeout=60)
    wait_until(lambda: not any(map(is_alive, pids)), seconds=signals.GRACE)
    assert process.returncode == (-how if how == signal.SIGKILL else signals.RESUMABLE), err
    assert how == signal.SIGKILL or "Interrupted. The same command goes on." in err
    assert how == signal.SIGKILL or "2 runs: 0 done, 0 skipped, 0 failed, 0 held, 2 not reached." in out
    assert "Traceback" not in err
    assert not list(root.glob("adhoc/*/summary.json"))
    assert read_holders(root) == {}


def test_what_was_interrupted_goes_on_with_several_jobs(serial, in_memory, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(workers, "_wait_for", interrupt_when(lambda: all(map(has_begun(in_memory), range(2)))))
        with pytest.raises(KeyboardInterrupt):
            run_sweep(*LONG, "jobs=2", root=in_memory)
    assert "2 not reached" in capsys.readouterr().out
    assert run_sweep(*LONG, "jobs=2", root=in_memory) == 0
    assert capsys.readouterr().out.count("Goes on from step-") == 2
    assert read_files(in_memory) == serial[LONG]


def has_begun(root):
    """Whether so many runs, and one more, have saved a state."""
    return lambda number: len({path.parts[-3] for path in root.glob("adhoc/*/checkpoints/step-*.json")}) > number


def interrupt_when(fulfilled):
    """Replaces the wait for workers by one that Ctrl-C ends once."""
    original, sent = workers._wait_for, []

    def wait_for(living):
        original(living)
        if not sent and fulfilled():
            sent.append(True)
            raise KeyboardInterrupt

    return wait_for


def test_an_error_that_ends_the_sweep_stops_the_other_workers(in_memory, monkeypatch):
    taken = workers._Workers._take

    def take(self, worker, run, message):
        if message and message[0] == "refresh":
            message = "error", (DatasetError("files of the dataset were changed"),)
        return taken(self, worker, run, message)

    monkeypatch.setattr(workers._Workers, "_take", take)
    with pytest.raises(DatasetError, match="were changed"):
        run_sweep(*ENDLESS, "jobs=2", root=in_memory)
    assert read_holders(in_memory) == {}


def test_a_worker_with_other_code_is_refused(in_memory, monkeypatch):
    monkeypatch.setattr(workers, "SOURCES", workers.SOURCES + 1)
    with pytest.raises(ConfigError, match="were edited after the command had begun"):
        run_sweep("seed=0,1", "jobs=2", root=in_memory)


def test_a_run_that_had_ended_before_its_worker_was_killed_is_done(in_memory, monkeypatch, capsys):
    received = workers._Worker.receive

    def lose_row(self):
        message = received(self)
        if message and message[0] == "row":
            self.process.kill()
            return None
        return message

    monkeypatch.setattr(workers._Worker, "receive", lose_row)
    assert run_sweep("seed=0,1", "jobs=2", "force=true", root=in_memory) == 0
    assert "2 runs: 2 done, 0 skipped, 0 failed, 0 held." in capsys.readouterr().out


def test_the_script_of_the_user_is_not_executed_again(in_memory):
    (in_memory / "script.py").write_text(
        "import dlexp\n"
        "print('executed')\n"
        f"runs = dlexp.sweep(*{list(SAVING)}, 'seed=0,1', jobs=2, output_dir='outputs')\n"
        "print(*(run.status for run in runs))\n"
    )
    process = Command("script.py", cwd=in_memory, environment={"PYTHONPATH": os.pathsep.join(sys.path)})
    out, err = process.communicate()
    assert (out, process.returncode) == ("executed\ndone done\n", 0), err


def test_beside_a_bar_there_is_room_for_what_tells_the_runs_apart(tmp_path):
    runs = [prepare(*MOONS, f"norm={norm}", "seed=3", root=tmp_path) for norm in ("bn", "ln")]
    titles = workers._shorten_titles(runs)
    assert [titles[run.identity] for run in runs] == ["norm=bn", "norm=ln"]
    assert workers._shorten_titles(runs[:1])[runs[0].identity] == runs[0].title

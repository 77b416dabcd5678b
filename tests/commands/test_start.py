import ast
import os
import signal
import subprocess
import sys

import pytest

from dlexp.commands.attempt import attempt
from dlexp.errors import DatasetError
from tests import ROOT
from tests.processes import Command

SCRIPTS = ["train.py", *(f"scripts/{path.name}" for path in sorted((ROOT / "scripts").glob("*.py")))]


def run_code(main: str, **streams) -> subprocess.Popen:
    """A process that runs these lines as a command."""
    code = f"import os, signal, sys, time\nfrom dlexp.commands.start import run\ndef main():\n{main}\nrun(main, 'dlexp')\n"
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True, **streams)


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_script_explains_itself_and_starts_as_the_others(script: str) -> None:
    command = Command(script, "--help")
    out, err = command.communicate()
    assert (command.returncode, err) == (0, "")
    assert len(out.splitlines()) > 3
    called = (getattr(node, "func", None) for node in ast.walk(ast.parse((ROOT / script).read_text())))
    calls = {name.id for name in called if isinstance(name, ast.Name)} & {"start", "run"}
    assert len(calls) == 1


def test_a_closed_pipe_ends_a_command_in_silence() -> None:
    process = run_code("    time.sleep(0.3)\n    for i in range(99999): print(i)\n    return 0", stdout=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(timeout=30) == -signal.SIGPIPE
    assert process.stderr.read() == ""


def test_ctrl_c_ends_a_command_with_a_sentence() -> None:
    process = run_code("    os.kill(os.getpid(), signal.SIGINT)\n    time.sleep(9)\n    return 0")
    assert process.wait(timeout=30) == 130
    assert process.stderr.read() == "Interrupted.\n"


def test_a_command_works_without_standard_output(tmp_path) -> None:
    def close() -> None:
        os.close(1)

    written = tmp_path / "file"
    lines = f"    file = open({str(written)!r}, 'w')\n    print('a table')\n    file.write('data')\n    return 0"
    process = run_code(lines, preexec_fn=close)
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""
    assert written.read_text() == "data"


def test_what_the_machine_refuses_is_a_sentence(tmp_path, capsys) -> None:
    assert attempt(lambda: len((tmp_path / "none").read_text())) == 1
    assert capsys.readouterr().err == f"{tmp_path}/none: No such file or directory.\n"

    def fail() -> int:
        raise DatasetError("data: none.")

    assert attempt(fail) == 7


def test_a_fault_of_the_program_is_shown_with_its_place() -> None:
    with pytest.raises(ZeroDivisionError):
        attempt(lambda: 1 // 0)


@pytest.mark.parametrize("typed", ["train study=los", "plan study=los", "plan study=loss lr=x", "reproduce los", "report los"])
def test_a_wrong_command_is_refused_before_anything_large_is_loaded(typed: str) -> None:
    code = (
        "import sys; from dlexp.commands.main import main\n"
        f"code = main({typed.split()!r}); print(code, sorted({{'torch', 'matplotlib'}} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "2 []\n"
    assert done.stderr

"""scripts/doctor.py as it is typed, in processes of its own."""

import json
import os
import subprocess
import sys

import pytest

from tests import ROOT
from tests.processes import Command

SCRIPT = str(ROOT / "scripts" / "doctor.py")


def doctor(*arguments, cwd):
    """Exit code, standard output and standard error."""
    process = Command(SCRIPT, *arguments, cwd=cwd)
    out, err = process.communicate()
    return process.returncode, out, err


def test_a_page_in_a_pipe(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True)
    code, out, err = done.returncode, done.stdout, done.stderr
    lines = out.splitlines()
    assert (code, err) == (0, "")
    names = {line.split()[0] for line in lines if line and line[0] not in " !"}
    assert {"software", "gpu", "cpu", "memory", "folders", "data", "run"} <= names
    assert "\x1b" not in out
    assert max(map(len, lines)) <= 100
    assert lines[-1].startswith("All right")


def test_a_document_with_the_same_facts(tmp_path):
    code, out, err = doctor("--json", "dataset=moons", "model=mlp", cwd=tmp_path)
    document = json.loads(out)
    assert (code, err, document["ok"], document["problems"]) == (0, "", True, [])
    assert document["run"]["footprint"]["num_parameters"] > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("norm=bm", "norm=bm: no such option. Options: bn, gn, in, ln, none, rms. Did you mean bn?"),
        ("--jsn", "--jsn: no such flag. Flags: --json, --help, -h."),
        ("study=loss", "study: a study is many runs"),
    ],
)
def test_a_refusal(argument, message, tmp_path):
    code, out, err = doctor(argument, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_a_folder_that_cannot_be_written_ends_with_1(tmp_path):
    (tmp_path / "file").write_text("")
    code, out, _ = doctor("output_dir=file/below", cwd=tmp_path)
    assert code == 1
    assert out.startswith("✗ folders")
    assert "output_dir=file/below cannot be written" in out


def test_help(tmp_path):
    code, out, _ = doctor("--help", cwd=tmp_path)
    assert code == 0
    assert "python scripts/doctor.py --json" in out

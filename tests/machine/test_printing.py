"""What is printed holds no control character of a foreign text, fits every encoding, and no full disk ends a command."""

import io
import os
import re
import sys
import unicodedata

import pytest
from rich.table import Table
from rich.text import Text

from dlexp.machine import printing
from dlexp.machine.console import make_console
from dlexp.machine.notices import notify
from dlexp.machine.printing import PrintedStream, guard_streams, lost_output, print_text, put_on_one_line, replace_controls
from dlexp.run.bars import Live
from dlexp.run.display import Plain, result_line, results_table
from tests import ROOT
from tests.processes import Command

TITLE, CLIPBOARD = "\x1b]0;owned\x07", "\x1b]52;c;cm0gLXJmIH4K\x07"
BIDI = "".join(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
EVIL = f"{TITLE}{CLIPBOARD}\x1b[2J\x9b31m\r{BIDI}\u2028\u2029\udcff\x00done 99 %"
ENCODINGS = ("ascii", "latin-1", "cp949", "cp1252", "utf-8", "shift_jis")


class _Terminal(io.TextIOWrapper):
    """A stream in some encoding that says it is a terminal."""

    def __init__(self, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self):
        return True

    def read_all(self):
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


def _is_control(letter):
    return letter not in "\n\t" and (unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter in BIDI)


def _open_terminal(monkeypatch):
    """Not a fixture: pytest sets its own streams between the setup of a test and its call."""
    stream = _Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


@pytest.fixture
def nothing_lost():
    """No output is lost at the beginning of a test, nor after it."""
    printing._lost.clear()
    yield
    printing._lost.clear()


def test_every_control_character_of_unicode_is_replaced_and_nothing_else():
    letters = [chr(number) for number in range(sys.maxunicode + 1)]
    for letter, shown in zip(letters, replace_controls("".join(letters)), strict=True):
        assert shown == ("?" if _is_control(letter) else letter)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_character_can_be_printed_in_every_encoding(encoding, pytestconfig):
    stream = _Terminal(encoding)
    numbers = range(sys.maxunicode + 1) if pytestconfig.getoption("--slow") else (*range(0x3000), *range(0x3000, 0x110000, 997))
    PrintedStream(stream).write("".join(map(chr, numbers)))
    assert not any(map(_is_control, stream.read_all()))


def test_signs_of_dlexp_are_readable_in_ascii():
    stream = _Terminal("ascii")
    PrintedStream(stream).write("→ 3×4 ± 1 – … ☃")
    assert stream.read_all() == "-> 3x4 +- 1 - ... \\u2603"


@pytest.mark.parametrize("show", [print_text, notify, Plain().say], ids=["print_text", "notify", "say"])
def test_what_shows_a_line_leaves_no_control_character(monkeypatch, show):
    terminal = _open_terminal(monkeypatch)
    show(EVIL)
    assert not any(map(_is_control, terminal.read_all()))


def test_print_warnings_and_tracebacks_are_guarded(monkeypatch):
    terminal = _open_terminal(monkeypatch)
    guard_streams()
    guard_streams()
    print(EVIL)
    print(EVIL, file=sys.stderr)
    sys.stdout.writelines([EVIL, "\n"])
    sys.excepthook(ValueError, ValueError(EVIL), None)
    assert not any(map(_is_control, terminal.read_all()))
    assert (sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.stream) == ("utf-8", True, terminal)


def _row(**cells):
    return {"reason": "", "status": "failed", **cells}


def test_a_table_keeps_one_line_for_each_run_and_no_control_character(monkeypatch):
    terminal = _open_terminal(monkeypatch)
    table = results_table([_row(reason=f"{EVIL}\nfailed  forged"), _row(reason="second")], ("status", "reason"))
    Plain().table(table)
    lines = terminal.read_all().splitlines()
    assert len(lines) == 3
    assert not any(map(_is_control, re.sub(r"\x1b\[[0-9;]*m", "", "".join(lines))))


def test_colours_of_the_console_work_and_those_of_a_text_do_not(monkeypatch):
    terminal = _open_terminal(monkeypatch)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    console = make_console()
    table = Table(title=EVIL)
    table.add_column(EVIL)
    table.add_row(EVIL)
    console.print(Text(EVIL, "bold red"))
    console.print(table)
    written = terminal.read_all()
    assert "\x1b[1;31m" in written
    assert not any(map(_is_control, re.sub(r"\x1b\[[0-9;]*m", "", written)))


def test_a_live_display_draws_its_bar_and_passes_no_code_of_a_text(monkeypatch):
    terminal = _open_terminal(monkeypatch)
    monkeypatch.setenv("TERM", "xterm-256color")
    with Live(num_runs=2) as display:
        display.begin(EVIL, 10, 1)
        display.say(EVIL)
        print(f"{EVIL}\x1b]8;;http://evil\x07link\x1b]8;;\x07")
        print(EVIL, file=sys.stderr)
        display.end()
    assert sys.stdout is sys.stderr is terminal
    written = terminal.read_all()
    assert "\x1b[?25l" in written  # rich hides the cursor
    without_own = re.sub(r"\x1b\[\??[0-9;]*[A-Za-z]", "", written).replace("\r", "")
    assert not any(map(_is_control, without_own))
    assert "\x1b[2J" not in written


def test_the_line_of_a_result_is_one_line(tmp_path):
    line = result_line({"status": "failed", "reason": f"a\n{EVIL}"}, tmp_path)
    assert not any(letter == "\n" or _is_control(letter) for letter in line)


def test_put_on_one_line():
    assert put_on_one_line("a\nb\tc\x1b") == "a b c?"


def test_a_full_disk_is_named_once_and_nothing_is_raised(nothing_lost, monkeypatch):
    errors = _Terminal()
    full = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w", closefd=False)
    monkeypatch.setattr(sys, "stdout", full)
    monkeypatch.setattr(sys, "stderr", errors)
    Plain().say("one")
    Plain().say("two")
    monkeypatch.undo()
    os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # takes what the stream still holds
    full.close()
    assert lost_output()
    assert errors.read_all() == "Standard output cannot be written (No space left on device): the command goes on without it.\n"


def test_a_full_disk_below_both_streams_is_silent(nothing_lost, monkeypatch):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(sys, "stderr", Full())
    print_text("one")
    print_text("two", error=True)
    assert lost_output()


def test_a_command_whose_log_is_full_does_its_work_and_ends_with_5(tmp_path):
    overrides = ("dataset=moons", "model=mlp", "norm=none", "batch_size=full", "epochs=1", "hardware=cpu")
    script = tmp_path / "full.py"
    script.write_text(
        "import os, sys, runpy\n"
        "os.dup2(os.open('/dev/full', os.O_WRONLY), 1)\n"
        f"sys.argv = ['train.py', *{overrides}, 'output_dir=runs', '-m', 'seed=1,2']\n"
        f"runpy.run_path({str(ROOT / 'train.py')!r}, run_name='__main__')\n"
    )
    command = Command(str(script), cwd=tmp_path)
    _, error = command.communicate()
    assert command.returncode == 5
    assert error.count("Standard output cannot be written (No space left on device)") == 1
    assert "Traceback" not in error
    assert len(list(tmp_path.glob("runs/*/*/summary.json"))) == 2

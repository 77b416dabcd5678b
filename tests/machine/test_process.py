import os
import subprocess
import sys

import pytest

from dlexp.errors import ConfigError
from dlexp.machine import process

COMMAND = """
import gc
from dlexp.machine.process import run_command

class Part:
    def __del__(self): print("freed")

part = Part()

def main():
    print(gc.get_threshold()[0])
    return 3

run_command(main)
"""

FREED = """
import resource, sys, torch
from dlexp.machine import device
if sys.argv[1] == "reused":
    device.configure_torch(torch.device("cpu"), num_threads=1, determinism="seeded", tf32=False)
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
for _ in range(3):
    before = faults()
    blocks = [torch.ones(2**21) for _ in range(8)]
    del blocks
held, taken = resident(), faults() - before
device.empty_cache()
print(taken, held - resident())
"""


def python(code, *arguments, settings):
    environment = {key: value for key, value in os.environ.items() if key != process.VARIABLE}
    environment |= {} if settings is None else {process.VARIABLE: settings}
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("off", [None, "gc", "exit"])
def test_each_word_switches_its_own_setting(off):
    settings = None if off is None else ",".join(name for name in process.SETTINGS if name != off)
    done = python(COMMAND, settings=settings)
    threshold, *freed = done.stdout.split()
    assert (int(threshold) == process.NEW_OBJECTS) == (off != "gc")
    assert (freed == ["freed"]) == (off == "exit")
    assert (done.returncode, done.stderr) == (3, "")


def test_an_empty_list_switches_everything_off():
    assert python(COMMAND, settings="").stdout.split() == ["700", "freed"]


def test_an_unknown_word_is_refused():
    done = python(COMMAND, settings="gc,mallok")
    assert (done.returncode, done.stdout) == (2, "freed\n")
    assert done.stderr == "DLEXP_PROCESS: expected a list of gc, exit, malloc, got mallok.\n"


def test_a_caller_without_a_command_gets_the_same_refusal(monkeypatch):
    monkeypatch.setenv(process.VARIABLE, "none")
    with pytest.raises(ConfigError, match="got none"):
        process.reuse_freed_memory()


def test_an_exception_is_left_to_the_interpreter():
    done = python(COMMAND.replace("return 3", "raise KeyError(3)"), settings=None)
    assert done.returncode == 1
    assert "KeyError: 3" in done.stderr
    assert done.stdout.endswith("freed\n")


@pytest.mark.skipif(process._glibc() is None, reason="needs glibc")
def test_a_cpu_step_finds_the_memory_that_the_last_one_freed():
    """Eight blocks of 8 MiB; memory held for reuse can be returned."""
    settings = {"reused": None, "plain": None, "off": "gc,exit"}
    runs = {how: python(FREED, "plain" if how == "plain" else "reused", settings=listed) for how, listed in settings.items()}
    numbers = {how: [int(number) for number in done.stdout.split()] for how, done in runs.items()}
    # One of the eight may be new: where the heap begins is random, and a block may not fit into the gaps of the others.
    assert 4 * numbers["reused"][0] < numbers["plain"][0]
    assert 4 * numbers["reused"][0] < numbers["off"][0]
    assert numbers["reused"][1] > 2**25

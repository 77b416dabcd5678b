"""Run an ablation: a recipe, the recipe without each of its switches, the plain run, and the plain run with each of them.

The report says what each switch is worth: what taking it out of the recipe costs, and what it alone adds to the plain run.
"""

import shlex

from dlexp.commands.attempt import attempt
from dlexp.commands.lab import choose_lab
from dlexp.commands.launch import Typed, launch_study
from dlexp.commands.train import run_whole_study
from dlexp.config.entry import show_command, show_uses
from dlexp.config.launcher import take_launcher
from dlexp.run import signals
from dlexp.study.ablation import OF_A_STUDY, SHARED, read_ablation
from dlexp.study.jobs import check_process_group

USES = {
    "augment=standard dropout=0.2 optimizer=muon seeds=10": "three switches, eight cells, ten seeds each",
    "dataset=cifar10 epochs=20 augment=standard dropout=0.2": "the data and the length are those of all runs",
    "dropout=0.2 augment=standard 'base={width: 64}'": "all runs have this width",
    "dropout=0.2 'recipe={epochs: 20}'": "the length is a switch",
    "dropout=0.2 augment=standard norm=gn 'zip=[dropout,norm]'": "two settings that are one switch",
    "study=ablate_default jobs=2": "the recipe of a study's file",
}
RULES = """\
Each setting that is typed is a switch of the recipe. These are settings of all runs: {shared},
and those below them. `base` says further ones, and `recipe` makes a switch of one. An option and the settings of its group are
one switch. So are settings of which one is not possible, or has no effect, without the other: a line says so.

The plain run has the defaults, or what `base` says. A switch must differ from it.

{words} are as in a study's file; seeds=10 are the seeds 0 to 9.
name=... is the folder of the study below outputs/. jobs=2 and the like are as for other studies.
{plan} --ablate ... lists the cells, and the time to expect."""


def main(arguments: list[str]) -> int:
    """Run an ablation, and write its report.

    Returns:
        The exit code; docs/runs.md lists them.
    """
    signals.listen()
    return attempt(lambda: _command(arguments))


def _command(arguments: list[str]) -> int:
    if {"-h", "--help"}.intersection(arguments) or not arguments:
        words = {"shared": ", ".join(SHARED), "words": ", ".join(OF_A_STUDY), "plan": show_command("plan")}
        print(__doc__.rstrip(), show_uses("ablate", USES), RULES.format(**words), sep="\n\n")
        return 0
    check_process_group()
    arguments, launcher = take_launcher(arguments)
    study, request = read_ablation(choose_lab(arguments))
    if launcher:
        return launch_study(launcher, Typed("ablate", arguments), study, request)
    return run_whole_study(study, request, f"{show_command('ablate')} {shlex.join(arguments)}")

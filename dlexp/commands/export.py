"""Write the model of a trained run as files that do not need dlexp."""

import argparse
from pathlib import Path

from dlexp.commands.attempt import attempt
from dlexp.commands.lab import choose_lab
from dlexp.commands.predict import add_run_flags
from dlexp.config.entry import show_command, show_uses
from dlexp.config.values import make_printable
from dlexp.trained.find import find_run

USES = {
    "weights 3f2a": "the run whose id begins so",
    "weights 3f2a --output my_model": "the same, in a folder my_model",
}
FILES = """\
The folder holds model.safetensors (the weights), model.json (what the model
computes, the scaling of its inputs, the names of its classes, the config) and
load.py, which loads them with torch and safetensors alone."""


def main(arguments: list[str]) -> int:
    """Read the command line, write the files, and print their folder.

    Returns:
        The exit code, as of `train`.
    """
    parser = argparse.ArgumentParser(
        show_command("export"),
        description=f"{__doc__}\n\n{show_uses('export', USES)}\n\n{FILES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("weights",), help="what to write")
    parser.add_argument("run", metavar="RUN", help="its id or the first four digits of it, its folder, or the folder's name")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="a new folder (default: model-ID)")
    add_run_flags(parser)
    return attempt(lambda: _export(parser.parse_args(choose_lab(arguments))))


def _export(given: argparse.Namespace) -> int:
    folder = find_run(given.run, given.outputs)
    from dlexp.trained.export import export_weights  # load torch; a wrong command is refused before
    from dlexp.trained.load import load_trained

    trained = load_trained(folder)
    written = export_weights(trained, given.output or Path(f"model-{trained.id}"))
    if written.needs_dlexp:
        print(f"There is no load.py: the model needs dlexp, as {make_printable(written.needs_dlexp)}.")
    elif (trained_in := trained.config["precision"]["format"]) != "fp32":
        print(f"The run was trained in {trained_in}; load.py computes in fp32, so that last digits differ.")
    print(f"→ {written.folder}: {', '.join(written.files)}")
    return 0

"""Write down what a study asks and predicts, with a hash, the date and the git commit, before its first run."""

from dlexp.commands.attempt import attempt
from dlexp.commands.lab import choose_lab
from dlexp.config.entry import show_command, show_uses
from dlexp.errors import ConfigError
from dlexp.study.request import compose_runs, names_study, read_command
from dlexp.study.search import read_search

USES = {
    "study=depth_activation": "the study as its file is now",
    "study=path/to/file.yaml": "a study of your own",
    "study=activation_2d epochs=3": "with the changes of a command, which make a report of its own",
}
NOTE = "It is added to registrations.json in the folder of the study's report. The report says what it finds there."


def main(arguments: list[str]) -> int:
    """Register a study, and print what was written.

    Returns:
        The exit code; docs/runs.md lists them.
    """
    return attempt(lambda: _command(arguments))


def _command(arguments: list[str]) -> int:
    if {"-h", "--help"}.intersection(arguments):
        print(__doc__, show_uses("register", USES), NOTE, sep="\n\n")
        return 0
    overrides = choose_lab(arguments)
    if not names_study(overrides):
        raise ConfigError(f"study: name the study to register: {show_command('register')} study=NAME.")
    study, request = read_command(overrides)
    compose_runs(study, request)  # what cannot run is refused before torch is loaded
    from dlexp.run.record.registrations import list_differing_keys
    from dlexp.run.record.registrations import show_registration as show
    from dlexp.study.registration import register

    path, registration, is_new, earlier = register(study, request)
    if not is_new:
        print(f"{study.name} is registered as it is, on {show(registration)}. Nothing was added.")
        return 0
    content = registration["study"]
    draws = f" on each of {len(request.data_seeds)} draws of the data" if request.data_seeds else ""
    search = read_search(study)
    tuned = f", each tuned in {len(search.trials)} trials," if search else ""
    print(
        f"{study.name}: {len(content['predictions'])} predictions over {len(request.cells)} cells and {len(request.seeds)} "
        f"seeds{draws}{tuned} registered on {show(registration)}."
    )
    if earlier:
        differs = ", ".join(list_differing_keys(earlier, content))
        print(f"It differs from the registration of {show(earlier)} in: {differs}.")
    if registration["begun"]:
        print(f"{registration['begun']} of its runs have been started before, and its report will say so.")
    print(f"sha256 {registration['hash']}\n→ {path}")
    return 0

"""Analyse a study in Python: its cells and verdicts."""

from pathlib import Path

from dlexp.analysis.judge.analyse import analyse as analyse_folder
from dlexp.analysis.judge.result import StudyResult
from dlexp.config.suggestion import nearest_option
from dlexp.config.values import make_printable
from dlexp.errors import ConfigError

REFERENCE = "reference"  # the folder in outputs/ with the tables of published studies


class Analysis(StudyResult):
    """A study's runs, aggregated and judged."""

    def __repr__(self) -> str:
        """The question, and a line for each verdict."""
        study = self.protocol["study"]
        lines = [f"{study['name']}: {study['question']} ({len(self.runs)} runs in {len(self.cells)} cells)"]
        return "\n".join([*lines, *(f"  {verdict.verdict}: {verdict.claim} ({verdict.reason})" for verdict in self.verdicts)])

    def _repr_html_(self) -> str:
        """The question, the verdicts and the table of cells, for a notebook."""
        from dlexp.api.html import show_lines, show_table

        columns = [*self.keys, "n", "mean", "low", "high"]
        metric = self.protocol["study"]["metric"]
        cells = self.cells[[name for name in columns if name in self.cells]]
        shown = cells.rename(columns={name: f"{name} {metric}" for name in ("mean", "low", "high")})
        return show_lines(repr(self).splitlines()) + show_table(shown)


def analyse(study: str | Path, *, outputs: str | Path = "outputs") -> Analysis:
    """Aggregate and judge the runs of a study.

    Args:
        study: Its name, or the folder that holds its protocol.json.
        outputs: The folder in which a name is searched, and then in its folder `reference`.

    Raises:
        ConfigError: If there is no such study.
        DamagedError: If its protocol.json cannot be read.
    """
    outputs = Path(outputs).expanduser()
    below = [outputs, outputs / REFERENCE]
    for folder in (Path(study).expanduser(), *(place / study for place in below)):
        if (folder / "protocol.json").is_file():
            return Analysis(**vars(analyse_folder(folder)))
    there = sorted({path.parent.name for place in below for path in place.glob("*/protocol.json")})
    name = make_printable(str(study))
    listed = (
        f"Studies there: {', '.join(map(make_printable, there))}.{nearest_option(name, there)}" if there else "There is none."
    )
    raise ConfigError(f"{name}: no study with a protocol.json below {make_printable(str(outputs))}. {listed}")

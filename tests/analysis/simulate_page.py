"""Write the tables of docs/statistics.md from what simulate.py and simulate_power.py have written.

`python -m tests.analysis.simulate_page FOLDER` reads verdicts.csv, known.csv and estimated.csv. Only parts count that all cases
have, so that each number is of as many studies.
"""

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests import ROOT
from tests.analysis.simulate import AS_NAMED, Case, Counts, allow, list_cases, read_rows
from tests.analysis.simulate_data import DATA, UNEQUAL
from tests.analysis.simulate_looks import EVERYWHERE, PLANS
from tests.analysis.simulate_power import ESTIMATED, KNOWN, STUDIES

PAGE = ROOT / "docs" / "statistics.md"
PAIRINGS = ("paired", "independent")
Results = dict[Case, Counts]
Row = Sequence[str]


def add_parts(rows: Sequence[dict[str, str]]) -> Results:
    """The counts of each case, summed over the parts that all cases have."""
    cases = list(list_cases())
    parts = {case: set[str]() for case in cases}
    counts = {}
    for row in rows:
        case = Case(*(row[name] for name in Case._fields))
        if case in parts:
            parts[case].add(row["part"])
            counts[case, row["part"]] = [int(row[name]) for name in Counts._fields]
    shared = set.intersection(*parts.values())
    return {case: Counts(*map(sum, zip(*(counts[case, part] for part in shared), strict=True))) for case in cases}


def is_bounded(case: Case) -> bool:
    """Whether the project promises 5 % for such a study."""
    return case.data != UNEQUAL and PLANS[case.seeds].planned


def list_misses(results: Results) -> Iterator[str]:
    """Each case with more errors, or less coverage, than its bound."""
    for case, counts in results.items():
        if not is_bounded(case):
            continue
        if counts.wrong / counts.studies > allow(counts.studies):
            yield f"{', '.join(case)}: {show(counts.wrong, counts.studies)} % wrong"
        for level, covered, shown in ((0.95, counts.covered95, counts.shown95), (0.9, counts.covered90, counts.shown90)):
            if shown and 1 - covered / shown > allow(shown, 1 - level):
                yield f"{', '.join(case)}: {show(covered, shown)} % of the {level:.0%} intervals cover"


def show(part: int, total: int) -> str:
    """A share in per cent."""
    return f"{100 * part / total:.1f}"


def make_table(head: Row, rows: Iterable[Row]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def summarise(results: Results) -> str:
    """How many studies there are, which numbers are allowed, and which are beyond."""
    studies = next(iter(results.values())).studies
    bounded = {case: counts for case, counts in results.items() if is_bounded(case)}
    worst = max(bounded, key=lambda case: bounded[case].wrong)
    least = min(bounded, key=lambda case: bounded[case].covered95 / bounded[case].shown95)
    misses = "; ".join(list_misses(results)) or "none of these numbers"
    return "\n".join(
        [
            f"- Each number of the tables on verdicts and intervals is of {studies:,} studies of a kind.",
            f"  There are {len(bounded)} kinds of which at most 5 % may be wrong, and {len(results) - len(bounded)} others.",
            f"- With 3.5 standard errors, {100 * allow(studies):.2f} % of the studies of a kind may have a wrong verdict.",
            f"  The largest number is {show(bounded[worst].wrong, studies)} % ({', '.join(worst)}).",
            f"- The least coverage of 95 % intervals is {show(bounded[least].covered95, bounded[least].shown95)} %",
            f"  ({', '.join(least)}; {bounded[least].shown95:,} intervals).",
            f"- Beyond its bound: {misses}.",
        ]
    )


def list_wrong(results: Results) -> Iterator[Row]:
    """Per cent of studies with a wrong verdict, a row for each kind of data, truth and pairing."""
    for data, arms in DATA.items():
        for truth, pairing in itertools.product(AS_NAMED if arms.can_fail else _truths(results, data), PAIRINGS):
            cells = []
            for seeds in EVERYWHERE:
                counts = results[Case(data, truth, pairing, seeds)]
                decided = f" of {show(counts.decided, counts.studies)}" if counts.decided != counts.wrong else ""
                cells.append(show(counts.wrong, counts.studies) + decided)
            yield [data, truth, pairing, *cells]


def _truths(results: Results, data: str) -> list[str]:
    return list(dict.fromkeys(case.truth for case in results if case.data == data))


def list_coverage(results: Results) -> Iterator[Row]:
    """The least coverage of the intervals over what is true, a row for each kind of data, pairing and interval."""
    for data, pairing, level in itertools.product(DATA, PAIRINGS, ("95", "90")):
        cells = []
        for seeds in EVERYWHERE:
            of_kind = [counts for case, counts in results.items() if case[::2] == (data, pairing) and case.seeds == seeds]
            pairs = [(getattr(counts, f"covered{level}"), getattr(counts, f"shown{level}")) for counts in of_kind]
            cells.append(min((show(*pair) for pair in pairs if pair[1]), key=float, default=""))
        if any(cells):
            yield [data, pairing, f"{level} %", *cells]


def list_looks(results: Results) -> Iterator[Row]:
    """Per cent of studies without any difference in which something is decided, a row for each kind of looks."""
    for seeds in list(PLANS)[EVERYWHERE.index("20") + 1 :]:
        cases = [Case("normal", truth, pairing, seeds) for truth in ("no difference", "no differences") for pairing in PAIRINGS]
        yield [seeds, *(show(results[case].wrong, results[case].studies) for case in cases)]


def list_known(rows: Sequence[dict[str, str]]) -> Iterator[Row]:
    """The power at the number of seeds that is named, and at one less."""
    for row in rows:
        needed, total = int(row["needed"]), int(row["studies"])
        less = row["holds_with_one_less"]
        before = show(int(less), total) if less else "the least number"
        yield [*_name(row), f"{needed}", show(int(row["holds"]), total), before]


def list_estimated(rows: Sequence[dict[str, str]]) -> Iterator[Row]:
    """In how many per cent of the studies the number that a card names is enough."""
    for row in rows:
        yield [*_name(row), row["seeds"], row["needed"], row["named"], show(int(row["enough"]), int(row["named"]))]


def _name(row: dict[str, str]) -> list[str]:
    return [row["expected"], row["size"], row["pairing"], row["family"]]


def _order(rows: list[dict[str, str]], cases: Sequence[Sequence[object]], fields: Sequence[str]) -> list[dict[str, str]]:
    """The rows in the order of the cases; they were written as each ended."""
    found = {tuple(row[name] for name in fields): row for row in rows}
    return [found[key] for case in cases if (key := tuple(map(str, case))) in found]


def fill(text: str, name: str, content: str) -> str:
    """Replace what stands between the markers of this name."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n{content}\n\n{end}{after}"


def main(folder: Path) -> None:
    """Write all tables, and print what is beyond its bound."""
    results = add_parts(read_rows(folder / "verdicts.csv"))
    known = _order(read_rows(folder / "known.csv"), KNOWN, KNOWN[0]._fields)
    estimated = _order(
        read_rows(folder / "estimated.csv"), [(*case.known, case.seeds) for case in ESTIMATED], (*KNOWN[0]._fields, "seeds")
    )
    design = ["expected", "effect / deviation", "pairing", "predictions"]
    columns = ["5 seeds", "10 seeds", "20 seeds", "looks at 5, 10, 20"]  # of EVERYWHERE
    looks = ["looks", *(f"{count}, {pairing}" for count in ("one prediction", "five") for pairing in PAIRINGS)]
    power = ["number", f"power, % of {STUDIES:,} studies", "power with one less, %"]
    cards = ["seeds", "number needed", "cards with a number", "enough, %"]
    content = {
        "summary": summarise(results),
        "wrong": make_table(["data", "what is true", "pairing", *columns], list_wrong(results)),
        "coverage": make_table(["data", "pairing", "interval", *columns], list_coverage(results)),
        "looks": make_table(looks, list_looks(results)),
        "known": make_table([*design, *power], list_known(known)),
        "estimated": make_table([*design, *cards], list_estimated(estimated)),
    }
    text = PAGE.read_text(encoding="utf-8")
    for name, each in content.items():
        text = fill(text, name, each)
    PAGE.write_text(text, encoding="utf-8")
    print("\n".join(list_misses(results)) or "nothing is beyond its bound")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

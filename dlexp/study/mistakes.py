"""Find what contradicts itself in a study's file: cells that are one, selectors of no cell, published numbers in per cent."""

from collections.abc import Iterator, Mapping
from typing import Any

from dlexp.config.grid import EXCLUDE, ZIP, Grid, normalise
from dlexp.config.grid_mistakes import find_exclude_mistakes, find_zip_mistakes
from dlexp.config.values import format_value
from dlexp.run.record.protocol_form import find_effect
from dlexp.study.cells import Cell, Study, meets, overrides_of, spell, spell_cell
from dlexp.study.form import NUMBERS
from dlexp.study.metrics import describe_unknown, is_rate
from dlexp.study.search import find_tune_mistakes, find_tuned_axes, list_tuned


def find_contradictions(study: Study) -> Iterator[str]:
    """Every mistake of a study whose file has the right form, one line each."""
    cells = study.all_cells()
    if not cells:
        yield "neither axes nor cells, nor a recipe."
        return
    if study.pairing not in ("paired", "independent"):
        yield f"pairing: must be paired or independent, got {study.pairing}."
    if study.looks and study.looks[-1] != len(study.units):
        units = "data_seeds" if study.data_seeds else "seeds"
        yield f"looks: the last must be {len(study.units)}, the number of {units}, got {study.looks[-1]}."
    if study.bounds and not study.looks:
        yield "bounds: only with looks, the numbers of seeds at which the study is judged."
    yield from _find_twice(study)
    yield from _find_set_draws(study)
    yield from _find_equal_cells(study)
    for condition in study.when:
        if not any(meets(cell, condition) for cell in cells):
            yield f"when: {condition} selects no cell."
    if problem := describe_unknown(study.metric):
        yield f"metric: {problem}"
    claims: set[str] = set()
    for prediction in study.predictions:
        if prediction["claim"] in claims:
            yield f"predictions: the claim {format_value(prediction['claim'])} comes twice."
        claims.add(prediction["claim"])
        yield from _check_prediction(prediction, study.metric, cells)
        if study.exclude or study.skipped:
            yield from _find_unlike_sides(prediction, study)
    yield from _find_effect_mistakes(study)
    yield from _check_reference(study, cells)


def _find_twice(study: Study) -> Iterator[str]:
    """Values of an axis or of a search, seeds and draws of the data that come twice. Each run would count twice."""
    listed = {f"axes: {key}": values for key, values in study.axes.items()}
    listed |= {f"tune: {key}": values for key, values in list_tuned(study).items()}
    listed |= {"seeds": study.seeds, "data_seeds": study.data_seeds, "tune: seeds": study.tune.get("seeds", [])}
    for place, values in listed.items():
        seen: set[str] = set()
        for value in values:
            if (name := _normalise(value)) in seen:
                yield f"{place}: {spell(value)} comes twice."
            seen.add(name)


def _find_set_draws(study: Study) -> Iterator[str]:
    """Settings that would set the draw of the data, which `data_seeds` varies, and a list of a single draw."""
    if len(study.data_seeds) == 1:
        yield f"data_seeds: must list two draws or more: one is set by `base`, data_seed: {study.data_seeds[0]}."
    whens = [(f"when: {condition}", values) for condition, values in study.when.items()]
    for place, keys in [("base", study.base), *whens, ("axes and cells", study.keys)] if study.data_seeds else ():
        for key in ("data_seed", "dataset.data_seed"):
            if key in keys:
                yield f"{place}: {key}: data_seeds sets it in every run: leave one of the two out."


def _normalise(value: Any) -> str:
    """A value as text that is equal for equal settings: 1, 1.0 and '1' are typed in the same way, or mean the same."""
    return normalise(value) if isinstance(value, float | list | Mapping) else spell(value)


def find_grid_mistakes(study: Study) -> Iterator[str]:
    """What is wrong with `tune`, and with `zip` and `exclude` beside the axes: without it, a study has cells and trials."""
    grid = Grid(study.zip, study.exclude)
    yield from find_tune_mistakes(study)
    tuned = list(find_tuned_axes(grid, study))
    if lines := tuned or [f"{ZIP}: {line}" for line in find_zip_mistakes(grid, study.axes)]:
        yield from lines
    else:
        yield from (f"{EXCLUDE}: {line}" for line in find_exclude_mistakes(grid, study.axes))


def _find_equal_cells(study: Study) -> Iterator[str]:
    """Cells whose runs are one run: it would count in each of them, or twice in one."""
    seen: dict[tuple[tuple[str, str], ...], Cell] = {}
    for cell in study.all_cells():
        settings = overrides_of(study.base)
        for condition, values in study.when.items():
            settings |= overrides_of(values) if meets(cell, condition) else {}
        settings |= overrides_of(cell)
        key = tuple(sorted(settings.items()))
        if key in seen and not _comes_twice(seen[key], cell, study):
            yield (
                f"cells: {spell_cell(cell)} comes twice."
                if seen[key] == cell
                else f"cells: {spell_cell(seen[key])} and {spell_cell(cell)} are one run: they set the same."
            )
        seen.setdefault(key, cell)


def _comes_twice(first: Cell, second: Cell, study: Study) -> bool:
    """Whether two equal cells come from a value that an axis has twice, which the check of the axis reports."""
    return first == second and any(study.axes[key].count(value) > 1 for key, value in second.items() if key in study.axes)


def _check_prediction(prediction: Mapping[str, Any], default_metric: str, cells: list[Cell]) -> Iterator[str]:
    metric = prediction.get("metric", default_metric)
    if "metric" in prediction and (problem := describe_unknown(metric)):
        yield f"predictions: metric: {problem}"
    yield from _check_margin(prediction, metric)
    sides: list[list[Cell]] = []
    for side in ("plus", "minus"):
        given, where = prediction[side], prediction.get("where", {})
        selectors = [where | selector for selector in (given if isinstance(given, list) else [given])]
        for selector in selectors:
            if not any(selector.items() <= cell.items() for cell in cells):
                yield f"predictions.{side}: {selector} selects no cell."
        sides.append([cell for cell in cells if any(selector.items() <= cell.items() for selector in selectors)])
    for cell in sides[0]:
        if cell in sides[1]:
            yield f"predictions: {format_value(prediction['claim'])}: {spell_cell(cell)} is on both sides, plus and minus."
            break


def _find_unlike_sides(prediction: Mapping[str, Any], study: Study) -> Iterator[str]:
    """Sides that would be means over other combinations of the other axes, because some are left out."""
    where, sides = prediction.get("where", {}), (prediction["plus"], prediction["minus"])
    if any(isinstance(side, list) for side in sides) or sides[0].keys() != sides[1].keys():
        return  # chosen cell by cell
    fixed = {*sides[0], *(key for group in study.zip if not sides[0].keys().isdisjoint(group) for key in group)}
    selected = [[cell for cell in study.all_cells() if (where | side).items() <= cell.items()] for side in sides]
    others = [[{key: cell[key] for key in cell if key not in fixed} for cell in side] for side in selected]
    for own, other in (others, others[::-1]) if all(selected) else ():
        if lacking := [rest for rest in own if rest not in other]:
            yield (
                f"predictions: {format_value(prediction['claim'])}: compares means over unlike cells, because a combination is "
                f"left out: only one side has {spell_cell(lacking[0])}. Choose cells that both sides have by `where`."
            )
            return


def _check_margin(prediction: Mapping[str, Any], metric: str) -> Iterator[str]:
    """Check `margin` and `ratio` of a prediction."""
    margin, ratio = prediction.get("margin", 0), prediction.get("ratio")
    if is_rate(metric) and abs(margin) > 1:
        points = f"Write {margin / 100:.6g} for {margin} points."
        yield f"predictions: margin: {metric} is a rate between 0 and 1, got {margin}. {points}"
    if ratio is None:
        if prediction["expected"] == "equal" and not margin > 0:
            yield "predictions: expected: equal needs a margin above 0, or a ratio above 1."
        return
    if margin:
        yield "predictions: margin and ratio: give one of the two."
    least = "above 1 with expected: equal" if prediction["expected"] == "equal" else "at least 1"
    if ratio < 1 or (ratio == 1 and "above" in least):
        yield f"predictions: ratio must be a number {least}, got {format_value(ratio)}."


def _find_effect_mistakes(study: Study) -> Iterator[str]:
    """Differences of interest of which a prediction is not true, or that no prediction uses."""
    given = {"metric": study.metric, "effect": study.effect}
    inherit = [each for each in study.predictions if find_effect(each, given) != find_effect(each, {})]
    if study.effect is not None and not inherit and not study.recipe:
        yield "effect: no prediction uses it: each has its own, is about another metric, or expects equal. Leave it out."
    if len({each.get("ratio") is None for each in inherit}) > 1:
        yield "effect: is a factor where predictions have a ratio, and a difference elsewhere. Give each one of its own."
        return
    for prediction in study.predictions:
        effect = find_effect(prediction, given)
        if effect is not None and ("effect" in prediction or prediction in inherit):
            yield from _check_effect(effect, prediction, study.metric)


def _check_effect(effect: float, prediction: Mapping[str, Any], default_metric: str) -> Iterator[str]:
    """Check that a prediction is true of its difference of interest."""
    metric, ratio, claim = prediction.get("metric", default_metric), prediction.get("ratio"), format_value(prediction["claim"])
    own = "" if "effect" in prediction else " Give that prediction one of its own."
    place = "effect" if own else "predictions: effect"
    if is_rate(metric) and ratio is None and effect > 1:
        points = f"Write {effect / 100:.6g} for {effect:.6g} points."
        yield f"{place}: {metric} is a rate between 0 and 1, got {effect:.6g}. {points}"
        return
    nothing, name, kind = (0, "margin", "a size") if ratio is None else (1, "ratio", "a factor")
    boundary = max(nothing, prediction.get(name, 0))
    if prediction["expected"] == "equal":
        if not nothing <= effect < boundary:
            yield f"{place}: {claim}: must be {kind} from {nothing} to below the {name} {boundary:.6g}, got {effect:.6g}."
    elif not effect > boundary:
        above = f"above the {name} {boundary:.6g}" if boundary > nothing else f"above {nothing}"
        yield f"{place}: {claim}: must be {kind} {above}, got {effect:.6g}.{own}"


def _check_reference(study: Study, cells: list[Cell]) -> Iterator[str]:
    """Check that each published number is one of the study's metric, and belongs to a cell that has no other."""
    owners: dict[int, Cell] = {}
    for entry in study.reference.get("values", []):
        selector = {key: item for key, item in entry.items() if key not in NUMBERS}
        selected = [place for place, cell in enumerate(cells) if selector.items() <= cell.items()]
        if not selected:
            yield f"reference: {selector} selects no cell."
        if twice := [place for place in selected if place in owners]:
            yield f"reference: {spell_cell(cells[twice[0]])} has two published numbers."
        owners |= dict.fromkeys(selected, selector)
        for key in ("value", "sd"):
            if is_rate(study.metric) and not 0 <= entry.get(key, 0) <= 1:
                rate = f" Write {entry[key] / 100:.6g}." if 1 < entry[key] <= 100 else ""
                yield f"reference: {key}: {study.metric} is a rate between 0 and 1, got {entry[key]}.{rate}"
        if entry.get("sd", 0) < 0:
            yield f"reference: sd: must be at least 0, got {entry['sd']}."
        if not isinstance(entry.get("n", 1), int) or entry.get("n", 1) < 1:
            yield f"reference: n: must be a whole number, at least 1, got {entry['n']}."

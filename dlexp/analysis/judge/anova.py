"""Decompose the variation of a metric over runs into factors, interactions, seeds and noise: an analysis of variance."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from dlexp.analysis.judge.statistics import LEVEL, MIN_SEEDS

Term = tuple[str, ...]  # a factor, or the factors of an interaction
HIGHER, SEED, RESIDUAL = ("higher",), ("seed",), ("residual",)  # what follows the terms in a table
CELL = ("cell",)  # of the model with one factor, whose levels are the cells
NUM_RESAMPLES = 1000
BATCH = 250  # resamples that are in memory at a time
RIDGE = 1e-10  # added to a design, relative to its mean diagonal: too little to change a share
FACTOR = "f{}"  # the columns of the factors: a formula takes no key with a dot


def find_max_order(runs: pd.DataFrame, num_factors: int) -> int:
    """The largest number of factors for which all interactions of so many factors can be estimated; 0 if no factor can.

    Args:
        runs: One row per run: `value`, `seed`, and the columns `f0, f1 ...`, which number the levels of each factor.
        num_factors: Number of factors.
    """
    for order in range(num_factors, 0, -1):
        if _has_full_rank(_make_model(runs, _list_factors(num_factors), order)):
            return order
    return 0


def can_separate_seeds(runs: pd.DataFrame, num_factors: int) -> bool:
    """Whether each cell, each seed and the noise can be told apart, given the same table."""
    model = _make_model(*_as_cells(runs, num_factors))
    return _has_full_rank(model) and len(runs) > model.exog.shape[1]


def decompose(runs: pd.DataFrame, num_factors: int, max_order: int) -> pd.DataFrame:
    """Decompose the values of runs by type II sums of squares, with seeds as blocks.

    A sum of squares of type II is what a term explains beyond all terms that do not contain it. Where every seed has every
    cell, the sums of squares of all terms add up to the total.

    Args:
        runs: As in `find_max_order`; the values are not all equal.
        num_factors: Number of factors.
        max_order: Number of factors of the largest interactions, from `find_max_order`; what interactions of more factors
            explain is one term, `HIGHER`.

    Returns:
        One row per term, small interactions first, then `HIGHER` (if there is one), `SEED` and `RESIDUAL`: `term` (a tuple of
        columns), `df`, `share` of the total sum of squares, its 95 % interval `low, high`, and `noise`, the share that a
        term without an effect has on average. The interval is a t interval around the share, cut to 0 to 1, whose standard
        error is a bootstrap over seeds with a fixed seed. Seeds and residual have none, because their shares depend on the
        number of seeds; nor has any term with fewer than five seeds.
    """
    from statsmodels.stats.anova import anova_lm

    fit = _make_model(runs, _list_factors(num_factors), max_order).fit()
    cells = _make_model(*_as_cells(runs, num_factors)).fit()
    with np.errstate(divide="ignore", invalid="ignore"):  # F where nothing is left to the residual
        sums, last = (
            {_parse_term(row.Index): (row.df, row.sum_sq) for row in anova_lm(each, typ=2).itertuples()}
            for each in (fit, cells)
        )
    found = {term: pair for term, pair in sums.items() if term not in (SEED, RESIDUAL)}
    if max_order < num_factors:
        found[HIGHER] = fit.df_resid - cells.df_resid, fit.ssr - cells.ssr
    found |= {SEED: last[SEED], RESIDUAL: last[RESIDUAL]}
    table = pd.DataFrame([(term, *pair) for term, pair in found.items()], columns=["term", "df", "sum"])
    noise = table["df"] * cells.mse_resid / cells.centered_tss
    table = table.assign(share=table["sum"] / cells.centered_tss, low=np.nan, high=np.nan, noise=noise).drop(columns="sum")
    if (num_seeds := runs["seed"].nunique()) >= MIN_SEEDS:
        shown = len(table) - 2  # without seeds and residual
        errors = _estimate_errors(_ShareFunction(runs, fit.model, cells.model, list(found)[:shown]), num_seeds)
        half = stats.t.ppf(0.5 + LEVEL / 2, num_seeds - 1) * errors
        table.loc[: shown - 1, "low"] = np.clip(table["share"][:shown] - half, 0, 1)
        table.loc[: shown - 1, "high"] = np.clip(table["share"][:shown] + half, 0, 1)
    return table


def _list_factors(num_factors: int) -> list[str]:
    return [FACTOR.format(i) for i in range(num_factors)]


def _as_cells(runs: pd.DataFrame, num_factors: int) -> tuple[pd.DataFrame, list[str], int]:
    """The arguments of `_make_model` for a model with one factor, whose levels are the cells."""
    return runs.assign(cell=runs.groupby(_list_factors(num_factors), sort=False).ngroup()), ["cell"], 1


def _make_model(runs: pd.DataFrame, factors: Sequence[str], max_order: int) -> Any:
    from statsmodels.formula.api import ols

    terms = " + ".join(f"C({name})" for name in factors)
    return ols(f"value ~ C(seed) + ({terms}) ** {max_order}", runs)


def _has_full_rank(model: Any) -> bool:
    return bool(np.linalg.matrix_rank(model.exog) == model.exog.shape[1])


def _parse_term(name: str) -> Term:
    """The term of a row of an analysis of variance, `C(f0):C(f1)`, or of a column of a design, `C(f0)[T.1]:C(f1)[T.2]`."""
    return tuple(re.findall(r"C\((\w+)\)", name)) or RESIDUAL


class _ShareFunction:
    """The shares of all terms in a resample of seeds, from sums over the runs of each seed.

    A seed that is drawn twice is two blocks with equal runs, so a resample is the same analysis in which the weight of a seed
    is the number of its draws. Subtracting each seed's means from its runs removes the blocks.

    Args:
        runs: As in `decompose`.
        model: The model with the terms.
        cells: The model with one factor, whose levels are the cells.
        terms: The rows of the table.
    """

    def __init__(self, runs: pd.DataFrame, model: Any, cells: Any, terms: Sequence[Term]) -> None:
        self.terms = terms
        self.names = [_parse_term(name) for name in [*model.exog_names, *cells.exog_names]]
        columns = np.column_stack([model.exog, cells.exog, model.endog - model.endog.mean()])
        blocks = [columns[rows] for rows in runs.groupby("seed").indices.values()]
        self.products = np.stack([block.T @ block for block in blocks])  # [seed, column, column]; the last column is the value
        centred = [block - block.mean(0) for block in blocks]
        self.centred = np.stack([block.T @ block for block in centred])

    def __call__(self, draws: np.ndarray) -> np.ndarray:
        """Number of draws [resample, seed] → share [term, resample]."""
        whole = draws @ self.products[:, -1, -1]
        total = whole - self._explain(self.products, draws, {RESIDUAL})
        every = set(self.names) - {CELL, SEED, RESIDUAL}
        shares = []
        for term in self.terms:
            with_it = {other for other in every if not set(term) < set(other)}
            without = {other for other in every if not set(term) <= set(other)}
            if term == HIGHER:
                with_it, without = {CELL}, every
            explained = self._explain(self.centred, draws, with_it) - self._explain(self.centred, draws, without)
            shares.append(np.divide(explained, total, out=np.zeros_like(total), where=total > 0))
        return np.stack(shares)

    def _explain(self, products: np.ndarray, draws: np.ndarray, terms: set[Term]) -> np.ndarray:
        """The sum of squares that the columns of these terms explain in each resample."""
        columns = [i for i, name in enumerate(self.names) if name in terms]
        designs = products[:, columns][:, :, columns]
        alike = np.allclose(designs, designs[:1])  # then all resamples have the same design
        designs = np.tensordot(draws[:1] if alike else draws, designs, 1)
        # A cell that is empty in a resample, or a column that occurs twice, makes the design singular.
        scale = np.maximum(np.trace(designs, axis1=1, axis2=2) / len(columns), 1)
        designs += RIDGE * scale[:, None, None] * np.eye(len(columns))
        values = draws @ products[:, columns, -1]
        if alike:
            return ((values @ np.linalg.inv(designs[0])) * values).sum(1)
        return (np.linalg.solve(designs, values[..., None])[..., 0] * values).sum(1)


def _estimate_errors(compute_shares: _ShareFunction, num_seeds: int) -> np.ndarray:
    """The standard error of each share: its deviation over resamples, whose variance is (n - 1) / n of that over samples."""
    draws = np.random.default_rng(0).multinomial(num_seeds, np.full(num_seeds, 1 / num_seeds), NUM_RESAMPLES).astype(float)
    shares = np.concatenate([compute_shares(draws[i : i + BATCH]) for i in range(0, NUM_RESAMPLES, BATCH)], axis=1)
    return shares.std(1, ddof=1) * np.sqrt(num_seeds / (num_seeds - 1))

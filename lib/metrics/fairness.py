"""Is a detector equally good for everybody? AUC and both recalls for each group of people that a table names.

The question, for single columns and for pairs of them, is that of Buolamwini and Gebru (*Gender Shades*, 2018). Groups
come from columns that the user gives. Nothing about a person is inferred from a picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from lib.metrics import measures, resampling
from lib.metrics.checks import Interval, checked, units
from lib.metrics.delong import holm

# A group with fewer test images or fewer people than this gets no numbers. A recall needs as many people of its class.
FEWEST_IMAGES, FEWEST_PEOPLE = 30, 10
# Of a column or a pair, this many groups get numbers: those with the most images.
MOST_GROUPS = 30
MEASURES = measures.TABLE_MEASURES
# The column that says what made a synthetic image; real images have none.
GENERATOR = "generator"
# The kinds of rows of a table. Those of TOO_FEW, TOO_MANY and NO_VALUE are counted only.
GROUP, TOO_FEW, TOO_MANY, NO_VALUE, GAP = "group", "too few", "beyond the largest", "no value", "largest gap"
# Stands between the two columns, and the two values, of a pair.
BETWEEN = " × "
# The columns of a table of groups.
COLUMNS = (
    *("by", "value", "kind", "images", "people", "generators"),
    *(
        column
        for name in MEASURES
        for column in (*Interval.names(name), *Interval.names(f"{name}_difference"), f"{name}_p", f"{name}_p_holm")
    ),
)
_NONE = Interval(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class _Part:
    """The measures of some of the images, in the order of `MEASURES`.

    Attributes:
        values: on the data, shape (measures,); NaN if the images are of one class.
        drawn: in each resample, shape (measures, resamples); NaN where a resample holds no image of a class.
        trials: number of independent real and synthetic images.
        people: number of people with real and with synthetic images.
    """

    values: NDArray[np.float64]
    drawn: NDArray[np.float64]
    trials: tuple[float, float]
    people: tuple[int, int]


# The rest of a group that holds all images.
_EMPTY = _Part(np.full(len(MEASURES), np.nan), np.full((len(MEASURES), 1), np.nan), (0, 0), (0, 0))


@dataclass(frozen=True)
class _Side:
    """A group, or the rest: all its images, and its images for each generator that is averaged over."""

    whole: NDArray[np.bool_]
    parts: list[NDArray[np.bool_]]


def group_table(
    scored: pd.DataFrame, by: Sequence[str], threshold: float, resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """AUC and both recalls of every group of each column and of each pair of columns, and how they differ.

    Intervals are percentiles of one bootstrap of all test images that draws people whole, so a group and the rest share
    the resamples. Near 0 and 1 they are widened to exact limits (`resampling.sum_interval`). A p value is that of the
    interval of its difference: it is below 0.05 where the interval leaves out 0 (Altman and Bland 2011). Holm's
    correction (1979) is over all p values of the table.

    With a column `generator`, AUC and recall of synthetic are means over the generators of which every group of the
    column has enough people. Then a group with more images of a hard generator does not look worse because of that.
    Groups by generator itself are not averaged. They have no recall of real, because they share the real images.

    Args:
        scored: columns y (0 real, 1 synthetic), score, group (person) and those of `by`; one row per test image. An
            empty value is not known: such an image belongs to the rest only.
        by: columns, such as sex and age_band.
        threshold: that validation chose.
        resamples: number of resamples.
        seed: their seed. The order of the rows changes nothing.

    Returns:
        For each column and pair one row per group, then one of kind `GAP`: by, value, kind, images, people, generators
        (averaged over; "" for none), then of each measure of `MEASURES` the value with `_low` and `_high` (95%),
        `_difference` from the rest (-1 to 1) with the same, `_p` and `_p_holm`. In rows of kind `GAP`, each recall
        holds the largest one less the smallest (0 to 1). NaN where there are too few images, or one class only.

    Raises:
        UndefinedMeasure: as `measures.bootstrap_intervals`, of all images together.
        ValueError: a column is missing.
    """
    missing = [name for name in ("y", "score", "group", *by) if name not in scored]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}; found {', '.join(map(str, scored.columns))}")
    rows = _ordered(scored, by)
    every = [*((name,) for name in by), *combinations(by, 2)]
    counted = {columns: _counted(rows, columns) for columns in every}
    generators = {columns: _generators(rows, columns, counted[columns]) for columns in every}
    sides = {columns: _sides(rows, columns, counted[columns], generators[columns]) for columns in every}
    masks = [mask for pairs in sides.values() for pair in pairs for side in pair for mask in (side.whole, *side.parts)]
    known = _measured(rows, masks, threshold, resamples, seed)
    tables = [_table(rows, columns, counted[columns], sides[columns], known, generators[columns]) for columns in every]
    return _corrected(pd.concat(tables, ignore_index=True))


def _ordered(scored: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """The images by falling score, values as text: resamples are drawn by position, so the order must not matter."""
    columns = list(dict.fromkeys([*by, *({GENERATOR} & {*scored.columns})]))
    rows = scored[["y", "score"]].assign(person=scored["group"].astype(str))
    for name in columns:
        rows[_held(name)] = scored[name].astype(object).where(scored[name].notna(), "").astype(str).str.strip()
    checked(rows["y"], rows["score"])
    order = ["score", "y", "person", *map(_held, columns)]
    rows = rows.sort_values(order, ascending=[False] + [True] * (len(order) - 1), ignore_index=True)
    return rows.assign(unit=units(rows["y"].to_numpy(), rows["person"]))


def _held(name: str) -> str:
    """The name of a user's column among the images: it may be called `images` or `kind`."""
    return f"of {name}"


def _counted(rows: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """One row per group of a column or a pair, by value: values, kind, images, people; then what has no value."""
    asked, held = rows[rows["y"] == 1] if GENERATOR in columns else rows, list(map(_held, columns))
    known = (asked[held] != "").all(axis=1)
    sizes = asked[known].groupby(held, sort=True)["unit"].agg(images="size", people="nunique").reset_index()
    few = (sizes["images"] < FEWEST_IMAGES) | (sizes["people"] < FEWEST_PEOPLE)
    largest = sizes[~few].nlargest(MOST_GROUPS, "images", keep="first").index
    sizes["kind"] = np.where(few, TOO_FEW, np.where(sizes.index.isin(largest), GROUP, TOO_MANY))
    sizes["value"] = sizes[held[0]] if len(held) == 1 else sizes[held[0]] + BETWEEN + sizes[held[1]]
    sizes = sizes.sort_values("kind", key=lambda kind: kind != GROUP, kind="stable", ignore_index=True)
    if known.all():
        return sizes
    unknown = asked[~known]
    row = {"value": "", "kind": NO_VALUE, "images": len(unknown), "people": unknown["unit"].nunique()}
    return pd.concat([sizes, pd.DataFrame([row])], ignore_index=True)


def _members(rows: pd.DataFrame, columns: Sequence[str], values: Sequence[str]) -> NDArray[np.bool_]:
    """The images of a group. Real images have no generator, so they belong to the groups of every generator."""
    inside = np.ones(len(rows), dtype=bool)
    for name, value in zip(columns, values):
        inside &= ((rows[_held(name)] == value) | ((rows["y"] == 0) if name == GENERATOR else False)).to_numpy()
    return inside


def _generators(rows: pd.DataFrame, columns: Sequence[str], counted: pd.DataFrame) -> list[str]:
    """The generators of which every group that gets numbers has enough people; none for groups by generator."""
    made_by, held = _held(GENERATOR), list(map(_held, columns))
    if made_by not in rows or GENERATOR in columns:
        return []
    groups = counted.loc[counted["kind"] == GROUP, held]
    synthetic = rows[(rows["y"] == 1) & (rows[made_by] != "")].merge(groups, on=held)
    # A group without enough people with synthetic images has no recall of synthetic, so it does not count here.
    all_people = synthetic.groupby(held)["unit"].transform("nunique")
    told = synthetic[all_people >= FEWEST_PEOPLE]
    people = told.groupby([*held, made_by])["unit"].nunique().unstack(fill_value=0)
    enough = (people >= FEWEST_PEOPLE).all()
    return sorted(enough.index[enough]) if len(people) else []


def _sides(
    rows: pd.DataFrame, columns: Sequence[str], counted: pd.DataFrame, generators: Sequence[str]
) -> list[tuple[_Side, _Side]]:
    """Each group that gets numbers, and its rest."""
    real = (rows["y"] == 0).to_numpy()
    pairs = []
    for values in counted.loc[counted["kind"] == GROUP, list(map(_held, columns))].to_numpy():
        inside = _members(rows, columns, values)
        rest = ~inside | real if tuple(columns) == (GENERATOR,) else ~inside
        parts = [real | (rows[_held(GENERATOR)] == name).to_numpy() for name in generators]
        pairs.append(tuple(_Side(whole, [whole & part for part in parts] or [whole]) for whole in (inside, rest)))
    return pairs


def _measured(
    rows: pd.DataFrame, masks: Iterable[NDArray[np.bool_]], threshold: float, resamples: int, seed: int
) -> dict[bytes, _Part]:
    """The measures of several parts of the images, by the bytes of their masks; all share one set of resamples."""
    labels, scores, unit = (rows[name].to_numpy() for name in ("y", "score", "unit"))
    different = {mask.tobytes(): mask for mask in masks if mask.any()}
    drawn = {key: [] for key in different}
    # A part, or a resample of it, may hold one class only: 0 / 0 is NaN there, as it is to be.
    with np.errstate(invalid="ignore"):
        for counts in resampling.draws(labels, unit, np.arange(len(rows)), resamples, seed) if different else ():
            for key, mask in different.items():
                block = resampling.Resamples(counts[:, mask], labels[mask], scores[mask])
                drawn[key].append(measures.resampled(MEASURES, block, threshold))
        found = {}
        for key, mask in different.items():
            part = resampling.Resamples(np.ones((1, mask.sum()), dtype=np.int32), labels[mask], scores[mask])
            of_class = [unit[mask & (labels == label)] for label in (0, 1)]
            found[key] = _Part(
                values=measures.resampled(MEASURES, part, threshold)[:, 0],
                drawn=np.concatenate(drawn[key], axis=1),
                trials=tuple(map(resampling.independent, of_class)),
                people=tuple(len(np.unique(people)) for people in of_class),
            )
    return found


def _needed(name: str) -> list[int]:
    """The classes that a measure is of."""
    return {"recall_real": [0], "recall_synthetic": [1]}.get(name, [0, 1])


def _parts(name: str, side: _Side, known: dict[bytes, _Part]) -> list[_Part]:
    """What a measure is the mean over: recall of real has nothing to do with generators."""
    masks = [side.whole] if name == "recall_real" else side.parts
    return [known.get(mask.tobytes(), _EMPTY) for mask in masks]


def _mean(name: str, parts: Sequence[_Part]) -> tuple[float, NDArray[np.float64]]:
    """The mean of a measure over parts: on the data, and in each resample."""
    at = MEASURES.index(name)
    return float(np.mean([part.values[at] for part in parts])), np.mean([part.drawn[at] for part in parts], axis=0)


def _interval(name: str, parts: Sequence[_Part], less: Sequence[_Part] = ()) -> Interval:
    """The mean of a measure over parts, less its mean over other parts, with its interval."""
    if any(part.people[label] < FEWEST_PEOPLE for part in (*parts, *less) for label in _needed(name)):
        return _NONE
    value, drawn = _mean(name, parts)
    if less:
        other, other_drawn = _mean(name, less)
        value, drawn = value - other, drawn - other_drawn
    shares = [part.values[MEASURES.index(name)] for part in (*parts, *less)]
    # Both sides have as many parts.
    weights = [1 / len(parts)] * len(parts) + [-1 / len(parts)] * len(less)
    # Parts of several generators share the real images, so each is given its share of them.
    numbers = [(part.trials[0] / len(parts), part.trials[1]) for part in (*parts, *less)]
    trials = [min(pair[label] for label in _needed(name)) for pair in numbers]
    # The AUC is a share of pairs: only at exactly 0 or 1 do its resamples say nothing.
    few = 0 if name in measures.SCORE_MEASURES else resampling.FEW
    return resampling.sum_interval(resampling.percentile_interval(value, drawn), weights, shares, trials, few=few)


def p_value(difference: Interval) -> float:
    """The two-sided p value of a difference, from the limit of its 95% interval that lies towards 0.

    It is below 0.05 where the interval leaves out 0 (Altman and Bland 2011, *How to obtain the P value from a
    confidence interval*, for intervals that need not be symmetric). NaN for an undefined interval.
    """
    reach = difference.value - difference.low if difference.value > 0 else difference.high - difference.value
    if difference.value == 0 or np.isnan(difference.value):
        return 1.0 if difference.value == 0 else np.nan
    # A percentile interval need not contain its value; then half its width is taken.
    reach = reach if reach > 0 else (difference.high - difference.low) / 2
    return float(2 * norm.sf(abs(difference.value) / reach * norm.ppf(0.975))) if reach > 0 else 0.0


def _table(
    rows: pd.DataFrame,
    columns: Sequence[str],
    counted: pd.DataFrame,
    sides: Sequence[tuple[_Side, _Side]],
    known: dict[bytes, _Part],
    generators: Sequence[str],
) -> pd.DataFrame:
    """The rows of a column or a pair."""
    names = [name for name in MEASURES if not (name == "recall_real" and GENERATOR in columns)]
    numbers = []
    for inside, rest in sides:
        row = {}
        for name in names:
            own, others = _parts(name, inside, known), _parts(name, rest, known)
            difference = _interval(name, own, others)
            row |= _interval(name, own).columns(name) | difference.columns(f"{name}_difference")
            row[f"{name}_p"] = p_value(difference)
        numbers.append(row)
    # The groups with numbers come first.
    table = counted[["value", "kind", "images", "people"]].join(pd.DataFrame(numbers)).reindex(columns=COLUMNS)
    untold = (table["kind"] == GROUP) & table[list(MEASURES)].isna().all(axis=1)
    table.loc[untold, "kind"] = TOO_FEW
    compared = np.any([inside.whole for inside, _ in sides], axis=0) & (
        rows["y"] == 1 if GENERATOR in columns else True
    )
    images = rows.loc[compared if len(sides) else [], "unit"]
    gap = {"value": "", "kind": GAP, "images": len(images), "people": images.nunique()}
    for name in set(measures.RECALLS) & set(names):
        gap |= _gap(name, [_parts(name, inside, known) for inside, _ in sides]).columns(name)
    every = [*table.to_dict("records"), gap]
    return pd.DataFrame(every).assign(by=BETWEEN.join(columns), generators=", ".join(generators))


def _gap(name: str, groups: Sequence[Sequence[_Part]]) -> Interval:
    """The largest less the smallest value among groups.

    The largest of several noisy values is too large, so percentiles of the gap never hold 0. Instead all pairs of
    groups get intervals that hold at once, as by Tukey: in 95% of the resamples no pair strays further from its difference on
    the data than the width `reach`. Near 0 and 1, where resamples say little, the limits of the pairs count too.
    """
    intervals = {at: _interval(name, parts) for at, parts in enumerate(groups)}
    known = {at: found for at, found in intervals.items() if np.isfinite(found.value)}
    if len(known) < 2:
        return _NONE
    values, strays = zip(*(_mean(name, groups[at]) for at in known))
    away = np.array([drawn - value for value, drawn in zip(values, strays)])
    gap, reach = max(values) - min(values), float(np.nanquantile(np.ptp(away, axis=0), 0.95))
    pairs = [_interval(name, groups[one], groups[other]) for one in known for other in known if one != other]
    low = min(gap - reach, max(pair.low for pair in pairs))
    high = max(gap + reach, max(pair.high for pair in pairs))
    return Interval(gap, max(0.0, low), min(1.0, high))


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """The table with Holm's correction over all its p values, in the order of `COLUMNS`."""
    p_values = table[[f"{name}_p" for name in MEASURES]].to_numpy(float)
    adjusted = np.full(p_values.shape, np.nan)
    adjusted[np.isfinite(p_values)] = holm(p_values[np.isfinite(p_values)])
    for name, values in zip(MEASURES, adjusted.T):
        table[f"{name}_p_holm"] = values
    return table[list(COLUMNS)]


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """A table of `group_table` for reading, all texts: a column for each measure and for each difference from the rest.

    A difference has its interval and, in brackets, its p value after Holm's correction. What is undefined is empty. The
    first measure of rows that are counted only says why.
    """
    said = table[["by", "value"]].assign(
        images=table["images"].map("{:,}".format), people=table["people"].map("{:,}".format)
    )
    said.loc[table["kind"] == GAP, "value"] = GAP
    for name in MEASURES:
        said[name] = [_said(found) for found in Interval.all_of(table, name)]
    for name in MEASURES:
        differences = zip(Interval.all_of(table, f"{name}_difference"), table[f"{name}_p_holm"])
        said[f"{name}_difference"] = [_said(found) and f"{found} (p {p:.2g})" for found, p in differences]
    only = table["kind"].isin((TOO_FEW, TOO_MANY, NO_VALUE))
    said.loc[only, MEASURES[0]] = table.loc[only, "kind"]
    return said


def _said(found: Interval) -> str:
    return "" if np.isnan(found.value) else str(found)

"""Refitting a linear head on few new pictures: ridge regressions and their cross-validation, from inner products alone.

A ridge regression has as many equations as rows of features, whatever their number of columns. The rows of the detector's
own training images stay the same in every fit, so their part of the equations is solved once for each penalty. What is
left has one equation for each new picture (the Schur complement). So hundreds of fits take a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit
from scipy.stats import rankdata
from sklearn.model_selection import StratifiedGroupKFold

from lib.metrics import abstention, thresholds
from lib.metrics.checks import UndefinedMeasure
from lib.metrics.delong import paired_test
from lib.metrics.resampling import percentile_interval
from lib.model.heads import PENALTIES, logit_line

ALONE, TOGETHER = "target alone", "source + target"
MODES = (TOGETHER, ALONE)
# How much the new pictures count together, against all of the detector's own training images: 1 if both count the same. 0
# leaves a linear head as it is, so that only its threshold is chosen anew.
WEIGHTS = (0.0, 0.25, 1.0, 4.0)
FOLDS = 5
# The old head is left only for a refit whose cross-validated AUC is higher by more than this many standard errors of the
# difference (the rule of one standard error, Breiman et al. 1984): on few pictures chance alone often gives a gain.
MARGIN = 1.0
# Sizes of the curve, pictures of each class; draws of each; pictures of each class that must be left to read it on.
SIZES, DRAWS, LEFT = (5, 10, 20, 50, 100), 20, 5


class Choice(NamedTuple):
    """How a head is refitted.

    Attributes:
        mode: one of MODES.
        penalty: of the ridge regression, for each feature.
        weight: one of WEIGHTS; 1 for ALONE, where it has no meaning.
    """

    mode: str
    penalty: float
    weight: float


class HeldOut(NamedTuple):
    """What a refit gives for pictures that it did not see.

    Attributes:
        scores: float (pictures,), 0 to 1.
        called: policy to bool (pictures,), whether a picture is called synthetic.
        undecided: policy to bool (pictures,), whether its score lies in the band.
    """

    scores: np.ndarray
    called: dict[str, np.ndarray]
    undecided: dict[str, np.ndarray]


@dataclass(frozen=True)
class Images:
    """Some images with features for a linear head.

    Attributes:
        features: float32 (images, n), standardised.
        labels: 0 or 1 of each.
        groups: name of the group of each; images of one group stay in one fold.
    """

    features: np.ndarray
    labels: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


class Refit:
    """All refits of a linear head on new pictures.

    The regression is that of a linear head before its first epoch (lib/model/training/heads.py), on the plain view, with the
    detector's own mean and scale of each feature. Its intercept is the coefficient of one more feature, a constant.

    With the source, it is fitted to what a linear head has left over: to the labels of the new pictures minus its scores of
    them, and to 0 on the source's images, which so hold the head where it was (as in learning without forgetting, Li and
    Hoiem 2017). A fit to the source's labels instead would lose what the head has learnt from augmented views. Only for a head
    of another kind, labels are all there is to fit.

    Args:
        new: the new pictures; their order decides the folds.
        source: the detector's own training images; None if they are not there, and then ALONE is the only mode.
        old: coefficients (n,) and intercept of the detector's linear head, scaled so that real is near -0.5 and synthetic near
            0.5; None for a head of another kind.
        modes: what may be chosen.
        seed: of folds and draws.
    """

    def __init__(
        self,
        new: Images,
        source: Images | None = None,
        old: tuple[np.ndarray, float] | None = None,
        modes: Sequence[str] = MODES,
        seed: int = 0,
    ):
        self.new, self.source, self.old, self.seed = new, source, old, seed
        width = new.features.shape[1]
        # The square of the constant feature: large, so that the penalty hardly holds the intercept back.
        self._constant = float(width)
        self._signs = new.labels - 0.5
        products = self._products(new, new)
        # What is left of the equations (products), and what is predicted without the new pictures.
        self._left = {(ALONE, penalty): (products, np.zeros(len(new))) for penalty in PENALTIES}
        self._solved = {}
        if source is not None and TOGETHER in modes:
            within, between = self._products(source, source), self._products(source, new)
            known = np.zeros(len(new)) if old is None else new.features @ old[0] + old[1]
            targets = source.labels - 0.5 if old is None else np.zeros(len(source))
            for penalty in PENALTIES:
                factor = cho_factor(within + penalty * width * np.eye(len(source)))
                of_new, of_source = cho_solve(factor, between), cho_solve(factor, targets)
                self._left[TOGETHER, penalty] = products - between.T @ of_new, known + between.T @ of_source
                self._solved[penalty] = of_new, of_source
        weights = {ALONE: (1.0,), TOGETHER: [w for w in WEIGHTS if w > 0] if self._solved else ()}
        self.choices = [Choice(mode, p, w) for mode in modes for w in weights[mode] for p in reversed(PENALTIES)]
        if self._solved and old is not None:
            self.choices.insert(0, Choice(TOGETHER, PENALTIES[-1], 0.0))

    def _products(self, first: Images, second: Images) -> np.ndarray:
        return (first.features @ second.features.T).astype("float64") + self._constant

    def _duals(self, choice: Choice, rows: np.ndarray) -> np.ndarray:
        """The coefficients of the new pictures in the equations of a fit on `rows` of them."""
        if choice.weight == 0:
            return np.zeros(len(rows))
        products, known = self._left[choice.mode, choice.penalty]
        # Each new picture counts as much as this many of the source's.
        weight = choice.weight * len(self.source) / len(rows) if choice.mode == TOGETHER else 1.0
        ridge = choice.penalty * self._constant / weight * np.eye(len(rows))
        return np.linalg.solve(products[np.ix_(rows, rows)] + ridge, self._signs[rows] - known[rows])

    def raw(self, choice: Choice, rows: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """Raw scores of the new pictures `rest` by a fit on the new pictures `rows` (both row numbers)."""
        products, known = self._left[choice.mode, choice.penalty]
        return known[rest] + products[np.ix_(rest, rows)] @ self._duals(choice, rows)

    def line(self, choice: Choice, rows: np.ndarray) -> tuple[np.ndarray, float]:
        """Coefficients (n,) and intercept of the raw score, by a fit on the new pictures `rows`."""
        duals = self._duals(choice, rows)
        coefficients, intercept = self.new.features[rows].T @ duals.astype("float32"), duals.sum()
        if choice.mode == TOGETHER:
            of_new, of_source = self._solved[choice.penalty]
            of_source = of_source - of_new[:, rows] @ duals
            coefficients = coefficients + self.source.features.T @ of_source.astype("float32")
            intercept += of_source.sum()
        intercept *= self._constant
        if choice.mode == TOGETHER and self.old is not None:
            coefficients, intercept = coefficients + self.old[0], intercept + self.old[1]
        return coefficients.astype("float32"), float(intercept)

    def folds(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Row numbers to fit on and to score, fold by fold; a group stays in one fold."""
        labels, groups = self.new.labels[rows], self.new.groups[rows]
        least = min(len(set(groups[labels == label])) for label in (0, 1))
        split = StratifiedGroupKFold(max(2, min(FOLDS, least)), shuffle=True, random_state=self.seed)
        for train, rest in split.split(rows, labels, groups):
            yield rows[train], rows[rest]

    def choose(self, rows: np.ndarray) -> tuple[Choice, np.ndarray]:
        """The choice of largest cross-validated AUC on the new pictures `rows`, and its raw scores of them there.

        Of equally good ones the first is taken, which changes the head least. The head stays as it is unless a refit is
        better by MARGIN.
        """
        folds, found = list(self.folds(rows)), {}
        place = {row: number for number, row in enumerate(rows)}
        for choice in self.choices:
            scores = np.empty(len(rows))
            for train, rest in folds:
                scores[[place[row] for row in rest]] = self.raw(choice, train, rest)
            found[choice] = scores
        labels, first = self.new.labels[rows], self.choices[0]
        best = self.choices[int(np.argmax([_roc_auc(labels, scores) for scores in found.values()]))]
        if first.weight == 0 and not _is_better(labels, found[first], found[best], self.new.groups[rows]):
            best = first
        return best, found[best]

    def head(self, rows: np.ndarray, validation: Images | None) -> tuple[Choice, np.ndarray, float, pd.DataFrame]:
        """The head that `rows` of the new pictures give, and the scores that its threshold is chosen on.

        Args:
            validation: images of the source that thresholds are chosen on too, if the source is used.

        Returns:
            The choice; coefficients and intercept of the logit; and a table with the columns y, score (0 to 1), group: the
            cross-validated scores of the new pictures, then those of `validation`.
        """
        choice, inner = self.choose(rows)
        coefficients, intercept = self.line(choice, rows)
        judged = [(inner, self.new.labels[rows], self.new.groups[rows])]
        if validation is not None and choice.mode == TOGETHER:
            known = validation.features @ coefficients + intercept
            judged.append((known, validation.labels, validation.groups))
        raw, labels, groups = (np.concatenate(column) for column in zip(*judged))
        slope, shift = logit_line(raw, labels)
        table = pd.DataFrame({"y": labels, "score": expit(slope * raw + shift), "group": groups})
        return choice, slope * coefficients, slope * intercept + shift, table

    def held_out(self, validation: Images | None) -> HeldOut:
        """Scores and decisions of every new picture by a refit that did not see it.

        Mode, weight, penalty and thresholds are chosen anew for each fold, on the pictures of the other folds (Stone 1974;
        nested cross-validation: Varma and Simon 2006).
        """
        count = len(self.new)
        scores, called, undecided = np.empty(count), {}, {}
        for train, rest in self.folds(np.arange(count)):
            _, coefficients, intercept, judged = self.head(train, validation)
            scores[rest] = expit(self.new.features[rest] @ coefficients + intercept)
            for policy, found in thresholds.choose_all(judged["y"], judged["score"], None, judged["group"]).items():
                band = abstention.choose(judged["y"], judged["score"], found.threshold)
                mine = called.setdefault(policy, np.empty(count, bool))
                mine[rest] = scores[rest] >= found.threshold
                left = undecided.setdefault(policy, np.empty(count, bool))
                left[rest] = abstention.is_undecided(band.low, band.high, scores[rest])
        return HeldOut(scores, called, undecided)

    def curve(self, sizes: Sequence[int] = SIZES, draws: int = DRAWS) -> pd.DataFrame:
        """AUC on the rest of the new pictures when only k of each class are used, all choices made on these.

        Returns:
            Columns pictures (k of each class), draws, roc_auc (mean over the draws), roc_auc_low and roc_auc_high (95% of the
            draws lie between them). Sizes that leave fewer than LEFT pictures of a class are left out.
        """
        rows = []
        for size in sizes:
            drawn = [self.drawn(size, draw) for draw in range(draws)]
            aucs = [self._auc(*pair) for pair in drawn if pair is not None]
            if aucs:
                found = percentile_interval(float(np.mean(aucs)), aucs)
                rows.append({"pictures": size, "draws": len(aucs), **found.columns("roc_auc")})
        return pd.DataFrame(rows, columns=["pictures", "draws", "roc_auc", "roc_auc_low", "roc_auc_high"])

    def _auc(self, rows: np.ndarray, rest: np.ndarray) -> float:
        choice, _ = self.choose(rows)
        return _roc_auc(self.new.labels[rest], self.raw(choice, rows, rest))

    def drawn(self, size: int, draw: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Random `size` pictures of each class, whole groups as far as they go, and those of the other groups."""
        random = np.random.default_rng([self.seed, size, draw])
        names = np.unique(self.new.groups)
        order = dict(zip(random.permutation(names).tolist(), range(len(names))))
        by_group = np.argsort([order[name] for name in self.new.groups.tolist()], kind="stable")
        mine = [by_group[self.new.labels[by_group] == label][:size] for label in (0, 1)]
        rows = np.sort(np.concatenate(mine))
        rest = np.flatnonzero(~np.isin(self.new.groups, self.new.groups[rows]))
        counts = np.bincount(self.new.labels[rest], minlength=2)
        whole = all(len(part) == size for part in mine)
        return (rows, rest) if whole and counts.min() >= LEFT else None


def _is_better(labels: np.ndarray, first: np.ndarray, second: np.ndarray, groups: np.ndarray) -> bool:
    """Whether the second scores rank better than the first by more than MARGIN."""
    try:
        return paired_test(labels, first, second, groups).z > MARGIN
    except UndefinedMeasure:  # no error can be told: all pictures agree on the difference
        return _roc_auc(labels, second) > _roc_auc(labels, first)


def _roc_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """ROC AUC by ranks (Mann and Whitney 1947): without the checks of `measures.roc_auc`, which cost more than a fit."""
    synthetic = labels == 1
    count = synthetic.sum()
    above = rankdata(scores)[synthetic].sum() - count * (count + 1) / 2
    return float(above / (count * (len(labels) - count)))

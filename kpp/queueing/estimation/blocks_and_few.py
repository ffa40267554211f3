"""Linear algebra of many services that have only a few levels in common: its cost is linear in the services.

The matrix is A = D - F' F: D holds a small block of each service on its diagonal, F has a row for each level.
By the formula of Woodbury (M. A. Woodbury, Inverting modified matrices, Princeton 1950),

    A^-1 = D^-1 + D^-1 F' (I - F D^-1 F')^-1 F D^-1

which inverts the blocks, and one matrix of the size of the levels. Solutions that may not be negative are
found by block principal pivoting: all variables that are on the wrong side change it at once (J. J. Judice
and F. M. Pires, A block principal pivoting algorithm for large-scale strictly monotone linear complementarity
problems, Computers & Operations Research 21(5), 1994).
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

TERMS = 2  # of each service
RIDGE = 1e-12  # x the diagonal, so that what is hardly determined can be solved
SMALL = 1e-12  # relative: a negative number of this size is rounding
PATIENCE = 3  # exchanges of many variables that make nothing better, before one is exchanged at a time
MOST_EXCHANGES = 1000  # a handful is usual; rounding could make them go round in circles


class BlocksAndFew:
    """A positive definite matrix D - F' F; scaled, so that its diagonal is 1.

    A variable whose diagonal is 0 takes no part: it is 0 in solutions and in the inverse.
    """

    def __init__(self, blocks: Floats, few: Floats) -> None:
        """Take D, (services, 2, 2), and F, (levels, services, 2)."""
        diagonal = np.einsum("sii->si", blocks) - (few**2).sum(axis=0)
        self._used: Mask = np.asarray(diagonal > 0)
        self._scale: Floats = np.where(self._used, 1 / np.sqrt(np.where(self._used, diagonal, 1.0)), 0.0)
        self._blocks = blocks * self._scale[:, :, None] * self._scale[:, None, :] + RIDGE * np.eye(TERMS)
        self._few = _compress(few * self._scale)

    def solve_non_negative(self, right: Floats) -> Floats:
        """The minimum of x' A x - 2 right' x over x >= 0, (services, 2)."""
        right = right * self._scale
        free, best, patience = self._used.copy(), self._used.size + 1, PATIENCE
        solution = np.zeros_like(right)
        for _ in range(MOST_EXCHANGES):
            solution = self._solve(right, free)
            slope = self._times(solution) - right
            negative = free & (solution < -SMALL * np.abs(solution).max())
            wrong = negative | (self._used & ~free & (slope < -SMALL * np.abs(right).max()))
            count = int(wrong.sum())
            if not count:
                break
            better = count < best
            patience = PATIENCE if better else patience - 1
            best = min(count, best)
            free ^= wrong if patience >= 0 else _last(wrong)
        return np.maximum(solution, 0.0) * self._scale

    def inverse_blocks(self) -> Floats:
        """(services, 2, 2) the blocks on the diagonal of the inverse."""
        inverse, mixed, middle = self._parts
        low_rank = np.einsum("lsi,lsj->sij", mixed, np.tensordot(middle, mixed, axes=1))
        unscaled = (inverse + low_rank) * self._scale[:, :, None] * self._scale[:, None, :]
        return np.asarray(unscaled, dtype=np.float64)

    @cached_property
    def _parts(self) -> tuple[Floats, Floats, Floats]:
        return self._woodbury(self._used)

    def _woodbury(self, free: Mask) -> tuple[Floats, Floats, Floats]:
        """D^-1, F D^-1 and (I - F D^-1 F')^-1 of the free variables; 0 for the others."""
        inverse = _invert(self._blocks, free)
        mixed = np.einsum("lsi,sij->lsj", self._few, inverse)
        levels = len(mixed)
        core = np.eye(levels) - mixed.reshape(levels, -1) @ self._few.reshape(levels, -1).T
        return inverse, mixed, np.linalg.inv(core)

    def _solve(self, right: Floats, free: Mask) -> Floats:
        """The solution with all variables 0 that are not free."""
        inverse, mixed, middle = self._parts if free.all() else self._woodbury(free)
        common = middle @ np.einsum("lsi,si->l", mixed, right)
        solution: Floats = np.einsum("sij,sj->si", inverse, right) + np.einsum("lsi,l->si", mixed, common)
        return solution

    def _times(self, values: Floats) -> Floats:
        common = np.einsum("lsi,si->l", self._few, values)
        product: Floats = np.einsum("sij,sj->si", self._blocks, values)
        return np.asarray(product - np.einsum("lsi,l->si", self._few, common), dtype=np.float64)


def _invert(blocks: Floats, free: Mask) -> Floats:
    """The inverse of each block's free part, 0 elsewhere; (services, 2, 2)."""
    both = free[:, :, None] & free[:, None, :]
    kept = np.where(both, blocks, 0.0) + np.where(free, 0.0, 1.0)[:, :, None] * np.eye(TERMS)
    return np.asarray(np.where(both, np.linalg.inv(kept), 0.0), dtype=np.float64)


def _compress(few: Floats) -> Floats:
    """The same F' F from fewer rows, where there are more levels than variables."""
    levels, services, terms = few.shape
    if levels <= services * terms:
        return few
    return np.asarray(np.linalg.qr(few.reshape(levels, -1), mode="r")).reshape(-1, services, terms)


def _last(mask: Mask) -> Mask:
    """The last of the true ones alone: exchanged one at a time in a fixed order, variables come to an end."""
    alone = np.zeros_like(mask)
    alone.flat[np.flatnonzero(mask)[-1]] = True
    return alone

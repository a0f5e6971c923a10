"""CMA-ES over one alpha a layer, with perplexity as its fitness (paper, appendix D).

The library is Hansen's own `cma`. The caller computes the fitness of a candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cma
import numpy as np
import pandas as pd

DIGITS = 4  # of an alpha; a candidate is measured, recorded and built with the same ones


@dataclass(frozen=True)
class SearchSettings:
    """Settings of CMA-ES, with `cma`'s own names in brackets.

    evaluations: the generation that uses them up is the last. population: candidates a
    generation (popsize). sigma: first standard deviation of each alpha (sigma0).
    start: alpha of each layer that the first generation is centred on (x0). bounds: smallest and
    largest alpha. seed: of the samples.
    """

    evaluations: int
    population: int
    sigma: float
    start: float
    bounds: tuple[float, float]
    seed: int


def search(
    fitness: Callable[[np.ndarray], float],
    n_layers: int,
    settings: SearchSettings,
    progress: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """All candidates of a CMA-ES run that minimizes `fitness`, in the order of their evaluation.

    fitness: takes (layers,) alphas. Returns `candidate generation perplexity alpha_0 ...`, numbers
    from 1. `cma` may end early where all candidates have become the same; it writes no files, and
    the global random state is left alone. The same settings and fitness give the same candidates.

    Raises ValueError when a fitness is not finite.
    """
    generator = np.random.default_rng(settings.seed)
    strategy = cma.CMAEvolutionStrategy(
        n_layers * [settings.start],
        settings.sigma,
        {
            "popsize": settings.population,
            "bounds": list(settings.bounds),
            "randn": lambda *shape: generator.standard_normal(shape),
            "seed": np.nan,  # the samples are those of the generator above
            "verbose": -9,
        },
    )
    rows, generation = [], 0
    while len(rows) < settings.evaluations and not strategy.stop():
        generation += 1
        sampled, values = strategy.ask(), []
        for alphas in sampled:
            alphas = np.round(alphas, DIGITS) + 0.0  # no -0.0
            values.append(fitness(alphas))
            if not np.isfinite(values[-1]):
                raise ValueError(f"fitness {values[-1]} of the alphas {alphas.tolist()}")
            rows.append([len(rows) + 1, generation, values[-1], *alphas])
        strategy.tell(sampled, values)
        best = min(row[2] for row in rows)
        progress(f"generation {generation}: {min(values):.4f}, best so far {best:.4f}")
    columns = ["candidate", "generation", "perplexity", *alpha_columns(n_layers)]
    return pd.DataFrame(rows, columns=columns)


def keep(candidates: pd.DataFrame, best: int, spread: int) -> pd.DataFrame:
    """The candidates that are evaluated on accuracy, in the order of their perplexity.

    The `best` distinct ones, and `spread` more in even steps of perplexity from the last of these
    to the worst: at each step the nearest candidate that is not yet kept. A search ends in
    candidates that hardly differ: its best alone have too narrow a range of perplexity for a
    correlation to mean anything.

    candidates: as `search` makes them. Returns their rows with `why` (best or spread). Ties
    go to the earlier candidate.

    Raises ValueError when there are fewer distinct candidates.
    """
    alphas = [column for column in candidates if column.startswith("alpha_")]
    distinct = candidates.drop_duplicates(alphas).sort_values("perplexity", kind="stable")
    if len(distinct) < best + spread:
        raise ValueError(
            f"the search has {len(distinct)} distinct candidates, best + spread are {best + spread}"
        )
    perplexities = distinct["perplexity"].to_numpy()
    kept = list(range(best))
    for wanted in np.linspace(perplexities[best - 1], perplexities[-1], spread + 1)[1:]:
        near = np.argsort(abs(perplexities - wanted), kind="stable")
        kept.append(next(index for index in near.tolist() if index not in kept))
    why = ["best" if index < best else "spread" for index in sorted(kept)]
    return distinct.iloc[sorted(kept)].assign(why=why)


def alpha_columns(n_layers: int) -> Sequence[str]:
    """Names of the columns that hold the alpha of each layer."""
    return [f"alpha_{layer}" for layer in range(n_layers)]

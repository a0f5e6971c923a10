"""Untrained encoders, scored by the same rule as an SAE's, show how much of SP is due to training.

If the profile over layers comes out the same, SP measures how far the residual stream tells the
subjects apart, not what an SAE has learnt. Each control is an `Encoder` like an SAE's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from stethoscope.saes.formats import Encoder
from stethoscope.saes.problem_sums import ProblemSums

SAMPLED_TEXTS = 128  # enough tokens for thresholds; residuals of all would be held at once


def random_encoder(
    encoder: Encoder, sums: ProblemSums, stream: np.ndarray, generator: np.random.Generator
) -> Encoder:
    """A random-init SAE: Gaussian columns of the SAE's norms that fire as often as its features.

    sums: the SAE's own activation sums, for each feature's firing rate. stream: (tokens, d)
    residuals, a sample; directions are taken from their mean, and each threshold is the value that
    the feature's share of them exceeds. A feature that never fires keeps an infinite one.
    """
    stream = stream.astype(np.float32)
    drawn = generator.standard_normal(encoder.w_enc.shape).astype(np.float32)
    drawn *= np.linalg.norm(encoder.w_enc, axis=0) / np.linalg.norm(drawn, axis=0)
    shift = -stream.mean(axis=0) @ drawn
    fires = np.bincount(sums.indices, weights=sums.fires, minlength=sums.n_features)
    rates = fires / sums.tokens.sum()
    ordered = -np.sort(-(stream @ drawn + shift), axis=0)
    rank = np.minimum(np.round(rates * len(stream)).astype(int), len(stream) - 1)
    threshold = np.take_along_axis(ordered, rank[None, :], axis=0)[0]
    threshold = np.where(fires > 0, np.maximum(threshold, 0), np.inf)
    return Encoder(drawn, shift.astype(np.float32), threshold.astype(np.float32))


def coordinate_encoder(
    encoder: Encoder, sums: ProblemSums, stream: np.ndarray, generator: np.random.Generator
) -> Encoder:
    """The coordinates of the residual stream themselves: 2 d features, one for each sign."""
    width = encoder.w_enc.shape[0]
    axes = np.concatenate([np.eye(width), -np.eye(width)], axis=1).astype(np.float32)
    zero = np.zeros(2 * width, np.float32)
    return Encoder(axes, zero, zero)


ENCODERS: Mapping[str, Callable[..., Encoder]] = {
    "random": random_encoder,
    "coordinates": coordinate_encoder,
}

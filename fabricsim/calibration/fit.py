"""One class of links fitted to measurements: its latency, and the share of its rate that is reached.

What a run takes is, for one algorithm, as good as linear in the latency of a class of links and in the time a byte
takes on it. So each measurement is simulated as the machine is published, with a longer latency, and with half the
rate; the two numbers that come nearest to all times, relative to each, follow by least squares. They are put in,
simulated once more, and corrected by the same slopes. Numbers that no machine can have (a rate above the wire, a
latency below zero) are told and refused, never clipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fabricsim.calibration.measurement import Floats, Measurement
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric, Link

Flags = NDArray[np.bool_]

_LONGER = 1e-6
"""What is added to a latency to see what it does [s]."""
_SAMPLES = 5
"""Sizes of a log that are simulated to learn what an algorithm does."""
_LARGEST = 64 * 2**20
"""The largest of them [B]: beyond it time grows with size as it does below."""
_TOLERANCE = 1e-9
_ROUNDING = 1e-4
"""How far above the wire a rate still counts as the wire's: rates and times are rounded on their way."""


@dataclass(frozen=True)
class Fit:
    """What one measurement says of one class of links under one algorithm.

    latency [s] and efficiency of the class; alpha [s]: the time of the least size for each round; rate, wire_rate
    [B/s]: what a rank sends over the class as fitted, and as published; wire_time [s]: of the largest size at the
    published rate and no latency of the class. fit_error, held_error: mean |simulated/measured − 1| on the sizes
    fitted and on those held out, None where there are none; worst: the largest of all, signed. rejected: why it
    cannot be, empty where it can.
    """

    measurement: Measurement
    algorithm: str
    link: str
    latency: float
    efficiency: float
    alpha: float
    rate: float
    wire_rate: float
    wire_time: float
    fit_error: float
    held_error: float | None
    worst: float
    latency_fitted: bool = True
    rejected: str = ""

    @property
    def roles(self) -> tuple[str, ...]:
        """What each size was for: `fitted`, or `held out`."""
        return tuple("fitted" if one else "held out" for one in fitted_sizes(self.measurement))


@dataclass(frozen=True, eq=False)
class _Slopes:
    """(sizes,) [s] what each size takes as published, and what a second of latency and a unit of 1/efficiency add."""

    base: Floats
    by_latency: Floats
    by_inverse: Floats
    measured: Floats
    fitted: Flags


def with_link(fabric: Fabric, name: str, latency: float | None, efficiency: float) -> Fabric:
    """Return the fabric with a class of links at a latency [s], its own where None, and a share of its rate."""
    links = tuple(
        replace(
            link,
            bandwidth=max(1, round(link.bandwidth * efficiency)),
            latency=link.latency if latency is None else latency + (link.latency - base_latency(link)),
        )
        if link.name == name
        else link
        for link in fabric.links
    )
    return replace(fabric, links=links)


def base_latency(link: Link) -> float:
    """Return the latency of a link without what a layout adds for its length [s]."""
    return link.latency - link.latency_per_metre * (link.length or 0.0)


def fitted_sizes(measurement: Measurement) -> Flags:
    """Return (sizes,) which are fitted: every second one, and both ends; the others are held out to judge."""
    chosen: Flags = np.arange(len(measurement.sizes)) % 2 == 0
    chosen[-1] = True
    return chosen


def slopes_of(fabric: Fabric, measurement: Measurement, algorithm: str, link: str) -> _Slopes:
    """Return what a class of links does to each size. Raises InputError where the algorithm does not fit."""
    own = min(base_latency(one) for one in fabric.links if one.name == link)
    base = _times(fabric, measurement, algorithm)
    longer = _times(with_link(fabric, link, own + _LONGER, 1.0), measurement, algorithm)
    slower = _times(with_link(fabric, link, None, 0.5), measurement, algorithm)
    return _Slopes(
        base, (longer - base) / _LONGER, slower - base, np.array(measurement.times), fitted_sizes(measurement)
    )


def _times(fabric: Fabric, measurement: Measurement, algorithm: str) -> Floats:
    """Return (sizes,) [s], simulated at some sizes and straight between and beyond them."""
    sizes = np.array(measurement.sizes, np.float64)
    samples = _sampled(measurement.sizes)
    times = np.array([measurement.simulated(fabric, algorithm, size) for size in samples])
    found: Floats = np.interp(sizes, samples, times)
    if len(samples) > 1:
        rate = (times[-1] - times[-2]) / (samples[-1] - samples[-2])
        beyond = sizes > samples[-1]
        found[beyond] = times[-1] + rate * (sizes[beyond] - samples[-1])
    return found


def _sampled(sizes: Sequence[int]) -> list[int]:
    within = [size for size in sizes if size <= _LARGEST] or [sizes[0]]
    if len(sizes) > 1 and len(within) == 1:
        within = list(sizes[:2])
    places = np.unique(np.linspace(0, len(within) - 1, min(_SAMPLES, len(within))).round().astype(int))
    return [within[place] for place in places]


def solved(own: float, slopes: Sequence[_Slopes], *, latency: bool) -> tuple[float, float]:
    """Return the latency [s] and the efficiency nearest to all measured times, relative to each.

    own: the latency published. latency: whether it is fitted too. Raises InputError where the sizes do not tell the two
    apart.
    """
    base, by_latency, by_inverse, measured = (
        np.concatenate([getattr(one, name)[one.fitted] for one in slopes])
        for name in ("base", "by_latency", "by_inverse", "measured")
    )
    columns = [by_inverse / measured] + ([by_latency / measured] if latency else [])
    matrix = np.stack(columns, axis=1)
    if np.linalg.matrix_rank(matrix, tol=_TOLERANCE * np.abs(matrix).max()) < len(columns):
        raise InputError("the sizes do not tell latency and rate apart", "measure small and large ones")
    found = np.linalg.lstsq(matrix, (measured - base) / measured, rcond=None)[0]
    inverse = 1.0 + float(found[0])
    return own + (float(found[1]) if latency else 0.0), 1.0 / inverse if inverse > 0 else np.inf


def corrected(
    own: float,
    slopes: Sequence[_Slopes],
    simulated: Sequence[Floats],
    latency: float,
    efficiency: float,
    *,
    fit: bool,
) -> tuple[float, float]:
    """Return the two numbers moved by what is left between measured and simulated times, along the same slopes."""
    moved = [
        replace(one, base=times - (latency - own) * one.by_latency - (1 / efficiency - 1) * one.by_inverse)
        for one, times in zip(slopes, simulated, strict=True)
    ]
    return solved(own, moved, latency=fit)


def physical(latency: float, efficiency: float, wire_rate: float, shown: Callable[[float], str]) -> str:
    """Return why no link can be so, empty where it can. shown: a rate for people."""
    if efficiency == np.inf:
        return "bytes would take no time"
    if efficiency > 1 + _ROUNDING:
        return f"B of {shown(wire_rate * efficiency)} is above the wire's {shown(wire_rate)}"
    if latency < 0:
        return f"the latency of a link would be {latency * 1e6:.3g} us, below 0"
    return ""

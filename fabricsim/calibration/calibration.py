"""From measured logs to the links of a machine: which class each log is about, which algorithm ran, what both fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from fabricsim.calibration.fit import (
    Fit,
    base_latency,
    corrected,
    fitted_sizes,
    physical,
    slopes_of,
    solved,
    with_link,
)
from fabricsim.calibration.logs import read_measurements
from fabricsim.calibration.measurement import Floats, Measurement
from fabricsim.collectives import DEFAULT_ALGORITHM
from fabricsim.errors import InputError
from fabricsim.fabric import Fabric
from fabricsim.units import format_bandwidth

_AS_GOOD: Final = 1.5
"""Errors up to this multiple of the least do not tell algorithms apart."""

_ALIKE: Final = 0.9
"""Classes of links that cost this share of the most limit a measurement alike."""

_ROUNDING: Final = 1e-3
"""And those within this of it, which is how logs are rounded."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A machine with its links as measured.

    fits: one for each log and each algorithm that may have run, rejected ones too; chosen: those that count, at the
    numbers that all logs of a class of links share; misfits: (log, algorithm, why) of what does not run at all. links:
    (latency [s], efficiency) by class; kept: classes whose latency no log can tell, which stay as published.
    """

    fabric: Fabric
    fits: tuple[Fit, ...]
    chosen: tuple[Fit, ...]
    misfits: tuple[tuple[str, str, str], ...]
    links: Mapping[str, tuple[float, float]]
    kept: frozenset[str]

    @property
    def calibrated(self) -> Fabric:
        """The machine with the fitted numbers, as an overlay would make it."""
        return _with(self.fabric, self.links)


def calibrate(
    logs: str | Path | Sequence[str | Path | Measurement],
    topology: str | Path | Fabric | None = None,
    **known: object,
) -> Calibration:
    """Return the links of a machine as measured logs have them.

    logs: a folder of logs, a manifest (`schema: fabricsim.calibration/1`), or a list of log files. topology: the
    machine, a shipped name or a file; a manifest names its own. known: `collective`, `ranks` and `algorithm` of logs
    that do not say. Where nobody states the algorithm, all are run, and the one with the least error on the fitted
    sizes counts.
    Raises InputError for a log that cannot be read, and where no physical number comes near.
    """
    fabric, measurements = read_measurements(logs, topology, known)
    fits: list[Fit] = []
    misfits: list[tuple[str, str, str]] = []
    links: dict[str, tuple[float, float]] = {}
    kept: set[str] = set()
    chosen: list[Fit] = []
    for link, group in _by_link(fabric, measurements):
        now = _with(fabric, links)
        found = [_fitted(now, measurement, link, misfits) for measurement in group]
        fits += [fit for of in found for fit in of]
        best = [_best(of, measurement) for of, measurement in zip(found, group, strict=True)]
        latency = any(fit.latency_fitted for fit in best)
        shared, together = _together(now, best, link, latency=latency)
        links[link] = shared
        chosen += together
        kept |= set() if latency else {link}
    return Calibration(fabric, tuple(fits), tuple(chosen), tuple(misfits), links, frozenset(kept))


def _with(fabric: Fabric, links: Mapping[str, tuple[float, float]]) -> Fabric:
    for name, (latency, efficiency) in links.items():
        fabric = with_link(fabric, name, latency, efficiency)
    return fabric


def _by_link(fabric: Fabric, measurements: Sequence[Measurement]) -> list[tuple[str, list[Measurement]]]:
    """Return the measurements by the class of links that limits them, those that cross the fewest classes first."""
    groups: dict[str, list[Measurement]] = {}
    crossed: dict[str, int] = {}
    for measurement in measurements:
        link, count = _limiting(fabric, measurement)
        groups.setdefault(link, []).append(measurement)
        crossed[link] = min(count, crossed.get(link, count))
    return [(link, groups[link]) for link in sorted(groups, key=lambda link: (crossed[link], link))]


def _limiting(fabric: Fabric, measurement: Measurement) -> tuple[str, int]:
    """Return the class of links that a measurement is about, and how many classes cost it anything.

    That is the one stated, or the one whose half rate costs the largest size most.
    """
    size = measurement.sizes[-1]
    last: InputError | None = None
    for algorithm in measurement.algorithms:
        try:
            base = measurement.simulated(fabric, algorithm, size)
        except InputError as error:
            last = error
            continue
        names = sorted({link.name for link in fabric.links})
        slower = {
            name: measurement.simulated(with_link(fabric, name, None, 0.5), algorithm, size) - base
            for name in names
        }
        crossed = sum(cost > 1e-9 * base for cost in slower.values())
        return measurement.link or _most(fabric, measurement, slower), crossed
    raise InputError(f"{measurement.source}: no algorithm of {measurement.kind} runs: {last}")


def _most(fabric: Fabric, measurement: Measurement, slower: Mapping[str, float]) -> str:
    """Return the class that costs most; of those that cost alike the one that leaves the first rank, or by name."""
    most = max(slower.values())
    alike = [name for name in sorted(slower) if slower[name] >= _ALIKE * most]
    return next((name for name in alike if name in own_classes(fabric, measurement.ranks[0])), alike[0])


def own_classes(fabric: Fabric, rank: int) -> set[str]:
    """Return the classes of the links that a rank has itself."""
    starts, channels = fabric.out
    leaving = channels[starts[rank] : starts[rank + 1]]
    return {fabric.links[index].name for index in fabric.link_class[leaving // 2].tolist()}


def _fitted(
    fabric: Fabric, measurement: Measurement, link: str, misfits: list[tuple[str, str, str]]
) -> list[Fit]:
    """Return the fit of each algorithm that may have run; those that do not run are added to `misfits`."""
    fits = []
    for algorithm in measurement.algorithms:
        try:
            fits.append(_of_algorithm(fabric, measurement, algorithm, link))
        except InputError as error:
            misfits.append((measurement.source, algorithm, str(error)))
    if not fits:
        told = "; ".join(f"{name}: {why}" for _, name, why in misfits)
        raise InputError(f"{measurement.source} cannot be fitted: {told}")
    return fits


def _of_algorithm(fabric: Fabric, measurement: Measurement, algorithm: str, link: str) -> Fit:
    slopes = slopes_of(fabric, measurement, algorithm, link)
    own = _own(fabric, link)
    several = len(measurement.sizes) > 1
    latency, efficiency = solved(own, [slopes], latency=several)
    predicted = slopes.base + (latency - own) * slopes.by_latency + (1 / efficiency - 1) * slopes.by_inverse
    fit = _described(
        fabric,
        measurement,
        algorithm,
        link,
        latency,
        efficiency,
        predicted,
        slopes.base - own * slopes.by_latency,
    )
    return replace(fit, latency_fitted=several)


def _described(
    fabric: Fabric, measurement: Measurement, algorithm: str, link: str, latency: float, efficiency: float,
    times: Floats, wire: Floats,
) -> Fit:  # fmt: skip
    """Return the fit with its errors. times, wire: (sizes,) [s] as fitted, and at the published rate alone."""
    error = times / np.array(measurement.times) - 1
    chosen = fitted_sizes(measurement)
    rate = _wire_rate(fabric, measurement.ranks[0], link)
    return Fit(
        measurement, algorithm, link, latency, efficiency, float(times[0]) / measurement.rounds(fabric, algorithm),
        rate * efficiency, rate, float(wire[-1]), float(np.abs(error[chosen]).mean()),
        float(np.abs(error[~chosen]).mean()) if not chosen.all() else None,
        float(error[np.argmax(np.abs(error))]),
        rejected=physical(latency, efficiency, rate, format_bandwidth),
    )  # fmt: skip


def _own(fabric: Fabric, link: str) -> float:
    return min(base_latency(one) for one in fabric.links if one.name == link)


def _wire_rate(fabric: Fabric, rank: int, link: str) -> int:
    """Return what a rank can send over a class of links [B/s]; of one link where it has none of them itself."""
    starts, channels = fabric.out
    leaving = channels[starts[rank] : starts[rank + 1]]
    names = [fabric.links[index].name for index in fabric.link_class[leaving // 2].tolist()]
    rates = [
        int(fabric.bandwidth[channel]) for channel, name in zip(leaving, names, strict=True) if name == link
    ]
    return sum(rates) or next(one.bandwidth for one in fabric.links if one.name == link)


def _best(fits: Sequence[Fit], measurement: Measurement) -> Fit:
    """Return the physical fit that counts. Raises InputError where there is none.

    That is the one with the least error; of those that are as good, which no log tells apart, the one by the
    collective's default algorithm, or else the first of the catalogue.
    """
    left = [fit for fit in fits if not fit.rejected]
    if not left:
        told = "; ".join(f"{fit.algorithm}: {fit.rejected}" for fit in fits)
        right = "check the topology, the ranks and the algorithm of the log"
        raise InputError(f"{measurement.source} fits no physical link ({told})", right)
    return as_good(left, measurement.kind)[0]


def as_good(fits: Sequence[Fit], kind: str) -> list[Fit]:
    """Return the physical fits whose error is near the least, the one that counts first."""
    left = [fit for fit in fits if not fit.rejected]
    least = min(fit.fit_error for fit in left)
    near = [fit for fit in left if fit.fit_error <= _AS_GOOD * least + _ROUNDING]
    return sorted(near, key=lambda fit: fit.algorithm != DEFAULT_ALGORITHM.get(kind))


def _together(
    fabric: Fabric, best: Sequence[Fit], link: str, *, latency: bool
) -> tuple[tuple[float, float], list[Fit]]:
    """Return the numbers that all logs of a class of links share, and their fits at those, each size simulated."""
    own = _own(fabric, link)
    slopes = [slopes_of(fabric, fit.measurement, fit.algorithm, link) for fit in best]
    found = solved(own, slopes, latency=latency)
    for _ in range(2):
        _check(best, found, link, fabric)
        times = [_simulated(with_link(fabric, link, *found), fit) for fit in best]
        found = corrected(own, slopes, times, *found, fit=latency)
    _check(best, found, link, fabric)
    now = with_link(fabric, link, *found)
    fits = [
        _described(
            fabric,
            fit.measurement,
            fit.algorithm,
            link,
            *found,
            _simulated(now, fit),
            s.base - own * s.by_latency,
        )
        for fit, s in zip(best, slopes, strict=True)
    ]
    return found, [replace(fit, latency_fitted=latency) for fit in fits]


def _simulated(fabric: Fabric, fit: Fit) -> Floats:
    measurement = fit.measurement
    return np.array([measurement.simulated(fabric, fit.algorithm, size) for size in measurement.sizes])


def _check(best: Sequence[Fit], found: tuple[float, float], link: str, fabric: Fabric) -> None:
    why = physical(*found, _wire_rate(fabric, best[0].measurement.ranks[0], link), format_bandwidth)
    if why:
        sources = ", ".join(fit.measurement.source for fit in best)
        raise InputError(f"{sources} together fit no physical {link}: {why}", "calibrate them one by one")

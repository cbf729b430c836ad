"""A run of every exchange of a deployment, with what serving comes to: times of layers and of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabricsim.result import OperationResult, Result
from fabricsim.serving.deployment import Deployment, Pool
from fabricsim.serving.serving import CACHE, Serving
from fabricsim.table import Table

NOTE = (
    "completion_time is that of every exchange simulated, one after another; each counts as it is with nothing else on "
    "the network, and layers that are not simulated count with the mean of those that are"
)
Floats = NDArray[np.float64]


def with_serving(result: Result, serving: Serving) -> Result:
    """Return the result of a deployment's schedule with its times by phase, and a table of its layers."""
    d, found = serving.deployment, {op.name: op.metrics for op in result.operations}
    layers = {pool.phase: _layers(serving, pool, found) for pool in d.pools}
    phases = [_phase(serving, pool, layers[pool.phase]) for pool in d.pools]
    by_phase = {op.kind: op.metrics for op in phases}
    whole = _whole(d, by_phase, found.get(f"{serving.name}/{CACHE}"))
    ranks = sum(len(pool.ranks) for pool in d.pools)
    operation = OperationResult(serving.name, "serve", d.model.name, ranks, 0.0, whole)
    return replace(
        result,
        metrics={**result.metrics, **whole},
        operations=(operation, *phases, *result.operations),
        tables={**result.tables, "layers": _table(layers)},
        notes=(*result.notes, NOTE),
    )


def _layers(serving: Serving, pool: Pool, found: Mapping[str, Mapping[str, float]]) -> dict[str, Floats]:
    """Return (layers,) [s]: what each layer simulated exchanges and computes, and its time."""
    d = serving.deployment
    ways = {"dispatch": d.dispatch_kernel, "combine": d.combine_kernel}
    times = {
        way: np.array([
            kernel.time(found[serving.exchange(pool.phase, way, layer)]["completion_time_s"])
            for layer in range(d.layers)
        ])
        for way, kernel in ways.items()
    }  # fmt: skip
    compute = d.layer_compute(pool, routed=True)
    exchanged = times["dispatch"] + times["combine"]
    hidden = np.minimum(d.overlap * exchanged, compute)
    return {
        **times,
        "compute": np.full(d.layers, compute),
        "latency": compute + exchanged - hidden,
    }


def _phase(serving: Serving, pool: Pool, layers: Mapping[str, Floats]) -> OperationResult:
    """Return what a phase takes: percentiles of its layers, and all layers of one pass."""
    d, latency = serving.deployment, layers["latency"]
    plain = d.model.plain_layers * d.layer_compute(pool, routed=False) if d.model.plain_layers else 0.0
    p50, p90, p99 = (float(np.percentile(latency, share)) for share in (50, 90, 99))
    metrics = {
        "pass_time_s": plain + d.model.expert_layers * float(latency.mean()) + d.head_compute(pool),
        "layer_p50_s": p50,
        "layer_p90_s": p90,
        "layer_p99_s": p99,
        "layer_max_s": float(latency.max()),
        "layer_compute_s": float(layers["compute"][0]),
        "dispatch_mean_s": float(layers["dispatch"].mean()),
        "combine_mean_s": float(layers["combine"].mean()),
        "memory_used_B": float(d.memory_used(pool)),
    }
    name = f"{serving.name}/{pool.phase}"
    return OperationResult(name, pool.phase, d.model.name, len(pool.ranks), 0.0, metrics)


def _whole(
    d: Deployment, phases: Mapping[str, Mapping[str, float]], caches: Mapping[str, float] | None
) -> dict[str, float]:
    """Return what a user waits for: the first token (prompt read, cache moved, one pass) and each further one.

    The percentiles are those of the layers of decode, where both phases are simulated.
    """
    last = phases[d.pools[-1].phase]
    found = {key: value for key, value in last.items() if key.startswith("layer_")}
    moved = caches["completion_time_s"] if caches else 0.0
    if caches:
        found["cache_transfer_s"] = moved
        found["cache_sent_B"] = float(d.sent)
    if "decode" in phases:
        (pool,) = (pool for pool in d.pools if pool.phase == "decode")
        time = phases["decode"]["pass_time_s"]
        found |= {"token_time_s": time, "served_rate": pool.sequences * len(pool.ranks) / time}
    if "prefill" in phases:
        found["prefill_time_s"] = phases["prefill"]["pass_time_s"]
    if len(phases) > 1:
        found["first_token_time_s"] = found["prefill_time_s"] + moved + found["token_time_s"]
    return found


def _table(layers: Mapping[str, Mapping[str, Floats]]) -> Table:
    """Return a row for each layer simulated, of each phase."""
    phases = [phase for phase, found in layers.items() for _ in found["latency"]]
    columns: dict[str, NDArray[Any]] = {
        "phase": np.array(phases, dtype=object),
        "layer": np.concatenate([np.arange(len(found["latency"])) for found in layers.values()]),
    }
    for key in ("dispatch", "combine", "compute", "latency"):
        columns[f"{key}_s"] = np.concatenate([found[key] for found in layers.values()])
    return Table(columns)

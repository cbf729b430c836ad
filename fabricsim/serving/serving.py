"""A deployment on a machine: every exchange of the layers that are simulated, and the caches that move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fabricsim.errors import FaultList
from fabricsim.fabric import Fabric
from fabricsim.schedule import Operation, Round, Schedule
from fabricsim.serving.deployment import Deployment, Pool
from fabricsim.traffic import pattern

CACHE = "cache"
"""What results call the way of caches from one pool to the other."""


@dataclass(frozen=True, eq=False)
class Serving:
    """A deployment called `name`, with each of its exchanges alone, in order. Get one with `serving_of`."""

    name: str
    deployment: Deployment
    schedule: Schedule

    def exchange(self, phase: str, way: str, layer: int) -> str:
        """Return the name of the operation that is one exchange of one layer."""
        return f"{self.name}/{phase}-{way}-{layer}"


def serving_of(name: str, deployment: Deployment, fabric: Fabric, seed: int) -> Serving:
    """Return a deployment on a machine. Raises InputError, keyed by phase, for what does not fit its levels."""
    faults, found = FaultList(), list[Operation]()
    for pool in deployment.pools:
        with faults.at(pool.phase):
            found += _exchanges(name, deployment, pool, fabric, seed)
    faults.raise_if_any()
    found += _caches(name, deployment)
    chained = [
        replace(op, after=(found[index - 1].name,), barrier=True) if index else op
        for index, op in enumerate(found)
    ]
    return Serving(name, deployment, Schedule(tuple(chained)))


def _exchanges(name: str, d: Deployment, pool: Pool, fabric: Fabric, seed: int) -> Iterator[Operation]:
    """Yield dispatch and combine of each layer. In two stages where the machine has scale-out above scale-up."""
    for layer in range(d.layers):
        for way, token in zip(("dispatch", "combine"), d.token, strict=True):
            yield pattern(
                f"{name}/{pool.phase}-{way}-{layer}", f"moe-{way}", pool.ranks, token, seed=seed, fabric=fabric,
                tokens=d.tokens(pool), top_k=d.model.top_k, experts=d.model.experts, choice=d.choice,
                skew=d.skew or None, layer=layer if d.choice == "seeded" else None,
                inside=len(pool.ranks) if pool.direct else None,
            )  # fmt: skip


def _caches(name: str, d: Deployment) -> Iterator[Operation]:
    """Yield the way of caches: each rank that reads sends what its prompts leave, to ranks that write in turn."""
    if len(d.pools) < 2:
        return
    reading, writing = (pool.ranks for pool in d.pools)
    each = d.pools[0].sequences
    prompts = np.arange(len(reading) * each)
    src, dst = reading[prompts // each], writing[prompts % len(writing)]
    ranks = np.sort(np.concatenate([reading, writing]))
    r = Round(src, dst, np.full(len(src), d.sent))
    yield Operation(f"{name}/{CACHE}", "send", "direct", ranks, (r,), d.sent, d.sent)

"""The effective plan: what a job will run, in which order, over which levels, and what it will cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fabricsim.budget import estimate, estimate_classes, estimate_flows
from fabricsim.engines import kernel_for, packet_routes
from fabricsim.engines.bound import KERNEL, check_size
from fabricsim.engines.flow.engine import solver_for, taken_by_symmetry
from fabricsim.explanation import MOST_MESSAGES
from fabricsim.fabric import Fabric
from fabricsim.job import Job
from fabricsim.model import Model
from fabricsim.routing import Routes, Routing, hash_use, relaying
from fabricsim.schedule import Messages, Tenant


@lru_cache(maxsize=2)
def paths_of(job: Job) -> Routes:
    """Return the path of every packet: found once, for the plan and for the packet engine; kept while a part runs."""
    return packet_routes(job.fabric, job.schedule, job.routing, job.model, job.seed)


def plan(job: Job) -> dict[str, Any]:
    """Return what will run: engine, order, algorithm, levels crossed and bytes per level, and what it will cost."""
    planned = _PLANS[job.engine](job)
    return _with_tenants(planned, job.schedule.tenants) if job.schedule.tenants else planned


def _with_tenants(planned: dict[str, Any], tenants: Sequence[Tenant]) -> dict[str, Any]:
    """Return a plan with the jobs that share the machine; each is run alone too, so everything moves twice."""
    jobs = [
        {
            "name": tenant.name,
            "ranks": len(tenant.ranks),
            "order": order_text(tenant.ranks.tolist()),
            "start_s": tenant.start,
        }
        for tenant in tenants
    ]
    return {**planned, "jobs": jobs, "estimated_cpu_s": 2 * planned["estimated_cpu_s"]}


def _packet_plan(job: Job) -> dict[str, Any]:
    messages, paths = job.schedule.messages, paths_of(job)
    packets = -(-messages.size // job.model.mtu)
    hops = round(float(np.sum(np.repeat(packets / paths.count, paths.count) * paths.hops)))
    kernel, why = kernel_for(job.kernel, job.fabric, job.schedule, paths, job.failures, job.model)
    loads = _loads(job.fabric, messages, paths)
    pace = f"{kernel}, queues" if job.model.feedback or paths.adaptive else kernel
    return {
        **_said(job, kernel, why),
        **_hashing(job, messages),
        "operations": [_planned(job, index, loads) for index in range(len(job.schedule.operations))],
        "packets": int(packets.sum()),
        "packet_hops": hops,
        **estimate(pace, int(packets.sum()), hops),
    }


def _theory_plan(job: Job) -> dict[str, Any]:
    """Return what bounds will be looked for: every path is listed once, nothing moves."""
    check_size(job.schedule)
    messages, paths = job.schedule.messages, paths_of(job)
    loads = _loads(job.fabric, messages, paths)
    return {
        **_said(job, KERNEL, "busiest channel or longest path, whichever takes longer: nothing moves"),
        **_hashing(job, messages),
        "operations": [_planned(job, index, loads) for index in range(len(job.schedule.operations))],
        "flows": len(messages),
        **estimate("numpy", len(messages), len(paths.channels)),
    }


def _hashing(job: Job, messages: Messages) -> dict[str, Any]:
    """Return how evenly the hash of ecmp spreads messages, tier by tier: whether it polarises; nothing without ecmp."""
    ids = np.flatnonzero(messages.meeting < 0)
    if job.routing.policy != "ecmp" or not 0 < len(ids) <= MOST_MESSAGES:
        return {}
    found = hash_use(job.fabric, messages.src[ids], messages.dst[ids], job.routing, job.seed, ids)
    return {"hash": [tier.told() for tier in found]} if found else {}


def _loads(fabric: Fabric, messages: Messages, paths: Routes) -> NDArray[np.float64]:
    """Return (operations, levels) [B], the payload that each carries over the links of each level."""
    levels = len(fabric.levels)
    total = np.zeros((int(messages.operation.max(initial=0)) + 1) * levels)
    owner = np.repeat(np.arange(len(messages)), paths.count)
    size = messages.size[owner] / paths.count[owner]
    row = messages.operation[owner] * levels
    for begin in range(0, len(owner), 250_000):  # a piece of the paths at a time, to bound memory
        starts = paths.starts[begin : begin + 250_001]
        level = fabric.level[paths.channels[starts[0] : starts[-1]] // 2]
        rows, sizes = (np.repeat(c[begin : begin + 250_000], np.diff(starts)) for c in (row, size))
        total += np.bincount(rows.astype(np.int64) + level, sizes, len(total))
    return total.reshape(-1, levels)


def _flow_plan(job: Job) -> dict[str, Any]:
    """Return what the flow engine will run. Bytes per level only where the paths are few enough to count here."""
    operations = range(len(job.schedule.operations))
    flows = sum(op.messages for op in job.schedule.operations)
    symmetric = taken_by_symmetry(job.fabric, job.schedule, job.routing, job.failures, job.model, job.quantum)
    how = "classes of flows, by the symmetry of the machine" if symmetric else "rates of flows"
    once = sum(r.messages for op in job.schedule.operations for r in op.rounds) or flows
    return {
        **_said(job, solver_for(job.kernel), f"{how}, max-min fair between events"),
        "operations": [_planned(job, index) for index in operations],
        "flows": flows,
        **(estimate_classes(job.fabric.link_count) if symmetric else estimate_flows(once)),
    }


def _said(job: Job, kernel: str, why: str) -> dict[str, Any]:
    return {
        "engine": job.engine,
        "engine_why": job.why,
        "kernel": kernel,
        "why": why,
        "routing": _routing_text(job.routing),
        **_relaying(job),
        "model": {
            "switching": job.model.switching,
            "mtu_B": job.model.mtu,
            "header_B": job.model.header,
            **_buffers(job.model),
        },
    }


def _buffers(model: Model) -> dict[str, Any]:
    """Return how packets are held, and whatever else differs from a plain network."""
    more = {name: str(value) for name, value in model.changes() if name not in ("buffer", "flow_control")}
    if model.buffer is None:
        return {"buffer": "infinite", **more}
    return {"buffer_B": model.buffer, "flow_control": model.flow_control, **more}


def _planned(job: Job, index: int, loads: NDArray[np.float64] | None = None) -> dict[str, Any]:
    """Return what is planned of one operation; loads: (operations, levels) [B], where they are known."""
    op = job.schedule.operations[index]
    planned = {
        "name": op.name,
        "kind": op.kind,
        "algorithm": op.algorithm,
        "ranks": len(op.ranks),
        "order": order_text(op.ranks.tolist()),
        "after": list(op.after),
        "rounds": op.round_count,
        "messages": op.messages,
        "size_B": op.size,
        "asked_size_B": op.asked,
    }
    if loads is not None:
        carried = zip(job.fabric.levels, loads[index].tolist(), strict=True)
        planned["payload_by_level_B"] = {name: round(size) for name, size in carried if size}
    return planned


def _routing_text(routing: Routing) -> str:
    """Return how paths are chosen, in words."""
    options = {
        "all-path": f"shortest paths and detours of up to {routing.max_detour} hops, {routing.split} split",
        "valiant": f"by way of a node drawn for each {routing.per}",
        "dimension-order": "one coordinate after the other",
    }
    how = options.get(routing.policy, "shortest paths")
    return f"{routing.policy}, {how}, virtual lanes: {routing.lanes_text}"


def _relaying(job: Job) -> dict[str, Any]:
    """Return what detours cost, for the policy that takes them."""
    if job.routing.policy != "all-path":
        return {}
    messages = job.schedule.messages
    cost = relaying(job.fabric, messages.src, messages.dst, messages.size.astype(np.float64), job.routing)
    return {
        "relaying": {
            "relayed_share": cost.relayed,
            "links_per_byte": cost.links_per_byte,
            "shortest_links_per_byte": cost.shortest,
        }
    }


_PLANS: Final[Mapping[str, Callable[[Job], dict[str, Any]]]] = {
    "packet": _packet_plan,
    "flow": _flow_plan,
    "theory": _theory_plan,
}


def least_cost(job: Job) -> dict[str, float]:
    """Return what a job costs at least: each packet moves once, on the fastest kernel."""
    if job.engine in ("flow", "theory"):
        return estimate_flows(0)
    packets = int((-(-job.schedule.messages.size // job.model.mtu)).sum())
    return estimate("numpy", packets, packets)


def order_text(ranks: Sequence[int]) -> str:
    """Return ranks in the order an algorithm takes them, runs shortened: `0-63`, `0, 8, 16, … (64)`."""
    if list(ranks) == list(range(ranks[0], ranks[0] + len(ranks))):
        return f"{ranks[0]}-{ranks[-1]}"
    shown = ", ".join(str(rank) for rank in ranks[:8])
    return shown if len(ranks) <= 8 else f"{shown}, … ({len(ranks)})"

"""fabricsim: a discrete-event simulator for the interconnect fabrics of AI supernodes.

    import fabricsim as fs
    fabric = fs.load_topology("cloudmatrix384")
    result = fs.simulate(fabric, fs.all_reduce("16 MiB", algorithm="ring", ranks=range(64)))
    result.metrics["busbw_Bps"]

Everything is imported when it is first used, so `import fabricsim` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fabricsim.accessors import lend
from fabricsim.version import __version__

if TYPE_CHECKING:
    from fabricsim.calibration import calibrate
    from fabricsim.collectives import (
        all_gather,
        all_reduce,
        all_to_all,
        all_to_all_v,
        broadcast,
        gather,
        read_program,
        reduce,
        reduce_scatter,
        ring_all_reduce,
        scatter,
        send_recv,
        wait_for_all,
    )
    from fabricsim.designs import search, solve
    from fabricsim.errors import (
        BudgetError,
        FabricError,
        InputError,
        SimulationError,
        StallError,
        UsageError,
    )
    from fabricsim.fabric import Device, Fabric, Link
    from fabricsim.failures import (
        Flap,
        GroupDown,
        LaneDown,
        LinkDegraded,
        LinkDown,
        NodeDown,
        PlaneDown,
        Recovery,
    )
    from fabricsim.inspection import inspect
    from fabricsim.model import Endpoint, Model
    from fabricsim.regression import judge
    from fabricsim.result import Result, load_result
    from fabricsim.routing import Routing
    from fabricsim.run import simulate, survive
    from fabricsim.scenario import Scenario, load_scenario
    from fabricsim.schedule import Graph, Meetings, Operation, Round, Schedule
    from fabricsim.sweeps import sweep
    from fabricsim.topology import load_topology
    from fabricsim.traces import read_trace, replay
    from fabricsim.traffic import (
        bit_reversal,
        hotspot,
        incast,
        moe_combine,
        moe_dispatch,
        permutation,
        ring_exchange,
        shift,
        tornado,
        traffic_matrix,
        uniform,
    )

_HOME = {
    "calibration": ("calibrate",),
    "collectives": (
        "all_gather",
        "all_reduce",
        "all_to_all",
        "all_to_all_v",
        "broadcast",
        "gather",
        "read_program",
        "reduce",
        "reduce_scatter",
        "ring_all_reduce",
        "scatter",
        "send_recv",
        "wait_for_all",
    ),
    "designs": ("search", "solve"),
    "errors": ("BudgetError", "FabricError", "InputError", "SimulationError", "StallError", "UsageError"),
    "fabric": ("Device", "Fabric", "Link"),
    "failures": (
        "Flap",
        "GroupDown",
        "LaneDown",
        "LinkDegraded",
        "LinkDown",
        "NodeDown",
        "PlaneDown",
        "Recovery",
    ),
    "inspection": ("inspect",),
    "model": ("Endpoint", "Model"),
    "regression": ("judge",),
    "result": ("Result", "load_result"),
    "routing": ("Routing",),
    "run": (
        "simulate",
        "survive",
    ),  # `run` itself is a module of that name: load_scenario(…).run() runs a scenario
    "scenario": ("Scenario", "load_scenario"),
    "schedule": ("Graph", "Meetings", "Operation", "Round", "Schedule"),
    "sweeps": ("sweep",),
    "topology": ("load_topology",),
    "traces": ("read_trace", "replay"),
    "traffic": (
        "bit_reversal",
        "hotspot",
        "incast",
        "moe_combine",
        "moe_dispatch",
        "permutation",
        "ring_exchange",
        "shift",
        "tornado",
        "traffic_matrix",
        "uniform",
    ),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted([*_MODULE, "__version__"])

lend("Fabric", "plot", "fabricsim.report.plot:MachinePlot")
lend("Result", "plot", "fabricsim.report.plot:Plot")
lend("Result", "_repr_html_", "fabricsim.report.html:repr_html")
lend("Result", "explain", "fabricsim.explanation:explainer")
lend("Explanation", "text", "fabricsim.report.explanation_tables:explanation_text")
lend("Explanation", "_repr_html_", "fabricsim.report.html:explanation_html")
lend("Scenario", "run", "fabricsim.run:runner")


def __getattr__(name: str) -> Any:
    if name in _MODULE:
        return getattr(import_module(f"fabricsim.{_MODULE[name]}"), name)
    raise AttributeError(f"module 'fabricsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

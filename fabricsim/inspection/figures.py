"""What a topology is, in numbers that can be compared: counts, hops, cuts, injection, bounds, findings.

No single "aggregate bandwidth": the vendor's own wording, the sum of ports, injection, bisection and the
all-to-all bound are different things and are told apart.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from fabricsim.fabric import Fabric
from fabricsim.inspection.cabling import layout_figures
from fabricsim.inspection.cuts import all_to_all_bound, bisection
from fabricsim.inspection.lint import lint
from fabricsim.inspection.media import cable_lanes, cables, modules_of_class, whole
from fabricsim.inspection.pairs import Pairs, pairs_of
from fabricsim.inspection.parts import PartsBook, totals
from fabricsim.inspection.ports import payload_share, port_figures, tiers


def inspect(fabric: Fabric, book: PartsBook | None = None) -> dict[str, Any]:
    """Return the figures of a topology under the names that `fabricsim inspect --json` prints.

    Rates are B/s, per direction and per NPU where the name says port sum, injection or bound. A name with `_raw_` is
    signalling (None where a link states only its data rate), one with `_payload_` is without headers, and the rest
    is on the wire, after coding; but `all_to_all_bound_Bps` is payload, and `…_wire_Bps` is what that takes. A port
    sum leaves out links inside a package. `hops_sampled` and `all_to_all_sampled` count the destinations looked at
    where those are not all, else they are None: then no path is left out, or left-out ones are equal by symmetry.
    With a parts book `parts` has its totals, with a layout `layout` has racks, bundles and lengths, else it is None.
    """
    pairs = pairs_of(fabric)
    known = pairs.separated is None and fabric.ranks > 1
    bounds = _bounds(fabric, pairs, known=known)
    return {
        "name": fabric.name,
        "title": fabric.about.title,
        "npus": fabric.ranks,
        "packages": fabric.ranks // fabric.device(0).per_package,
        "switches": fabric.switches,
        **_other_nodes(fabric),
        "channels": fabric.channels,
        "links": fabric.link_count,
        "diameter_hops": pairs.diameter if known else None,
        "mean_hops": pairs.mean if known else None,
        "vendor_sum": fabric.about.vendor_sum or None,
        **port_figures(fabric),
        **bounds,
        "hops_sampled": pairs.hops_sampled or None,
        "all_to_all_sampled": pairs.rate_sampled or None,
        "default_routing": fabric.policy,
        "tiers": tiers(fabric),
        "cables": cables(fabric),
        "cable_lanes": cable_lanes(fabric),
        "optical_modules": whole(float(modules_of_class(fabric).sum())),
        "layout": layout_figures(fabric),
        **({} if book is None else {"parts": totals(fabric, book, bounds["all_to_all_bound_Bps"])}),
        "notes": list(fabric.about.notes),
        "lint": lint(fabric, pairs),
        "evidence": _evidence(fabric),
    }


def _other_nodes(fabric: Fabric) -> dict[str, int | None]:
    """Return how many circuit switches, CPUs, NICs and spare NPUs there are, None where there are none."""
    counts: Counter[str] = Counter()
    for group in fabric.groups:
        counts[group.device.kind] += group.count
    names = {"ocs": "circuit_switches", "cpu": "cpus", "nic": "nics", "spare": "spares"}
    return {name: counts[kind] or None for kind, name in names.items()}


def _bounds(fabric: Fabric, pairs: Pairs, *, known: bool) -> dict[str, Any]:
    """Return bisection and all-to-all bound, None where some NPUs are not joined or there is only one."""
    cut, exact = bisection(fabric, pairs) if known else (None, False)
    bound = all_to_all_bound(fabric, pairs) if known else None
    share = payload_share(fabric)
    return {
        "bisection_Bps": cut,
        "bisection_payload_Bps": None if cut is None else cut * share,
        "bisection_exact": exact,
        "all_to_all_bound_Bps": bound,
        "all_to_all_bound_wire_Bps": None if bound is None else bound / share,
    }


def _evidence(fabric: Fabric) -> dict[str, int]:
    """Return how many of the topology's numbers there are of each confidence."""
    counts: Counter[str] = Counter()
    for entry in fabric.about.evidence:
        counts[entry.confidence] += entry.numbers
    return dict(counts)

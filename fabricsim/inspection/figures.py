"""What a topology is, in numbers that can be compared: counts, hops, cuts, injection, bounds, findings.

No single "aggregate bandwidth": the vendor's own wording, the sum of ports, injection, bisection and the
all-to-all bound are different things and are told apart.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from fabricsim.fabric import Fabric
from fabricsim.inspection.cuts import all_to_all_bound, bisection
from fabricsim.inspection.lint import lint
from fabricsim.inspection.pairs import pairs_of
from fabricsim.inspection.ports import cables, injection, port_sums, raw_port_sum, tiers


def inspect(fabric: Fabric) -> dict[str, Any]:
    """Return the figures of a topology under the names that `fabricsim inspect --json` prints.

    Rates are B/s, per direction and per NPU where the name says injection or bound; on the wire, but for
    `port_sum_raw_Bps` (signalling, None where a link states only its data rate) and `all_to_all_bound_Bps`
    (payload). `hops_sampled` and `all_to_all_sampled` count the destinations looked at where those are not
    all, else they are None: then no path is left out, or left-out ones are equivalent by symmetry.
    """
    pairs = pairs_of(fabric)
    ports = port_sums(fabric)
    cut, exact = bisection(fabric, pairs)
    up = injection(fabric, "scale-up")
    out = injection(fabric, "scale-out")
    known = pairs.separated is None and fabric.ranks > 1
    figures: dict[str, Any] = {
        "name": fabric.name,
        "title": fabric.about.title,
        "npus": fabric.ranks,
        "switches": fabric.switches,
        "channels": fabric.channels,
        "links": fabric.link_count,
        "diameter_hops": pairs.diameter if known else None,
        "mean_hops": pairs.mean if known else None,
        "vendor_sum": fabric.about.vendor_sum or None,
        "port_sum_Bps": int(ports.min()),
        "port_sum_raw_Bps": raw_port_sum(fabric),
        "scale_up_injection_Bps": up,
        "scale_out_injection_Bps": out,
        "bisection_Bps": cut if known else None,
        "bisection_exact": exact and known,
        "all_to_all_bound_Bps": all_to_all_bound(fabric, pairs) if known else None,
        "hops_sampled": pairs.hops_sampled or None,
        "all_to_all_sampled": pairs.rate_sampled or None,
        "default_routing": fabric.policy,
        "tiers": tiers(fabric),
        "cables": cables(fabric),
        "lint": lint(fabric, pairs),
        "evidence": _evidence(fabric),
    }
    return figures


def _evidence(fabric: Fabric) -> dict[str, int]:
    """Return how many of the topology's numbers there are of each confidence."""
    counts: Counter[str] = Counter()
    for entry in fabric.about.evidence:
        counts[entry.confidence] += entry.numbers
    return dict(counts)

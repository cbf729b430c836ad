"""Which metrics a baseline holds, which way each is better, and how far it may move.

Not held are metrics that follow from others or describe how a design is used: efficiency, for one, falls when
a link gets faster and latency stays, which is no loss.
"""

from __future__ import annotations

from typing import Final, Literal

from fabricsim.expectations import kind_of
from fabricsim.metrics import METRICS

Better = Literal["lower", "higher", "same"]

REL: Final = 0.01
"""How far a time, a rate or a share may move unless its baseline says otherwise: one part in a hundred."""

_DERIVED: Final = frozenset({
    "ideal_time_s", "efficiency", "asked_size_B", "algbw_Bps", "link_utilization_max",
    "link_utilization_mean", "cross_check_rel_error", "calibrated_least_s", "calibrated_most_s",
    "recovery_window_s", "fault_time_s",
    "n_minus_1_mean_over_healthy", "n_minus_2_mean_over_healthy",
})  # fmt: skip
_LOWER: Final = frozenset({
    "completion_time_s", "latency_mean_s", "latency_p50_s", "latency_p99_s", "latency_max_s",
    "packet_latency_mean_s", "packet_latency_p50_s", "packet_latency_p99_s", "packet_latency_max_s",
    "bytes_dropped", "bytes_retransmitted", "detection_time_s", "reroute_time_s", "recovery_time_s", "delay_s",
    "bytes_lost_in_flight", "saturated", "step_time_s", "bubble_time_s", "exposed_time_s", "exposed_tp_s",
    "calibrated_time_s", "progress_time_s", "stalled_ranks",
    "first_token_time_s", "token_time_s", "prefill_time_s", "cache_transfer_s", "pass_time_s",
    "layer_p50_s", "layer_p90_s", "layer_p99_s", "layer_max_s", "dispatch_mean_s", "combine_mean_s", "memory_used_B",
    "exposed_cp_s", "exposed_ep_s", "exposed_pp_s", "exposed_dp_s", "alone_time_s", "slowdown", "slowdown_max",
    "slowdown_mean", "diameter_hops", "mean_hops", "switches",
    "n_minus_1_ranks_cut_off", "n_minus_1_parts_below",
    "links", "parts.price", "parts.price_per_npu", "parts.price_per_GBps", "parts.watts",
})  # fmt: skip
_HIGHER: Final = frozenset({
    "busbw_Bps", "throughput_before_Bps", "throughput_dip_Bps", "throughput_after_Bps",
    "capacity_after_over_before", "recovered", "mfu", "communication_factor", "token_rate", "served_rate", "npus",
    "n_minus_1_worst_over_healthy", "n_minus_2_worst_over_healthy", "faults_survived",
    "port_sum_Bps", "scale_up_injection_Bps", "scale_out_injection_Bps", "bisection_Bps", "all_to_all_bound_Bps",
    "parts.mtbf_s",
})  # fmt: skip


def is_watched(metric: str) -> bool:
    """Return whether a new baseline holds `metric`."""
    return metric not in _DERIVED


def better(metric: str) -> Better:
    """Return which way a metric is better; of those not listed, any change counts as a loss."""
    return "lower" if metric in _LOWER else "higher" if metric in _HIGHER else "same"


def default_rel(metric: str) -> float:
    """Return the relative tolerance of a new baseline: none for counts and bytes, which are exact."""
    exact = metric in METRICS and (METRICS[metric][0] == "B" or kind_of(metric) == "count")
    return 0.0 if exact or metric.startswith("bytes_") else REL

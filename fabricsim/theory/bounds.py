"""Lower bounds on the completion of any schedule, from what its routes load."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def busiest_channel_ps(busy_ps: IntArray) -> int:
    """Return the longest time [ps] that any one channel transmits; 0 where nothing is sent.

    busy_ps: (channels,) [ps], how long each channel transmits in all. A channel sends one packet at a time, so no
    schedule ends before its busiest channel has sent everything.
    """
    return int(np.max(busy_ps, initial=0))


def longest_path_ps(path_ps: IntArray) -> int:
    """Return the longest latency and delay [ps] of any one path; 0 where there is none.

    path_ps: (paths,) [ps], the latency of a path's channels and the delay of the nodes it passes through.
    """
    return int(np.max(path_ps, initial=0))


def ideal_time_ps(busy_ps: IntArray, path_ps: IntArray) -> int:
    """Return the time [ps] that a schedule takes at least on the healthy fabric, under the routing used.

    The larger of busiest channel and longest path, each of which holds by itself: their sum would be a bound only
    if the busiest channel lay on the longest path. Arguments as above.
    """
    return max(busiest_channel_ps(busy_ps), longest_path_ps(path_ps))

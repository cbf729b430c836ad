"""How many meetings a switch holds open at once, and who waits for one to end."""

from __future__ import annotations

from collections import deque


class Rooms:
    """The meetings that are open in each switch, at most `limit` (None: any number), the others in order of asking."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._open: dict[int, set[int]] = {}
        self._waiting: dict[int, deque[int]] = {}

    def enter(self, switch: int, meeting: int) -> bool:
        """Ask for a meeting to be open; return whether it is, and else let it wait."""
        inside = self._open.setdefault(switch, set())
        queue = self._waiting.setdefault(switch, deque())
        if meeting not in inside and meeting not in queue:
            if self._limit is None or len(inside) < self._limit:
                inside.add(meeting)
            else:
                queue.append(meeting)
        return meeting in inside

    def leave(self, switch: int, meeting: int) -> int | None:
        """End a meeting; return the one that opens in its place, None for none."""
        self._open[switch].discard(meeting)
        if not self._waiting[switch]:
            return None
        following = self._waiting[switch].popleft()
        self._open[switch].add(following)
        return following

"""Who sends what to whom, and after what: the one form all traffic takes.

An operation is a list of rounds, or a graph of tasks. In each round some ranks send messages, and switches may add
up or copy what meets in them; a rank enters the next round when its own messages of this round are sent and those to
it are delivered. In a graph every task names what it waits for. Nothing waits for other ranks, unless the operation
asks for a barrier. `expanded` turns both into the steps that an event-driven kernel walks.
"""

from fabricsim.schedule.columns import IntArray
from fabricsim.schedule.conversion import as_graph
from fabricsim.schedule.graph import Graph
from fabricsim.schedule.lanes import check_lanes
from fabricsim.schedule.lines import MANY, EveryPair, Lines, every_pair
from fabricsim.schedule.meetings import Meetings
from fabricsim.schedule.operation import Operation, Round
from fabricsim.schedule.schedule import Messages, Schedule
from fabricsim.schedule.steps import Steps, expanded
from fabricsim.schedule.tenant import Tenant

__all__ = [
    "MANY",
    "EveryPair",
    "Graph",
    "IntArray",
    "Lines",
    "Meetings",
    "Messages",
    "Operation",
    "Round",
    "Schedule",
    "Steps",
    "Tenant",
    "as_graph",
    "check_lanes",
    "every_pair",
    "expanded",
]

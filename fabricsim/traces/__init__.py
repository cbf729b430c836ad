"""Traces of real runs, read from what other tools write, and replayed as graphs of tasks."""

from fabricsim.traces.reading import FORMATS, read_trace
from fabricsim.traces.tasks import replay
from fabricsim.traces.trace import Node, Source, Trace

__all__ = ["FORMATS", "Node", "Source", "Trace", "read_trace", "replay"]

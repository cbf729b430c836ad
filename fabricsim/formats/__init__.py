"""Formats in and out: what other tools write of measured runs, and what they read of simulated ones."""

from fabricsim.formats.measured import Log, LogRow
from fabricsim.formats.reading import log_of, read_log, shipped_logs
from fabricsim.formats.trace import perfetto_trace

__all__ = ["Log", "LogRow", "log_of", "perfetto_trace", "read_log", "shipped_logs"]

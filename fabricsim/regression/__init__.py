"""Judging results: expectations, baselines, and who moved what."""

from fabricsim.regression.baseline import (
    SUFFIX,
    Baseline,
    baseline_path,
    make_baseline,
    read_baseline,
    write_baseline,
)
from fabricsim.regression.beside import RunsBeside
from fabricsim.regression.changes import Change, Comparison, compare
from fabricsim.regression.check import Checked, check_scenario
from fabricsim.regression.verdicts import Verdict, judge

__all__ = [
    "SUFFIX",
    "Baseline",
    "Change",
    "Checked",
    "Comparison",
    "RunsBeside",
    "Verdict",
    "baseline_path",
    "check_scenario",
    "compare",
    "judge",
    "make_baseline",
    "read_baseline",
    "write_baseline",
]

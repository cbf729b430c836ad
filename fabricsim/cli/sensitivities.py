"""The command that says which uncertain numbers decide a verdict."""

from __future__ import annotations

import sys

from fabricsim.cli.options import File, Output, Set


def sensitivity(file: File, output: Output = None, settings: Set = None) -> None:
    """Vary the machine's uncertain numbers; rank them by effect on each expectation, and say where it flips."""
    from fabricsim.designs.sensitivity import sensitivity as sensitivity_of
    from fabricsim.designs.text import sensitivity_lines
    from fabricsim.scenario import load_scenario

    found = sensitivity_of(load_scenario(file, settings=settings or []))
    print("\n".join(sensitivity_lines(found)))
    for text in found.left_out:
        print(f"not varied: {text}", file=sys.stderr)
    if output:
        from fabricsim.report.tornado import write_tornado

        print(f"picture: {write_tornado(found, output / 'sensitivity.png')}", file=sys.stderr)

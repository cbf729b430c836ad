"""The command that says why a run takes as long as it does."""

from __future__ import annotations

import json
import sys

from fabricsim.cli.options import (
    BudgetText,
    Engine,
    File,
    Force,
    Json,
    Kernel,
    Output,
    Seed,
    Set,
    results_console,
)
from fabricsim.cli.runs import announce_line, progress_line, read_scenario, watch_line


def explain(
    file: File,
    output: Output = None,
    engine: Engine = None,
    kernel: Kernel = None,
    settings: Set = None,
    seed: Seed = None,
    budget: BudgetText = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Say why a scenario takes so long: critical path, binding links, and what faster links would give."""
    from fabricsim.budget import parse_budget
    from fabricsim.explanation import explanation_in
    from fabricsim.report.folder import check_folder, write_report
    from fabricsim.report.terminal import print_explanation
    from fabricsim.run import run

    scenario = read_scenario(file, settings or [], seed, engine, kernel)
    if output:
        check_folder(output, force=force)
    results = run(
        scenario,
        progress_line(scenario.name),
        parse_budget(budget) if budget else None,
        watch=watch_line(),
        announce=announce_line(),
        explain=True,
    )
    if output:
        print(f"report: {write_report(results, output, force=force)}", file=sys.stderr)
    if as_json:
        contents = [{"name": result.name, **result.explanation} for result in results]
        print(json.dumps(contents[0] if len(contents) == 1 else contents, indent=1))
        return
    console = results_console()
    for result in results:
        varied = ", ".join(f"{key} = {value}" for key, value in result.provenance["varied"].items())
        if varied and len(results) > 1:
            print(f"\nwhere {varied}")
        print_explanation(explanation_in(result), console)

"""A small design and three scenarios of it: one on its inner links, one on its outer links, one on both."""

from pathlib import Path

MACHINE = """schema: fabricsim.topology/1
name: two-by-two
links:
  inner: {{bandwidth: {inner}, latency: 100 ns, medium: pcb}}
  outer: {{bandwidth: {outer}, latency: 100 ns, medium: copper}}
device: {{ports: 2, forwards: true}}
levels:
  - {{name: board, members: 2, rule: full-mesh, link: inner}}
  - {{name: rack, members: 2, rule: full-mesh, link: outer}}
evidence: {{levels: {{confidence: assumed, source: made for a test}}}}
"""
SCENARIO = """schema: fabricsim/1
name: {name}
topology: machine.yaml
workload:
  - {{name: ar, collective: all-reduce, algorithm: ring, size: 1 MiB, ranks: {ranks}}}
expect:
  completion_time: "<= 1 s"
"""
RANKS = {"inner": '"0-1"', "outer": '"0,2"', "both": '"0-3"'}


def write_machine(folder: Path, *, inner: str = "50 GB/s", outer: str = "100 GB/s") -> None:
    (folder / "machine.yaml").write_text(MACHINE.format(inner=inner, outer=outer))


def write_designs(folder: Path) -> None:
    """Write the machine and its scenarios into `folder`."""
    write_machine(folder)
    for name, ranks in RANKS.items():
        (folder / f"{name}.yaml").write_text(SCENARIO.format(name=name, ranks=ranks))


def scenarios(folder: Path) -> list[Path]:
    return [folder / f"{name}.yaml" for name in RANKS]

"""Pictures of machines: each level as a small graph, inner to outer, and the whole where it is small.

Matplotlib is used through its objects, never pyplot. Colours: Okabe & Ito, "Color Universal Design" (2008).
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from fabricsim.errors import InputError, close_match
from fabricsim.fabric import Fabric, LevelInfo, Link, NodeGroup
from fabricsim.report.figures import COLOURS, GRID, INK, MUTED
from fabricsim.report.images import png_bytes, svg_text
from fabricsim.report.names import drawable
from fabricsim.units import format_bandwidth, format_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Points = NDArray[np.float64]

_MEDIA: Final = {"pcb": COLOURS[2], "copper": COLOURS[1], "active-copper": COLOURS[3], "optical": COLOURS[0]}
_WORDS: Final = {
    "pcb": "board", "copper": "copper cable", "active-copper": "active copper cable", "optical": "optical",
    None: "medium not stated",
}  # fmt: skip
_ROW: Final = 6
_AROUND: Final = 16
_WHOLE: Final = 96
"""Nodes up to which a machine is drawn whole beside its levels."""
_WHOLE_ALONE: Final = 512


def draw_machine(fabric: Fabric) -> Figure:
    """Return the picture of a machine: one panel for each level that has links, then the whole if small.

    Raises InputError for a graph without levels that has too many nodes to draw.
    """
    from matplotlib.figure import Figure

    infos = [info for info in fabric.about.levels if info.links]
    whole = fabric.nodes <= (_WHOLE if infos else _WHOLE_ALONE) and len(infos) != 1
    if not infos and not whole:
        what = f"{fabric.name} has no levels and {fabric.nodes} nodes"
        raise InputError(what, f"a graph of up to {_WHOLE_ALONE} nodes is drawn whole")
    panels = len(infos) + whole
    figure = Figure(figsize=(max(6.4, 3.3 * panels + 0.4), 5.2), facecolor="white")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    figure.subplots_adjust(left=0.02, right=0.98, top=0.80, bottom=0.30, wspace=0.08)
    for ax, info in zip(axes, infos, strict=False):
        _bare(ax)
        _draw_level(ax, fabric, info)
    if whole:
        _bare(axes[-1])
        _draw_whole(axes[-1], fabric)
    _headline(figure, fabric)
    return figure


def draw_level(fabric: Fabric, name: str, ax: Axes | None = None) -> Axes:
    """Draw one level of a machine, a copy of it, into `ax` or a figure of its own, and return the Axes.

    Raises InputError for a level that the machine has not, or that joins nothing.
    """
    infos = {info.name: info for info in fabric.about.levels if info.links}
    if name not in infos:
        raise InputError(f"{fabric.name} has no level {name!r} with links", close_match(name, infos))
    ax = _panel(ax)
    _draw_level(ax, fabric, infos[name])
    return ax


def draw_whole(fabric: Fabric, ax: Axes | None = None) -> Axes:
    """Draw every node and link of a machine into `ax` or a figure of its own, and return the Axes.

    Raises InputError for one of too many nodes to be told apart.
    """
    if fabric.nodes > _WHOLE_ALONE:
        what = f"{fabric.name} has {fabric.nodes:,} nodes"
        raise InputError(what, f"up to {_WHOLE_ALONE} are drawn whole; draw one of its levels")
    ax = _panel(ax)
    _draw_whole(ax, fabric)
    return ax


def _panel(ax: Axes | None) -> Axes:
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(4.4, 4.8), facecolor="white", layout="constrained").subplots()
    _bare(ax)
    return ax


def write_picture(fabric: Fabric, path: Path) -> None:
    """Write the picture of a machine as .png or .svg. Raises InputError for another suffix or a missing folder."""
    kind = path.suffix.lower()
    if kind not in (".png", ".svg"):
        raise InputError(f"{path} is neither .png nor .svg", "name the picture so")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent}", "make it first, or write elsewhere")
    figure = draw_machine(fabric)
    if kind == ".png":
        path.write_bytes(png_bytes(figure))
    else:
        path.write_text(svg_text(figure), encoding="utf-8")


def _bare(ax: Axes) -> None:
    ax.set_axis_off()
    ax.set_xlim(-1.25, 1.25)
    ax.set_ylim(-1.2, 1.2)
    ax.set_aspect("equal")


def _headline(figure: Figure, fabric: Fabric) -> None:
    from matplotlib.lines import Line2D

    title = drawable(fabric.about.title or fabric.name, 120)
    size = min(12.5, figure.get_figwidth() * 105 / len(title))
    figure.text(0.03, 0.955, title, size=size, weight="bold", color=INK)
    figure.text(0.03, 0.905, _counts(fabric), size=9.5, color=MUTED)
    media = list(dict.fromkeys(fabric.links[int(c)].medium for c in np.unique(fabric.link_class)))
    handles = [
        Line2D([], [], color=_MEDIA.get(medium or "", MUTED), lw=2, label=_WORDS.get(medium, str(medium)))
        for medium in media
    ]
    handles.append(Line2D([], [], marker="s", ls="", ms=8, color=INK, label="member"))
    if fabric.switches:
        handles.append(Line2D([], [], marker="o", ls="", ms=8, color=COLOURS[4], mec=INK, label="switch"))
    kinds = {group.device.kind for group in fabric.groups}
    if "ocs" in kinds:
        handles.append(Line2D([], [], marker="D", ls="", ms=6, color="white", mec=INK, label="circuit"))
    handles += [
        Line2D([], [], marker="^", ls="", ms=8, color=MUTED, mec=INK, label=kind)
        for kind in ("cpu", "nic", "spare")
        if kind in kinds
    ]
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.015, 0.005), ncols=6, frameon=False, fontsize=9
    )


def _counts(fabric: Fabric) -> str:
    """Return the line below the title: how many there are of each kind of node, and of links."""
    kinds = Counter({group.device.kind: 0 for group in fabric.groups})
    for group in fabric.groups:
        kinds[group.device.kind] += group.count
    packages = fabric.ranks // fabric.device(0).per_package
    words = [f"{fabric.ranks:,} NPUs" + (f" in {packages:,} packages" if packages < fabric.ranks else "")]
    words.append(f"{fabric.switches:,} switches")
    names = {"cpu": "CPUs", "nic": "NICs", "spare": "spare NPUs", "ocs": "circuits"}
    words += [
        f"{kinds[kind]:,} {name}"[: -1 if kinds[kind] == 1 else None]
        for kind, name in names.items()
        if kinds[kind]
    ]
    words.append(f"{fabric.link_count:,} links")
    if any(group.missing for group in fabric.groups):
        words.append("levels drawn as their largest copy, some parts are missing")
    return ", ".join(words)


# -- one level --------------------------------------------------------------------------------------------


def _link_of(fabric: Fabric, info: LevelInfo) -> Link:
    level = fabric.levels.index(info.name)
    return fabric.links[int(fabric.link_class[int(np.argmax(fabric.level == level))])]


def _draw_level(ax: Axes, fabric: Fabric, info: LevelInfo) -> None:
    link = _link_of(fabric, info)
    colour = _MEDIA.get(link.medium or "", MUTED)
    if info.planes:
        _draw_switched(ax, info, colour)
    elif info.rule == "line":
        _draw_row_graph(ax, info, colour)
    else:
        circuits = any(group.device.kind == "ocs" for group in _beyond(fabric, info))
        _draw_around(ax, info, colour, circuits)
    for group in _beyond(fabric, info):
        if group.device.kind != "ocs":
            _draw_attached(ax, info, group, colour)
    copies = f"  ×{info.copies:,}" if info.copies > 1 else ""
    ax.set_title(drawable(info.name, 20) + copies, size=11.5, weight="bold", color=INK, pad=4)
    lines = _words(fabric, info, link)
    ax.text(0, -1.28, "\n".join(lines), ha="center", va="top", size=8.6, color=INK, linespacing=1.4)


def _words(fabric: Fabric, info: LevelInfo, link: Link) -> list[str]:
    """Return what stands under a level: what meets how, over which link, at which rate and taper."""
    below = _below(fabric, info)
    lines = [f"{info.members:,} × {drawable(below, 18)}: {info.rule}" + (", twisted" if info.twisted else "")]
    if info.planes:
        what = "plane" if info.rule == "switched" and not info.attached else "column"
        many = f"{info.planes:,} {what}{'s' if info.planes > 1 else ''} × {info.switches:,} switch"
        lines.append(many + ("es" if info.switches > 1 else ""))
    attached = f"{drawable(info.attached, 14)} switch" if info.attached else "NPU"
    lines.append(f"{_ports(info)} of each {attached}")
    lines.append(
        f"{drawable(link.name, 22)}: {format_bandwidth(link.bandwidth, 3)}, {format_time(link.latency, 3)}"
    )
    if info.taper is not None:
        lines.append("not tapered" if info.taper <= 1 else f"taper {info.taper:.3g} : 1")
    for group in _beyond(fabric, info):
        dark = group.device.reconfiguration
        each = group.count // info.copies
        word = drawable(group.pattern.rpartition("/")[2].removesuffix("{}"), 14)
        lines.append(f"+ {each:,} {word}" if dark is None else f"circuits, dark for {format_time(dark, 3)}")
    return lines


def _beyond(fabric: Fabric, info: LevelInfo) -> list[NodeGroup]:
    """Return the nodes of a level that are neither members nor switches: attached ones and circuits."""
    return [
        group
        for group in fabric.groups
        if group.level.startswith(f"{info.name}.")
        or (group.level == info.name and group.device.kind == "ocs")
    ]


def _below(fabric: Fabric, info: LevelInfo) -> str:
    """Return what the members of a level are called."""
    names = [level.name for level in fabric.about.levels if not level.beside]
    index = names.index(info.beside or info.name)
    return names[index - 1] if index else fabric.device(0).name


def _ports(info: LevelInfo) -> str:
    nodes = info.members * info.points
    ends = info.links * (1 if info.planes else 2)
    each = ends / nodes
    return f"{'' if ends % nodes == 0 else 'about '}{each:.3g} {'link' if ends == nodes else 'links'}"


def _row(count: int, shown: int, y: float) -> tuple[Points, bool]:
    """Return the places of up to `shown` nodes in a row, with a gap before the last where some are left out."""
    n = min(count, shown)
    x = np.linspace(-1, 1, n) if n > 1 else np.zeros(1)
    if count > shown:
        x = np.append(np.linspace(-1, 0.25, shown - 1), 1.0)
    return np.stack([x, np.full(n, y)], axis=1), count > shown


def _draw_switched(ax: Axes, info: LevelInfo, colour: str) -> None:
    members, cut = _row(info.members, _ROW, -0.75)
    count = info.planes * info.switches if not info.attached and info.rule == "switched" else info.switches
    switches, more = _row(count, _ROW, 0.7)
    for a in members:
        for b in switches:
            ax.plot([a[0], b[0]], [a[1], b[1]], color=colour, lw=1.0, alpha=0.75, zorder=1)
    _squares(ax, members)
    _circles(ax, switches)
    if cut:
        _dots(ax, (0.62, -0.75), info.members)
    if more:
        _dots(ax, (0.62, 0.7), count)
    columns = info.planes if info.rule == "rails" or info.attached else 1
    if columns > 1:
        ax.text(0, 1.04, f"one of {columns:,} columns", ha="center", size=8.6, color=MUTED)


def _draw_attached(ax: Axes, info: LevelInfo, group: NodeGroup, colour: str) -> None:
    """Draw one of the attached nodes, with its links to the switches of a copy."""
    switches, _ = _row(info.planes * info.switches, _ROW, 0.7)
    for b in switches:
        ax.plot([1.15, b[0]], [-0.1, b[1]], color=colour, lw=0.8, ls=":", zorder=1)
    ax.scatter([1.15], [-0.1], s=110, marker="^", color=MUTED, edgecolors=INK, lw=0.8, zorder=3)
    word = drawable(group.pattern.rpartition("/")[2].removesuffix("{}"), 8)
    ax.text(
        1.15, -0.32, f"{word} ×{group.count // info.copies:,}", ha="center", va="center", size=8.6, color=INK
    )


def _draw_row_graph(ax: Axes, info: LevelInfo, colour: str) -> None:
    places, cut = _row(info.members, _ROW, 0.0)
    ax.plot(places[:, 0], places[:, 1], color=colour, lw=1.6, zorder=1)
    _squares(ax, places)
    if cut:
        _dots(ax, (0.62, 0.0), info.members)


def _draw_around(ax: Axes, info: LevelInfo, colour: str, circuits: bool) -> None:
    """Draw members around a circle; of many members a full mesh or ring shows fewer, a graph all its edges.

    circuits: each link runs through a circuit switch, drawn as a diamond on it.
    """
    n, simple = info.members, info.rule in ("full-mesh", "ring")
    shown = _AROUND if simple and n > _AROUND else n
    places = _circle(shown)
    if shown < n:
        pairs = [(i, (i + 1) % shown) for i in range(shown)]
        if info.rule == "full-mesh":
            pairs = [(i, j) for i in range(shown) for j in range(i)]
    else:
        pairs = [(int(a), int(b)) for a, b in info.edges[:, :2]]
    for a, b in pairs[:4000]:
        ax.plot(
            places[[a, b], 0],
            places[[a, b], 1],
            color=colour,
            lw=1.0 if n <= 64 else 0.3,
            alpha=0.8,
            zorder=1,
        )
    if circuits:
        middles = np.array([places[a] * 0.58 + places[b] * 0.42 for a, b in pairs])
        ax.scatter(
            middles[:, 0], middles[:, 1], s=22, marker="D", color="white", edgecolors=INK, lw=0.8, zorder=2
        )
    _squares(ax, places, 110 if shown <= 12 else max(4, 1400 / shown))
    if shown < n:
        _dots(ax, (0.0, 0.0), n)


def _circle(n: int) -> Points:
    angle = np.pi / 2 - 2 * np.pi * np.arange(n) / n + (np.pi / 4 if n == 4 else 0)
    if n == 2:
        angle = np.array([np.pi, 0.0])
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * 0.95


def _squares(ax: Axes, places: Points, size: float = 110) -> None:
    ax.scatter(
        places[:, 0], places[:, 1], s=size, marker="s", color=INK, edgecolors="white", lw=0.8, zorder=3
    )


def _circles(ax: Axes, places: Points, size: float = 150) -> None:
    ax.scatter(
        places[:, 0], places[:, 1], s=size, marker="o", color=COLOURS[4], edgecolors=INK, lw=0.8, zorder=3
    )


def _dots(ax: Axes, at: tuple[float, float], count: int) -> None:
    box = {"boxstyle": "round,pad=0.25", "fc": "white", "ec": GRID, "lw": 0.8}
    ax.text(*at, f"… ×{count:,}", ha="center", va="center", size=9, color=INK, bbox=box, zorder=4)


# -- the whole ------------------------------------------------------------------------------------------


def _draw_whole(ax: Axes, fabric: Fabric) -> None:
    places = _whole_places(fabric)
    for a, b, c in zip(fabric.src.tolist(), fabric.dst.tolist(), fabric.link_class.tolist(), strict=True):
        colour = _MEDIA.get(fabric.links[c].medium or "", MUTED)
        line = _arc(places[a], places[b]) if fabric.switches else places[[a, b]]
        ax.plot(line[:, 0], line[:, 1], color=colour, lw=0.5, alpha=0.6, zorder=1)
    size = float(np.clip(2400 / fabric.nodes, 6, 90))
    kinds = np.array([fabric.device(node).kind for node in range(fabric.nodes)])
    _squares(ax, places[kinds == "npu"], size)
    if fabric.switches:
        _circles(ax, places[kinds == "switch"], size)
    others = places[(kinds != "npu") & (kinds != "switch")]
    ax.scatter(others[:, 0], others[:, 1], s=size, marker="^", color=MUTED, edgecolors=INK, lw=0.8, zorder=3)
    ax.set_title("the whole", size=11.5, weight="bold", color=INK, pad=4)


def _arc(a: Points, b: Points) -> Points:
    """Return the line between two places; between places of one row it bends down, or it would lie on others."""
    if a[1] != b[1]:
        return np.stack([a, b])
    step = np.linspace(0, 1, 13)
    y = a[1] - 0.5 * abs(b[0] - a[0]) * step * (1 - step)
    return np.stack([a[0] + (b[0] - a[0]) * step, y], axis=1)


def _whole_places(fabric: Fabric) -> Points:
    """Return (nodes, 2): NPUs below and tiers above, in rows; around circles, by innermost level, without any."""
    if not fabric.switches:
        return _direct_places(fabric)
    rows = [(0, fabric.ranks)]
    rows += [(g.first, g.count) for g in fabric.groups if g.device.kind != "npu"]
    heights = np.linspace(-0.95, 0.95, len(rows))
    places = np.zeros((fabric.nodes, 2))
    for (first, count), y in zip(rows, heights, strict=True):
        places[first : first + count, 0] = (np.arange(count) + 0.5) / count * 2.3 - 1.15
        places[first : first + count, 1] = y
    return places


def _direct_places(fabric: Fabric) -> Points:
    shape = fabric.groups[0].shape if fabric.groups[0].count == fabric.ranks else (fabric.ranks,)
    wide = max(shape[-1], 1)
    if len(shape) == 1 or fabric.ranks == wide:
        return _circle(fabric.ranks)
    rows = math.ceil(fabric.ranks / wide)
    place = np.arange(fabric.ranks)
    x, y = place % wide, place // wide
    # a little sideways, or links across several rows would lie on one another
    bend = 0.15 * np.sin(np.pi * y / max(rows - 1, 1))
    lift = 0.15 * np.sin(np.pi * x / max(wide - 1, 1))
    return np.stack([2.0 * x / max(wide - 1, 1) - 1 + bend, 1 - 2.0 * y / max(rows - 1, 1) + lift], axis=1)

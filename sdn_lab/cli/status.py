"""A lab's status for people: `render` for a look, `changes` for a watch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sdn_lab.report.format import clean

_MOST_SHOWN = 20


def render(status: Mapping[str, Any]) -> str:
    """Return a status as text, ending in a newline."""
    return "".join(f"{clean(line)}\n" for line in _lines(status))


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for everything that is other than before."""
    for key in ("state", "error", "busy", "scenario"):
        if now[key] != before[key]:
            yield f"{key}: {now[key] or 'nothing more'}"
    for one in now["mended"][len(before["mended"]) :]:
        yield f"mended: {_mended(one)}"
    before_cut, now_cut = _cut(before), _cut(now)
    if now["underlay"]["links"]:  # else nobody could be asked
        yield from (f"underlay: {name} is cut" for name in now_cut if name not in before_cut)
        yield from (f"underlay: {name} carries again" for name in before_cut if name not in now_cut)
    was = {d["what"]: d for d in before["drift"]["differences"]}
    if not now["drift"]["watched"]:
        return
    is_ = {d["what"]: d for d in now["drift"]["differences"]}
    for what in is_.keys() - was.keys():
        yield f"drift: {what}{_betrays(is_[what])}"
    for what in was.keys() - is_.keys():
        yield f"as built again: {what}"


def _lines(status: Mapping[str, Any]) -> Iterator[str]:
    busy = f", being asked for: {status['busy']}" if status["busy"] else ""
    yield (
        f"{status['name']}: scenario {status['scenario']} on {status['backend']}, {status['state']}"
        f" since {status['since']}{busy}"
    )
    if status["error"]:
        yield f"  {status['error']}"
    if status["state"] == "coming up":
        return
    controller = status["controller"]
    runs = "runs" if controller["whole"] else "is being put right" if controller["runs"] else "does not run"
    yield f"  controller   {controller['app']}: {runs}"
    yield from (f"    said: {text}" for text in controller["said"])
    for hypervisor in status["hypervisors"]:
        ports = ", ".join(instance["port"] for instance in hypervisor["instances"]) or "no instance"
        datapath = hypervisor["datapath"]
        state = (
            "does not answer"
            if datapath is None
            else f"{datapath['entries']} entries, {datapath['fail_mode']}"
        )
        yield f"  hypervisor   {hypervisor['name']} ({state}): {ports}"
    yield from (f"  underlay     {line}" for line in underlay_lines(status["underlay"]))
    yield from (f"  mended       {_mended(one)}" for one in status["mended"])
    yield from _drift(status["drift"])


def underlay_lines(underlay: Mapping[str, Any]) -> Iterator[str]:
    """Yield what of the underlay is not as the scenario writes it; nothing if all is."""
    yield from (f"{name} is cut" for name in _cut({"underlay": underlay}))
    yield from (f"no way is left between {one} and {other}" for one, other in underlay["parted"])
    yield from underlay["remarks"]


def _cut(status: Mapping[str, Any]) -> list[str]:
    return [" - ".join(link["between"]) for link in status["underlay"]["links"] if link["cut"]]


def _drift(drift: Mapping[str, Any]) -> Iterator[str]:
    found = drift["differences"]
    if not drift["watched"]:
        yield "  drift        not watched"
    elif not found:
        yield "  drift        none: every datapath holds what it should"
    else:
        yield f"  drift        {len(found)} difference{'s' if len(found) > 1 else ''}"
        yield from (f"    {one['what']}{_betrays(one)}" for one in found[:_MOST_SHOWN])
        if len(found) > _MOST_SHOWN:
            yield f"    and {len(found) - _MOST_SHOWN} more"


def _mended(one: Mapping[str, Any]) -> str:
    return f"{one['what']}, at {one['at']}: put right in {one['ms']} ms"


def _betrays(difference: Mapping[str, Any]) -> str:
    return f" ({difference['betrays']})" if difference["betrays"] else ""

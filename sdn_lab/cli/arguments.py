"""What may be typed.  A verb, flag, method or format whose issue is not done is refused as "not yet"."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from sdn_lab import __version__
from sdn_lab.cli import labs, papers, programs, verbs
from sdn_lab.model.diagnostic import Diagnostic, InputError

VERBS = (
    "run", "up", "status", "check", "apply", "link", "node", "exec", "shell", "capture", "down",
    "graph", "compile", "validate", "schema", "doctor", "list",
)  # fmt: skip
_FOR_EVER = 1e9
BACKENDS = ("sim", "mininet")
DATAPATHS = ("netdev", "system")
RYUS = ("os-ken", "ryu")
METHODS = ("graph", "probe", "drift")
FORMATS = ("text", "json", "junit", "png")

_LATER_VERBS = {
    "prove", "trace", "compare-steering",
}  # fmt: skip
_LATER_METHODS = {"proof"}
_LATER_FORMATS = {"sarif", "html", "md"}
_LATER_FLAGS = {
    "--gate": "the gate before sending",
}


def usage_error(what: str, fix: str = "") -> InputError:
    """Return the error for words that cannot be used."""
    return InputError((Diagnostic(code="USE001", what=what, fix=fix),))


def not_yet(what: str) -> InputError:
    """Return the error for what a later issue brings."""
    return InputError((Diagnostic(code="USE002", what=f"{what}: not yet in version {__version__}"),))


class _Parser(argparse.ArgumentParser):
    """argparse, but its errors are ours: one shape, exit 2."""

    def error(self, message: str) -> NoReturn:
        raise usage_error(message, fix=f"see `{self.prog} --help`")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the parsed words with ``verb`` set to the function to call.  Raises InputError."""
    if argv and argv[0] in _LATER_VERBS:
        raise not_yet(f"the verb '{argv[0]}'")
    if argv and not argv[0].startswith("-") and argv[0] not in VERBS:
        raise usage_error(f"'{argv[0]}' is not a verb", fix=f"choose from {', '.join(VERBS)}")
    own, command = _split(argv)
    for word in own:
        flag = word.partition("=")[0]
        if flag in _LATER_FLAGS:
            raise not_yet(f"{flag} ({_LATER_FLAGS[flag]})")
    arguments = _parser().parse_args(own)
    if arguments.verb is None:
        raise usage_error("no verb given", fix="try `sdn-lab run overlap`, or `sdn-lab --help`")
    arguments.command = command
    if arguments.verb is programs.execute and not command:
        fix = "for example `sdn-lab exec red/vm1 -- ping -c 1 10.0.0.13`"
        raise usage_error("exec names no program", fix=fix)
    return arguments


def _split(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return our words, and those after ``--``, which are another program's."""
    if "--" not in argv or argv[0] != "exec":
        return argv, ()
    at = list(argv).index("--")
    return argv[:at], argv[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="sdn-lab",
        description="Build multi-tenant virtual networks from one file and show that they are isolated.",
        epilog="exit codes: 0 holds, 1 violated, 2 bad input, 3 unknown, 4 methods disagree, "
        "5 backend or privilege missing, 6 the lab failed",
    )
    parser.add_argument("--version", action="version", version=f"sdn-lab {__version__}")
    parser.set_defaults(verb=None)
    words = parser.add_subparsers(metavar="VERB")

    run = words.add_parser("run", help="build, push, verify by every method, report, tear down")
    run.set_defaults(verb=verbs.run)
    _building(run)
    _judging(run, METHODS)
    run.add_argument("--pcap-dir", type=Path, metavar="DIR", help="write the packets behind every violation")
    _living(words)

    graph = words.add_parser("graph", help="draw who runs where, and what joins whom")
    graph.set_defaults(verb=papers.graph)
    _settings(graph)
    graph.add_argument("scenario")
    graph.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=".png or .svg")

    compile_ = words.add_parser("compile", help="write one file of flow entries for each hypervisor")
    compile_.set_defaults(verb=verbs.compile_)
    _settings(compile_)
    compile_.add_argument("scenario")
    compile_.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")

    validate = words.add_parser("validate", help="check a scenario file; say all that is wrong with it")
    validate.set_defaults(verb=verbs.validate)
    validate.add_argument("scenario", nargs="+")

    schema = words.add_parser("schema", help="print the JSON Schema of scenario files, for editors")
    schema.set_defaults(verb=verbs.schema)
    doctor = words.add_parser("doctor", help="say what this machine can run, and what is missing")
    doctor.set_defaults(verb=verbs.doctor)
    list_ = words.add_parser("list", help="list the scenarios and controllers that ship")
    list_.set_defaults(verb=verbs.list_)
    return parser


def _living(words: Any) -> None:
    """Add the verbs of a lab that stays."""
    up = words.add_parser("up", help="build a lab and leave it running")
    up.set_defaults(verb=labs.up)
    _building(up)
    _named(up, "default: $SDN_LAB_NAME, or the scenario's name")

    status = words.add_parser("status", help="say what is up, and how it is")
    status.set_defaults(verb=labs.status)
    _named(status, "default: $SDN_LAB_NAME, or all")
    status.add_argument("--watch", action="store_true", help="go on, and print what changes, drift above all")
    status.add_argument("--report", type=_status_report, metavar="json=FILE", help="for machines")

    check = words.add_parser("check", help="judge a running lab as it is now, by every method")
    check.set_defaults(verb=labs.check)
    _named(check)
    _judging(check, None)
    check.add_argument("--revert", action="store_true", help="first make every datapath hold what it should")

    apply = words.add_parser("apply", help="change a running lab to another scenario, or to a changed file")
    apply.set_defaults(verb=labs.apply)
    _settings(apply)
    apply.add_argument("scenario", help="a file, or the name of a scenario that ships")
    _named(apply)

    link = words.add_parser("link", help="cut a link of the underlay, or mend it")
    link.set_defaults(verb=labs.link)
    link.add_argument("one", metavar="NAME", help="a site, a switch or a hypervisor")
    link.add_argument("other", metavar="NAME", help="another, to which a link leads")
    link.add_argument("state", type=_state, metavar="up|down", help="down cuts it, up mends it")
    _named(link)

    node = words.add_parser("node", help="have a site, a switch or a hypervisor fail, or come back")
    node.set_defaults(verb=labs.node)
    node.add_argument("node", metavar="NODE", help="a site, a switch or a hypervisor")
    node.add_argument(
        "state", type=_state, metavar="up|down", help="down cuts all its links, and stops it; up undoes both"
    )
    _named(node)

    execute = words.add_parser(
        "exec",
        help="run a program in an instance or on a hypervisor",
        usage="sdn-lab exec [--name NAME] NODE -- PROGRAM ...",
    )
    execute.set_defaults(verb=programs.execute)
    _named(execute)
    execute.add_argument("node", help="an instance, e.g. red/vm1, or a hypervisor, e.g. hv1")

    shell = words.add_parser(
        "shell", help="Mininet's words for a running lab: nodes, pingall, red/vm1 ping red/vm3"
    )
    shell.set_defaults(verb=programs.shell)
    _named(shell)

    capture = words.add_parser("capture", help="write what passes some points of a running lab into a file")
    capture.set_defaults(verb=programs.capture)
    _named(capture)
    capture.add_argument(
        "points", nargs="+", metavar="POINT",
        help="red/vm1, or underlay:hv1, management:hv1, packet_in:hv1",
    )  # fmt: skip
    capture.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.pcapng")
    capture.add_argument("--seconds", type=_positive, metavar="S", help="end after so long")
    capture.add_argument("--count", type=_count, metavar="N", help="end after so many frames")

    down = words.add_parser("down", help="end a lab; return when nothing is left of it")
    down.set_defaults(verb=labs.down)
    _named(down)
    down.add_argument("--all", action="store_true", help="all labs of yours, if there are any")


def _named(
    parser: argparse.ArgumentParser, default: str = "default: $SDN_LAB_NAME, or the one that is up"
) -> None:
    name = os.environ.get("SDN_LAB_NAME") or None
    parser.add_argument("--name", default=name, help=f"which lab ({default})")


def _building(parser: argparse.ArgumentParser) -> None:
    """Add what `run` and `up` have in common."""
    _settings(parser)
    parser.add_argument("scenario", help="a file, or the name of a scenario that ships")
    parser.add_argument(
        "--backend", type=_backend, default="sim", metavar="B", help="sim or mininet (default: sim)"
    )
    parser.add_argument(
        "--datapath",
        type=_datapath,
        metavar="D",
        help="what forwards on mininet: Open vSwitch itself (netdev, the default), or the kernel's "
        "openvswitch module (system: untried, not measured)",
    )
    parser.add_argument("--seed", type=int, default=0, help="for nonces and everything else that is drawn")
    parser.add_argument(
        "--controller",
        metavar="NAME|PATH",
        help="a Ryu app that ships, or a file of yours (default: overlay)",
    )
    parser.add_argument(
        "--ryu", choices=RYUS, default=RYUS[0], help="the controller framework (default: %(default)s)"
    )
    parser.add_argument(
        "--flows", type=Path, metavar="DIR", help="load DIR/<hypervisor>.flows; compile nothing"
    )


def _judging(parser: argparse.ArgumentParser, methods: tuple[str, ...] | None) -> None:
    """Add what `run` and `check` have in common."""
    parser.add_argument("--methods", type=_methods, default=methods, metavar="M,M", help=", ".join(METHODS))
    parser.add_argument(
        "--report", type=_report, action="append", default=[], metavar="FORMAT=FILE",
        help="json, junit or text, or png=DIR; may be repeated",
    )  # fmt: skip


def _settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set",
        dest="settings",
        type=_setting,
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="for a scenario that a generator writes; may be repeated",
    )


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise usage_error(f"--set {text} is not KEY=VALUE", fix="for example --set tenants=4 instances=48")
    return name, value


def _backend(name: str) -> str:
    if name not in BACKENDS:
        raise usage_error(f"'{name}' is not a backend", fix=f"choose from {', '.join(BACKENDS)}")
    return name


def _datapath(name: str) -> str:
    if name not in DATAPATHS:
        raise usage_error(f"'{name}' is not a datapath", fix=f"choose from {', '.join(DATAPATHS)}")
    return name


def _methods(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name in _LATER_METHODS:
            raise not_yet(f"the method '{name}'")
        if name not in METHODS:
            raise usage_error(f"'{name}' is not a method", fix=f"choose from {', '.join(METHODS)}")
    if not names:
        raise usage_error("--methods names no method", fix=f"choose from {', '.join(METHODS)}")
    return names


def _state(text: str) -> bool:
    if text not in {"up", "down"}:
        raise usage_error(f"a link or a node cannot be made '{text}'", fix="say up or down")
    return text == "up"


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < _FOR_EVER:
        raise usage_error(f"'{text}' is not a number above 0")
    return value


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise usage_error(f"'{text}' is not a whole number above 0")
    return int(text)


def _status_report(text: str) -> Path:
    name, equals, path = text.partition("=")
    if name != "json" or not equals or not path:
        raise usage_error(f"--report {text} is not json=FILE", fix="for example --report json=status.json")
    verbs.writable(Path(path))
    return Path(path)


def _report(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if name in _LATER_FORMATS:
        raise not_yet(f"the report format '{name}'")
    if name not in FORMATS or not equals or not path:
        raise usage_error(
            f"--report {text} is not FORMAT=FILE",
            fix=f"for example --report json=out.json; {', '.join(FORMATS)}",
        )
    return name, Path(path)

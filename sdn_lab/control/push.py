"""Make datapaths hold what they should: dump, send the difference, dump again, say what came of it.

What
----
A `Pusher` is driven by an app: `push` when a datapath joins or the program changes, `answer` with every
reply.  It never blocks, so that the app's one thread stays free and "settled" means something.

    push > dump > delta > flow-mods, barrier > dump > confirmed, with the difference
                  or: nothing to change > confirmed
                          or: errors > rejected

    push, least > delta > flow-mods, barrier > dump of what was touched > confirmed
                                                   or: not as wanted > as above, from the first dump

Where it sits
-------------
Reads:      `site` (what is wanted), `openflow.delta` (what to send, in which order).
Tells:      the lab, through `site.tell`: ``confirmed`` or ``rejected``, see `sdn_lab.control.lines`.

Why it dumps again
------------------
A barrier says that a switch has processed what was sent, not that it holds it.  Open vSwitch normalizes
entries, another controller may write, a table may be full; the verifier judges what is there, and so
do we.

What "least" trusts
-------------------
That a datapath still holds what it confirmed last, where nothing was to be changed.  It saves two dumps of
everything, which are nearly all of the time of a small change: os-ken takes 0.4 ms an entry.  What somebody
else wrote meanwhile is neither repaired nor noticed; that is `drift`'s business.

Why messages go out many at a time
----------------------------------
os-ken hands every single message from the app's thread to the sender's, through a queue of 16.  The bytes
of `_BATCH` messages in one hand-over save two thread switches a message.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sdn_lab.control.dump import Dump, Slice
from sdn_lab.control.lines import pack_tables
from sdn_lab.control.site import Site
from sdn_lab.openflow import codec, codec_quick
from sdn_lab.openflow.delta import Change, Operation, delta
from sdn_lab.openflow.entry import FlowEntry, Group, Tables

_BATCH = 64
_LISTED = 20  # of the differences, and of the errors: the rest is counted
_SLICES = 24  # of a dump; with more of them, everything is dumped


@dataclass(slots=True)
class _Push:
    """One push to one datapath."""

    wanted: Tables
    generation: int
    dump: Dump | None
    repair: bool
    slices: frozenset[Slice] | None = None  # dumped to confirm it; None: everything
    sent: dict[int, Operation] = field(default_factory=dict)  # by transaction id
    errors: list[dict[str, Any]] = field(default_factory=list)
    barrier: int | None = None
    confirming: bool = False


class Pusher:
    """Pushes what `site` wants."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._pushes: dict[int, _Push] = {}
        self._held: dict[int, Tables] = {}  # confirmed, and nothing sent since
        site.pushes = True

    def push(self, datapath: Any, *, repair: bool = True) -> None:
        """Begin; a push to this datapath that is under way is given up for this one.

        Without *repair*, whatever else the datapath holds stays there and is not looked at.
        """
        wanted = self._site.wanted(datapath.id)
        if wanted is None:
            return
        push = _Push(wanted=wanted, generation=self._site.generation, dump=None, repair=repair)
        self._pushes[datapath.id] = push
        held = self._held.pop(datapath.id, None)
        if held is not None and repair and self._site.least:
            operations = delta(held, wanted)
            push.slices = _slices(operations, held)
            if operations:
                self._send(push, datapath, operations)
            else:
                self._confirm(push, datapath, wanted)
        else:
            push.dump = Dump(datapath)

    def forget(self, datapath: Any) -> None:
        """Give up what was under way: the datapath left."""
        self._pushes.pop(datapath.id, None)
        self._held.pop(datapath.id, None)

    def answer(self, message: Any) -> None:
        """Take in any reply or error of a datapath; those that belong to no push change nothing."""
        push = self._pushes.get(message.datapath.id)
        if push is None:
            return
        kind = type(message).__name__
        if kind == "OFPErrorMsg":
            self._note_error(push, message)
        elif kind == "OFPBarrierReply" and message.xid == push.barrier:
            self._after_barrier(push, message.datapath)
        elif kind.endswith("StatsReply") and push.dump is not None:
            try:
                if push.dump.take(message):
                    self._after_dump(push, message.datapath)
            except codec.CodecError as error:
                self._tell(message.datapath, event="unreadable", text=str(error))
                self.forget(message.datapath)

    def _after_dump(self, push: _Push, datapath: Any) -> None:
        assert push.dump is not None
        held = push.dump.tables
        if push.confirming and push.slices is not None:
            if held.entries == _cut(push.wanted, push.slices).entries:
                self._confirm(push, datapath, push.wanted)
                return
            push.slices, push.confirming, push.dump = None, False, Dump(datapath)
            return
        if push.confirming:
            self._confirm(push, datapath, held)
            return
        operations = delta(held if push.repair else Tables(), push.wanted)
        if operations:
            self._send(push, datapath, operations)
        else:
            self._confirm(push, datapath, held)

    def _send(self, push: _Push, datapath: Any, operations: list[Operation]) -> None:
        batch = bytearray()
        for number, operation in enumerate(operations, start=1):
            xid, message = _message(datapath, operation)
            push.sent[xid] = operation
            batch += message
            if number % _BATCH == 0 or number == len(operations):
                datapath.send(bytes(batch))
                batch.clear()
        barrier = datapath.ofproto_parser.OFPBarrierRequest(datapath)
        push.barrier = datapath.set_xid(barrier)
        datapath.send_msg(barrier)

    def _note_error(self, push: _Push, message: Any) -> None:
        operation = push.sent.get(message.xid)
        if operation is not None:
            push.errors.append(
                {
                    "change": operation.change.value,
                    "subject": pack_tables(_alone(operation.subject)),
                    "names": error_names(message),
                }
            )

    def _after_barrier(self, push: _Push, datapath: Any) -> None:
        if push.errors:
            self._tell(
                datapath,
                event="rejected",
                sent=len(push.sent),
                refused=len(push.errors),
                errors=push.errors[:_LISTED],
            )
            self.forget(datapath)
        else:
            push.confirming = True
            push.dump = Dump(datapath, push.slices)

    def _confirm(self, push: _Push, datapath: Any, held: Tables) -> None:
        lacking = _minus(push.wanted, held)
        surplus = _minus(held, push.wanted) if push.repair else Tables()
        changes = [operation.change for operation in push.sent.values()]
        self._pushes.pop(datapath.id, None)
        if push.repair and not any((lacking.entries, lacking.groups, surplus.entries, surplus.groups)):
            self._held[datapath.id] = push.wanted
        self._tell(
            datapath,
            event="confirmed",
            generation=push.generation,
            added=changes.count(Change.ADD),
            modified=changes.count(Change.MODIFY),
            deleted=changes.count(Change.DELETE),
            held=len(held.entries),
            lacking=pack_tables(_first(lacking)),
            surplus=pack_tables(_first(surplus)),
            differing=sum(len(t.entries) + len(t.groups) for t in (lacking, surplus)),
        )

    def _tell(self, datapath: Any, **event: Any) -> None:
        self._site.tell(dpid=f"{datapath.id:016x}", **event)


def _slices(operations: list[Operation], held: Tables) -> frozenset[Slice] | None:
    """Return what must be dumped to see whether *operations* did what they should; None for everything."""
    before = {entry.key: entry.cookie for entry in held.entries}
    found: set[Slice] = set()
    for operation in operations:
        subject = operation.subject
        if isinstance(subject, Group):
            return None
        found |= {
            (subject.table_id, subject.cookie),
            (subject.table_id, before.get(subject.key, subject.cookie)),
        }
    return frozenset(found) if len(found) <= _SLICES else None


def _cut(tables: Tables, slices: frozenset[Slice]) -> Tables:
    entries = (e for e in tables.entries if (e.table_id, e.cookie) in slices)
    return Tables(entries=tuple(sorted(entries, key=lambda e: (e.table_id, -e.priority, e.match.tests))))


def error_names(message: Any) -> str:
    """Return e.g. ``OFPET_BAD_MATCH / OFPBMC_BAD_PREREQ`` for an error message."""
    ofproto = message.datapath.ofproto
    if message.type == ofproto.OFPET_EXPERIMENTER:
        return f"experimenter {message.experimenter:#x}, error {message.exp_type}"
    type_ = ofproto.ofp_error_type_to_str(message.type)
    code = ofproto.ofp_error_code_to_str(message.type, message.code)
    return f"{type_.split('(')[0]} / {code.split('(')[0]}"


def _message(datapath: Any, operation: Operation) -> tuple[int, bytes]:
    """Return a transaction id of the connection's, and the message that does an operation under it."""
    ofproto, subject = datapath.ofproto, operation.subject
    if isinstance(subject, Group):
        command = {
            Change.ADD: ofproto.OFPGC_ADD,
            Change.MODIFY: ofproto.OFPGC_MODIFY,
            Change.DELETE: ofproto.OFPGC_DELETE,
        }
        told = replace(subject, buckets=()) if operation.change is Change.DELETE else subject
        message = codec.group_mod(datapath, command[operation.change], told)
        xid = datapath.set_xid(message)
        message.serialize()
        return xid, bytes(message.buf)
    command = {
        Change.ADD: ofproto.OFPFC_ADD,
        Change.MODIFY: ofproto.OFPFC_MODIFY_STRICT,
        Change.DELETE: ofproto.OFPFC_DELETE_STRICT,
    }
    xid = datapath.set_xid(datapath.ofproto_parser.OFPBarrierRequest(datapath))  # it numbers messages only
    return xid, codec_quick.flow_mod(datapath, command[operation.change], subject, xid)


def _minus(these: Tables, those: Tables) -> Tables:
    entries, groups = set(those.entries), set(those.groups)
    return Tables(
        entries=tuple(e for e in these.entries if e not in entries),
        groups=tuple(g for g in these.groups if g not in groups),
    )


def _first(tables: Tables) -> Tables:
    return Tables(entries=tables.entries[:_LISTED], groups=tables.groups[:_LISTED])


def _alone(subject: FlowEntry | Group) -> Tables:
    return Tables(groups=(subject,)) if isinstance(subject, Group) else Tables(entries=(subject,))

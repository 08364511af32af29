"""What is wrong with an input, where, why, and how to mend it.

A `Diagnostic` is a value; `render` makes the text that a person reads:

    topologies/acme.yaml:31:9: error[SCN017]: port 'red/vm2' has address 10.1.9.4, outside its network
       31 |     ip: 10.1.9.4
          |         ^^^^^^^^ network 'red/app' is 10.1.0.0/24
      fix: choose an address in 10.1.0.0/24, or attach 'red/vm2' to a network that contains 10.1.9.4

Rules: quote the value; name things as the user named them; say what was allowed; never a
Python repr or a traceback; all problems at once; codes are stable (golden tests hold them).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A place in a text file: line and column from 1; *length* characters are underlined."""

    file: str
    line: int
    column: int
    length: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem.

    *also* names further places, e.g. where an aliased tenant is used: ``(what, span)``.
    *source_line* is the text of the line at *span*, without its newline.
    """

    code: str
    what: str
    why: str = ""
    fix: str = ""
    span: Span | None = None
    source_line: str = ""
    also: tuple[tuple[str, Span], ...] = ()

    def render(self) -> str:
        """Return the text for a person; several lines, no final newline."""
        head = f"error[{self.code}]: {self.what}"
        lines = [head if self.span is None else f"{self.span}: {head}"]
        if self.span is not None and self.source_line:
            number = f"{self.span.line:>5}"
            gutter = " " * len(number)
            lines.append(f"{number} | {self.source_line}")
            marker = " " * (self.span.column - 1) + "^" * max(1, self.span.length)
            lines.append(f"{gutter} | {marker} {self.why}".rstrip())
        elif self.why:
            lines.append(f"  why: {self.why}")
        lines.extend(f"  {what}: {span}" for what, span in self.also)
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


class SdnLabError(Exception):
    """Base of every error that a person may meet.  *exit_code* is what the command returns.

    SdnLabError
      +- InputError          2  bad usage, bad scenario, bad flow text: carries diagnostics
      +- ApparatusError      5  backend or privilege missing: one sentence, what to install
      +- LabError            6  the lab failed at run time
    """

    exit_code = 6


class InputError(SdnLabError):
    """The input cannot be used; carries *all* diagnostics, in the order of the file."""

    exit_code = 2

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        self.diagnostics = diagnostics
        super().__init__("\n".join(d.render() for d in diagnostics))


class ApparatusError(SdnLabError):
    """Something that the machine must have is missing; the message says what to install."""

    exit_code = 5


class LabError(SdnLabError):
    """The lab failed at run time: a process died, a datapath refused, a wait ran out."""

    exit_code = 6

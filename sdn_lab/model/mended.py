"""What died in a running lab, and was put right."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """*what* is a sentence; *at* seconds since 1970 when it was noticed; *ms* until all was as before."""

    what: str
    at: float
    ms: float

    def __str__(self) -> str:
        return f"{self.what}, put right in {self.ms:.0f} ms"

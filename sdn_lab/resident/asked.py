"""A request to a resident: what is asked for, by whom, and the descriptors that came with it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sdn_lab.channel import Channel, Closed

if TYPE_CHECKING:
    from sdn_lab.resident.server import Server


@dataclass(slots=True)
class Asked:
    """A request, who asked, and the descriptors that came with it."""

    server: Server
    channel: Channel
    request: Mapping[str, Any]
    descriptors: Sequence[int] = field(default_factory=list)

    def progress(self, what: str, done: int, total: int) -> None:
        """Tell progress; an asker who went away does not stop what goes on."""
        with contextlib.suppress(Closed, OSError):
            self.channel.send({"progress": [what, done, total]})

    def close(self) -> None:
        """Let go of the descriptors."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []

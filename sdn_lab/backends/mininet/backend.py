"""The backend itself: is everything there, and then build."""

from __future__ import annotations

from sdn_lab.backends.mininet.lab import MininetLab
from sdn_lab.backends.mininet.plan import plan
from sdn_lab.contracts import Progress
from sdn_lab.doctor import require
from sdn_lab.model.assignment import Assignment
from sdn_lab.model.intent import Scenario


class MininetBackend:
    """Real Open vSwitch under Mininet.  Needs root."""

    name = "mininet"

    def start(
        self,
        scenario: Scenario,
        assignment: Assignment,
        *,
        seed: int,  # noqa: ARG002 (a real lab has no dice)
        progress: Progress,
    ) -> MininetLab:
        """Build the lab.  Raises ApparatusError in one sentence, or LabError."""
        require("mininet")
        wanted = plan(scenario, assignment)
        lab = MininetLab(scenario, assignment, wanted)
        lab.build(wanted, progress)
        return lab

"""The backend itself: is everything there, and then build."""

from __future__ import annotations

from sdn_lab.backends.mininet import kernel_datapath
from sdn_lab.backends.mininet.lab import MininetLab
from sdn_lab.backends.mininet.plan import USERSPACE, plan
from sdn_lab.contracts import Progress
from sdn_lab.doctor import require
from sdn_lab.model.assignment import Assignment
from sdn_lab.model.intent import Scenario


class MininetBackend:
    """Real Open vSwitch under Mininet.  *datapath*: ``netdev`` or ``system``, as ovs-vsctl calls them."""

    name = "mininet"

    def __init__(self, datapath: str = USERSPACE) -> None:
        self._datapath = datapath

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
        if self._datapath == kernel_datapath.TYPE:
            require("system")
        wanted = plan(scenario, assignment, datapath=self._datapath)
        lab = MininetLab(scenario, assignment, wanted)
        lab.build(wanted, progress)
        return lab

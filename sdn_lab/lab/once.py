"""Up, check, down: the main job of the command."""

from __future__ import annotations

from sdn_lab.contracts import Progress
from sdn_lab.lab.judge import Judgement
from sdn_lab.lab.living import Lab
from sdn_lab.lab.options import Options, silent
from sdn_lab.model.diagnostic import LabError
from sdn_lab.model.intent import Scenario
from sdn_lab.model.verdict import Report


def run(scenario: Scenario, options: Options, progress: Progress = silent) -> Report:
    """Build, push, verify by every chosen method, tear down; nothing is left behind.

    Bad input and missing apparatus are raised (InputError, ApparatusError); a lab that fails while it runs
    is a report with ``exit`` 6, because what was found until then is still worth reading.
    """
    lab = Lab(scenario, options, progress)
    judgement = Judgement(lab, lab.phases)
    try:
        with lab:
            judgement.judge()
    except LabError as error:
        return judgement.report(str(error))
    return judgement.report()

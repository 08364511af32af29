"""Stage 7: a report on paper.

Reads:    `model.verdict.Report`, and the Scenario for lines of its file and names of its ports.
Gives:    `REPORTERS`, by the name that ``--report NAME=FILE`` uses; `WRITERS`, these and what makes pictures
          (``png=DIR``); `load`, which reads json back.

To add a format: one module with a `Format` (see `format`), one line here.
"""

from sdn_lab.contracts import Reporter
from sdn_lab.report.format import Format
from sdn_lab.report.json_format import JsonReporter, load
from sdn_lab.report.junit import JunitReporter
from sdn_lab.report.plots import PngReporter
from sdn_lab.report.text import TextReporter

REPORTERS: dict[str, Format] = {
    "text": TextReporter(),
    "json": JsonReporter(),
    "junit": JunitReporter(),
}
WRITERS: dict[str, Reporter] = {**REPORTERS, "png": PngReporter()}
NOT_YET = ("sarif", "html", "md")  # announced; refused as "not yet" until their issue

__all__ = ["NOT_YET", "REPORTERS", "WRITERS", "load"]

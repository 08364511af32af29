"""Each sample in each format, as it was agreed that it should read.

To see a deliberate change: delete the file, run once, look at the difference, commit it.
"""

from pathlib import Path

import pytest

from sdn_lab.report import REPORTERS
from tests.unit.report.report_samples import EXITS, SAMPLES, scenario

GOLDEN = Path(__file__).parents[2] / "golden" / "report"
ENDINGS = {"text": "txt", "json": "json", "junit": "xml"}


@pytest.mark.parametrize("name", REPORTERS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_reads_as_agreed(sample, name):
    report = SAMPLES[sample]()
    assert report.exit == EXITS[sample]
    written = REPORTERS[name].render(report, scenario())
    golden = GOLDEN / f"{sample}.{ENDINGS[name]}"
    if not golden.exists():
        golden.write_text(written, encoding="utf-8")
        pytest.fail(f"{golden} was not there and has been written: look at it, and commit it")
    assert written == golden.read_text(encoding="utf-8")

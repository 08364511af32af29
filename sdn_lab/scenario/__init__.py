"""Stage 1: scenario files to a `Scenario`, or to *all* that is wrong with them; and what they claim.

Reads YAML; gives `sdn_lab.model.intent.Scenario` and, from it, the claims (`scenario.claims`), the
reference semantics that every other part of the project is held to.  Imports `model` only.

>>> scenario = load(find("overlap"))
>>> scenario.tenants
('blue', 'red')
"""

from sdn_lab.scenario.library import find, shipped
from sdn_lab.scenario.load import load, loads
from sdn_lab.scenario.random_scenarios import random_scenario
from sdn_lab.scenario.schema import json_schema
from sdn_lab.scenario.write import to_yaml

__all__ = ["find", "json_schema", "load", "loads", "random_scenario", "shipped", "to_yaml"]

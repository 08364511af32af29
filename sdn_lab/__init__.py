"""A software-defined network lab whose isolation is shown, not assumed.

Packages, in the order in which data flows through them (`docs/architecture.md`):
`scenario` -> `compiler` -> `control` -> `backends` -> `observe` -> `verify` -> `report`.
`model` and `openflow` hold the values that the stages exchange; `lab` runs the stages in order.
"""

__version__ = "0.1.0"

"""Stage 6: does the snapshot do what the scenario says?

Reads:    the Scenario, its claims, the Snapshot (`openflow` values).  Never the compiler.
Gives:    verdicts, and from them the report (`agree`).

A method is a `contracts.Checker`; `graph` is one.  Each reads OpenFlow on its own, and where two of
them contradict each other the run says so (exit 4).
"""

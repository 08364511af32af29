"""The simulator: switches, wires and instances in this process, driven by a real controller over TCP.

    lab ------ network --- switch ---- table, check     what each switch holds, and what it refuses
     |            |           `------- openflow.interpret
     |            |------- instance                     the tenants' stacks
     |            `------- physical                     the hypervisors' physical bridges
     |------ clock                                      virtual time
     `------ connection --- agent ---- openflow.wire    the controller's side

No privilege is needed and nothing random is in it: equal input gives equal captures.
"""

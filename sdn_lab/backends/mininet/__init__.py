"""Real Open vSwitch: hypervisors in network namespaces, built from Mininet nodes.

    command --(socket)-- lab daemon = process 1 of the lab's namespaces, which keeper.py made
    lab.py               daemon.py --- watch.py     whose death is noticed
                             |-------- plan.py      what is built, as a value
                             |-------- build.py --- nodes.py, ovs.py, physical.py
                             '-------- exchange.py - taps.py, hearing.py, packet_ins.py

The command's process does not touch a namespace: it sends requests.  When it dies, by ``kill -9`` too,
the kernel ends the daemon, and with the daemon's namespaces everything that was in them
(`daemon` has the chain).
"""

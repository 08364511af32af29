"""The controller framework, by whichever name it is installed: os-ken (the default) or Ryu.

Everything that an app needs is exported from here, so that ``controllers/*.py`` run on both:

    from sdn_lab.control.ryu import App, MAIN_DISPATCHER, ofp_event, ofproto_v1_3, set_ev_cls

The runner chooses by the environment variable in `ENVIRONMENT`; nothing else may name the framework,
but for `sdn_lab.openflow.codec`, which imports neither.

Ryu runs on native threads, too: `sdn_lab.control.ryu_hub`.

An exception must be heard of: os-ken's native threads (4.2.2) treat *every* exception as a wish to end the
thread, so that an app whose handler fails stops hearing events, and nobody is told.  `TaskExit` is
given its meaning back here.

Order of import: ``base.app_manager`` comes first.  ``controller.controller`` first is a circular import
(os-ken 4.2.2 and Ryu 4.34 alike).
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from sdn_lab.control import ryu_hub

ENVIRONMENT = "SDN_LAB_RYU"
NAMES = ("os_ken", "ryu")

name = os.environ.get(ENVIRONMENT, NAMES[0])
if name not in NAMES:
    raise ImportError(f"{ENVIRONMENT}={name} names no controller framework; there are {' and '.join(NAMES)}")


def _module(path: str) -> Any:
    return importlib.import_module(f"{name}.{path}")


if name == "ryu":
    ryu_hub.install()
app_manager = _module("base.app_manager")  # first: see above
controller = _module("controller.controller")
event = _module("controller.event")
handler = _module("controller.handler")
ofp_event = _module("controller.ofp_event")
ofp_handler = _module("controller.ofp_handler")
hub = _module("lib.hub")
packet = _module("lib.packet.packet")
arp = _module("lib.packet.arp")
ethernet = _module("lib.packet.ethernet")
ipv4 = _module("lib.packet.ipv4")
vlan = _module("lib.packet.vlan")
ofproto_v1_3 = _module("ofproto.ofproto_v1_3")
cfg = _module("cfg")

App: Any = app_manager.OSKenApp if name == "os_ken" else app_manager.RyuApp
set_ev_cls = handler.set_ev_cls
HANDSHAKE_DISPATCHER = handler.HANDSHAKE_DISPATCHER
CONFIG_DISPATCHER = handler.CONFIG_DISPATCHER
MAIN_DISPATCHER = handler.MAIN_DISPATCHER
DEAD_DISPATCHER = handler.DEAD_DISPATCHER


class _TaskExit(BaseException):
    """What ends a thread on purpose.  Nothing raises it: native threads cannot be killed."""


if hub.TaskExit is Exception:
    hub.TaskExit = _TaskExit


def version() -> str:
    """Return e.g. ``os-ken 4.2.2``."""
    distribution = name.replace("_", "-")
    return f"{distribution} {importlib.import_module('importlib.metadata').version(distribution)}"

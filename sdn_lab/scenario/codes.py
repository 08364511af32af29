"""The codes of a scenario file's diagnostics: what each one says, in one table.

A code never changes its meaning and is never given again.  `tests/golden/diagnostics` holds, for
every code of this table, an input and the exact message.
"""

from __future__ import annotations

from collections.abc import Mapping

CODES: Mapping[str, str] = {
    # the text
    "SCN001": "not YAML",
    "SCN002": "a key twice in one mapping",
    "SCN003": "YAML that scenario files do without (tags, a second document, endless aliases)",
    # the shape
    "SCN004": "the version is not one that is known",
    "SCN005": "an unknown key",
    "SCN006": "a key is missing",
    "SCN007": "a value of the wrong type",
    "SCN008": "not yet: the format has it, and a later version of sdn-lab will do it",
    "SCN009": "never: something that the format deliberately does without",
    "SCN010": "a name that cannot be one",
    "SCN011": "a word that is not one of those allowed here",
    # single values
    "SCN012": "not an address",
    "SCN013": "not a prefix, or not one that a network can have",
    "SCN014": "not a MAC address, or not one that a port can have",
    "SCN015": "an address that no instance can have",
    "SCN016": "a port or a range of ports that does not exist",
    "SCN017": "an address outside its network",
    "SCN018": "an address twice in one network",
    "SCN019": "a MAC address twice in one network",
    "SCN020": "prefixes of one network overlap",
    "SCN021": "a VNI that does not exist",
    "SCN022": "two networks with one VNI",
    # references
    "SCN023": "an unknown network",
    "SCN024": "an unknown hypervisor",
    "SCN025": "an unknown security group",
    "SCN026": "an unknown site",
    "SCN027": "an unknown port",
    "SCN046": "an unknown tenant",
    # the underlay
    "SCN028": "a hypervisor in two places",
    "SCN029": "a link from a thing to itself",
    "SCN030": "a link twice",
    "SCN031": "one name for a site and a hypervisor",
    "SCN032": "a delay, rate, loss, jitter or queue that cannot be read",
    "SCN033": "an MTU that leaves too little inside",
    "SCN060": "a jitter beyond its delay, or a queue without a rate",
    # rules
    "SCN034": "ports on a protocol that has none",
    "SCN035": "types on a protocol that is not icmp",
    "SCN036": "an ICMP type that does not exist",
    "SCN037": "an ICMP rule that can never admit anything",
    "SCN038": "an exception outside its prefix",
    # instances and intents
    "SCN039": "an instance that is neither of one port nor of several",
    "SCN040": "an intent from a thing to itself",
    "SCN041": "an intent that speaks of no packet at all",
    "SCN042": "a group that is named twice for one port",
    "SCN043": "nothing is there: no tenant, or no hypervisor",
    # connected on purpose
    "SCN047": "networks overlap that a router or a peering joins, or joins to a third",
    "SCN048": "a gateway address that a port or another router has",
    "SCN049": "an address that no gateway can have",
    "SCN050": "two gateway addresses of one family, of one router in one network",
    "SCN051": "a router that is in no network",
    "SCN052": "a router in another tenant's network",
    "SCN053": "a router's MAC address is somebody else's too",
    "SCN054": "a peering of a network that has no router",
    "SCN055": "two networks are joined twice",
    "SCN056": "joined, but with no address family in common",
    "SCN057": "a hypervisor is dedicated twice",
    "SCN058": "somebody else's instance on a dedicated hypervisor",
    "SCN059": "approved by a tenant that owns neither network",
    # files
    "SCN044": "an unknown scenario",
    "SCN045": "a file that cannot be read",
}

"""Settings that no entry shows are compared with what was built; each alteration knows how it is undone."""

import json

import pytest

from sdn_lab.backends.mininet.settings import QUERY, altered, read, row_of

BUILT = {
    "br-int": {"other_config": {"disable-in-band": "true", "datapath-id": "01"}},
    "tun": {"type": "vxlan", "options": {"remote_ip": "flow", "key": "flow"}},
}
OURS = "ssl:172.30.0.1:6653"


def database(**changes):
    """The answer to the query, as Open vSwitch 3.1.0 gives it; *changes* by ``<name>_<column>``."""
    none, empty = ["set", []], ["map", []]
    rows = {
        "bridge": [
            {
                "name": "br-int",
                "ports": ["set", [["uuid", "1"], ["uuid", "2"], ["uuid", "3"]]],
                "controller": ["uuid", "c1"],
                "fail_mode": "secure",
                **dict.fromkeys(("mirrors", "sflow", "netflow", "ipfix"), none),
                "other_config": ["map", [["datapath-id", "01"], ["disable-in-band", "true"]]],
                "protocols": "OpenFlow13",
                "stp_enable": False,
                "rstp_enable": False,
            }
        ],
        "port": [
            {
                "_uuid": ["uuid", number],
                "name": name,
                "tag": none,
                "trunks": none,
                "vlan_mode": none,
                "qos": none,
            }
            for number, name in (("1", "br-int"), ("2", "tun"), ("3", "p100"), ("9", "p200"))
        ],
        "interface": [
            {"name": name, "type": kind, "options": options, "ingress_policing_rate": 0}
            for name, kind, options in (
                ("br-int", "internal", empty),
                ("tun", "vxlan", ["map", [["key", "flow"], ["remote_ip", "flow"]]]),
                ("p100", "", empty),
                ("p200", "", empty),
            )
        ],
        "controller": [
            {"_uuid": ["uuid", "c1"], "target": OURS},
            {"_uuid": ["uuid", "c2"], "target": "ptcp:6677"},
        ],
    }
    for key, value in changes.items():
        table, name, column = key.split("__")
        [row] = [row for row in rows[table] if row["name"] == name]
        row[column] = value
    return "\n".join(
        json.dumps({"headings": list(table[0]), "data": [list(row.values()) for row in table]})
        for table in rows.values()
    )


def found(**changes):
    return list(altered(read(database(**changes)), "br-int", BUILT, OURS))


def test_what_is_as_built_is_not_altered():
    assert found() == []
    assert row_of(read(database()), "br-int")["fail_mode"] == "secure"


@pytest.mark.parametrize(
    ("changes", "told", "undo"),
    [
        (
            {"interface__tun__options": ["map", [["key", "5"], ["remote_ip", "flow"]]]},
            'interface tun: options={key="5",remote_ip="flow"}',
            ("set", "interface", "tun", 'options={key="flow",remote_ip="flow"}'),
        ),
        (
            {"interface__p100__ingress_policing_rate": 1},
            "interface p100: ingress_policing_rate=1",
            ("set", "interface", "p100", "ingress_policing_rate=0"),
        ),
        ({"port__p100__tag": 7}, "port p100: tag=7", ("set", "port", "p100", "tag=[]")),
        (
            {"bridge__br-int__stp_enable": True},
            "bridge br-int: stp_enable=true",
            ("set", "bridge", "br-int", "stp_enable=false"),
        ),
        (
            {"bridge__br-int__controller": ["set", [["uuid", "c1"], ["uuid", "c2"]]]},
            f'bridge br-int: controller=["ptcp:6677","{OURS}"]',
            ("set-controller", "br-int", OURS),
        ),
        (
            {"bridge__br-int__controller": ["set", []]},
            "bridge br-int: controller=[]",
            ("set-controller", "br-int", OURS),
        ),
        (
            {"bridge__br-int__other_config": ["map", [["datapath-id", "01"]]]},
            'bridge br-int: other_config={datapath-id="01"}',
            ("set", "bridge", "br-int", 'other_config={datapath-id="01",disable-in-band="true"}'),
        ),
    ],
)
def test_an_alteration_is_told_and_undone(changes, told, undo):
    [alteration] = found(**changes)
    assert (alteration.told[0], alteration.undo) == (told, undo)


def test_another_bridges_port_and_a_strangers_are_not_this_ones():
    assert found(port__p200__tag=7) == []


def test_a_bridge_that_was_pointed_at_nobody_has_no_controller():
    [alteration] = altered(read(database()), "br-int", BUILT, None)
    assert alteration.undo == ("del-controller", "br-int")


def test_the_query_lists_every_table_once():
    assert [QUERY[n + 1] for n, word in enumerate(QUERY) if word == "list"] == [
        "bridge",
        "port",
        "interface",
        "controller",
    ]

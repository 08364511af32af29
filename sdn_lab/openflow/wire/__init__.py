"""OpenFlow 1.3 on the wire, from the switch's side: bytes to values and back.

What
----
`oxm` (matches), `action`, `action_write` and `instruction` (what an entry does; `action_...`: each kind),
`request` and `decode` (what a controller sends; `meter`, `port`, `bundle`, `parts` of a request), `reply`,
`stats` and `table_features` (what a switch answers), `frame` (headers and the cutting of a byte stream),
`error` (what is answered to a request that cannot be used).

Where it sits
-------------
Used by:    `sdn_lab.backends.sim`, whose switches talk to a real controller.
Not here:   what a message *does* (`backends.sim`), the controller's side (`openflow.codec`).

Invariants
----------
1.  Strict: every length is checked before it is used, and an element of length zero is an error; so
    decoding ends for any input.  What is not known is refused with the OpenFlow error that a switch owes,
    never skipped.
2.  Our own code, not the controller's library: two independent readings of the specification meet here.

Reference: OpenFlow Switch Specification 1.3.5, section 7; ovs-fields(7), ovs-actions(7), and Open vSwitch's
published Nicira extension headers.
"""

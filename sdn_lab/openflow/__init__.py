"""OpenFlow 1.3, and the Nicira extensions in use, as values and as bytes.

Kept empty on purpose: `verify.symbolic` may import the values (`fields`, `match`, `entry`)
but never `interpret`, and an import made here would join them.
"""

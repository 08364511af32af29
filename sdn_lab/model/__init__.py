"""Values that all stages share.

Reads nothing, writes nothing; imports the standard library only.  Everything here is
frozen: a stage that wants another value makes a new one.
"""

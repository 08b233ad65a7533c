"""What Clarion is about, in plain Python: states, rules and values. Imports the standard library only.

Nothing here reads a clock, a file or a socket. Read `campaign` and `delivery` first, then `outcome`.
"""

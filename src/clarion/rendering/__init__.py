"""From a template and a person to bytes for the wire. Pure CPU: no database, no network, no clock.

Read `plan` first (what is the same for everyone, once per run), then `email` (the MIME skeleton).
"""

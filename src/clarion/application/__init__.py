"""The use cases: what a person or a program may ask of Clarion, one plain async function each.

A use case runs in the caller's transaction and raises only errors of `domain.errors`. It never knows HTTP, SQL or a
provider; what it needs of them are the Protocols in `application.ports`.
"""

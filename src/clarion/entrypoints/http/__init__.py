"""The HTTP edge: statuses, bodies, keys and pages. It holds no business rule; those are use cases in `application`.

Read `app` for how a request travels, `operation` for how a route is declared, then `api/` noun by noun.
"""

"""PostgreSQL: one store a noun with its SQL beside it, the pool, the migrations and the embedded server."""

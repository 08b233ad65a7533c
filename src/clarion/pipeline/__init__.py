"""The send path, one module a stage, in reading order: snapshot, sending, settling, recovering, due.

A stage reads what the stage before it wrote and finds its own work in the database, so any worker may run any stage at
any time, and a crash leaves nothing that the next pass does not pick up. `entrypoints.worker` runs them all.
"""

"""What Alembic reads to write a migration script: the dialect and where the text goes.

It never connects; the package beside it runs the script.
"""

from alembic import context

context.configure(
    dialect_name="postgresql", output_buffer=context.config.output_buffer, transactional_ddl=False, literal_binds=True
)
context.run_migrations()

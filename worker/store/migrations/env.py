"""What Alembic runs for a migration: on the connection, in the transaction, that it was given."""

from alembic import context

from worker.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite can't alter a column: the table is copied instead
    transactional_ddl=True,  # SQLite's too, because the store begins the transaction itself
)
context.run_migrations()

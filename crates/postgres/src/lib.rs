//! A PostgreSQL pool with hygiene: the tenant transaction, migrations, retries.

#!/bin/sh
# Creates or upgrades Temporal's two databases. Run again, it changes nothing.
# The connection comes from SQL_HOST, SQL_PORT, SQL_USER and SQL_PASSWORD.
set -eu

for database in temporal temporal_visibility; do
  folder=${database#temporal_}
  sql() { temporal-sql-tool --plugin postgres12 --db "$database" "$@"; }
  sql create
  # setup-schema fails on a database that has its version table already.
  sql setup-schema -v 0.0 || echo "$database: already set up"
  sql update-schema -d "/etc/temporal/schema/postgresql/v12/$folder/versioned"
done

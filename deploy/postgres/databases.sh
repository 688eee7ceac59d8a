#!/bin/sh
# Creates a database and a role for each of $SERVICES. No role may connect to another
# service's database. $ORDERS_DATABASE_PASSWORD is the password of the role "orders", and so on.
#
# The postgres image runs this once, on an empty volume. Run it again to add
# services or to change passwords:
#   docker compose exec postgres /docker-entrypoint-initdb.d/databases.sh
set -e

for SERVICE in ${SERVICES:?}; do
	variable=$(printf %s "$SERVICE" | tr '[:lower:]' '[:upper:]')_DATABASE_PASSWORD
	PASSWORD=$(printenv "$variable") || { echo "databases.sh: set $variable" >&2; exit 1; }
	export SERVICE PASSWORD
	# Read from the environment, so that no password is on a command line.
	psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<-'SQL'
		\getenv service SERVICE
		\getenv password PASSWORD
		SELECT format('CREATE ROLE %I', :'service')
		WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'service') \gexec
		ALTER ROLE :"service" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
		SELECT format('CREATE DATABASE %I OWNER %I', :'service', :'service')
		WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
		REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
	SQL
done

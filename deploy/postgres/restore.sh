#!/bin/sh
# Restores the dumps of backup.sh into the databases of $SERVICES, which are empty:
#   PGHOST=postgres.example PGPASSWORD=... POSTGRES_USER=postgres \
#     SERVICES="users orders notifications inventory payments" deploy/postgres/restore.sh /backups/2026-12-01
# databases.sh creates the databases. Each database is restored as a whole or not at all, and
# everything in it belongs to the owner of the database.
set -eu

folder=${1:?name the folder that backup.sh has written}
for service in ${SERVICES:?}; do
	[ -f "$folder/$service.dump" ] || { echo "restore.sh: there is no $folder/$service.dump" >&2; exit 1; }
done
for service in $SERVICES; do
	echo "restore.sh: $service" >&2
	owner=$(psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:?}" --dbname "$service" \
		--command "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()")
	pg_restore --exit-on-error --single-transaction --no-owner --no-privileges --role "$owner" \
		--username "$POSTGRES_USER" --dbname "$service" "$folder/$service.dump"
done

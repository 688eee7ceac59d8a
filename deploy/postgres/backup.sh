#!/bin/sh
# Writes a dump of the database of each of $SERVICES into a folder that does not exist yet:
#   PGHOST=postgres.example PGPASSWORD=... POSTGRES_USER=postgres \
#     SERVICES="users orders notifications inventory payments" deploy/postgres/backup.sh /backups/2026-12-01
# Stop the services first, as docs/OPERATIONS.md describes: each dump is of another moment.
set -eu

folder=${1:?name a folder that does not exist}
[ ! -e "$folder" ] || { echo "backup.sh: $folder exists already" >&2; exit 1; }
umask 077
mkdir -p "$folder.partial"
for service in ${SERVICES:?}; do
	echo "backup.sh: $service" >&2
	pg_dump --format=custom --username "${POSTGRES_USER:?}" --dbname "$service" --file "$folder.partial/$service.dump"
done
mv "$folder.partial" "$folder"

#!/bin/sh
# What the entrypoint of the image postgres does, as far as compose.yaml needs it: makes the
# database cluster in an empty volume, runs the scripts of /docker-entrypoint-initdb.d on a
# server without a port, and runs the server as its own user.
set -e
mkdir -p "$PGDATA" /run/postgresql
chown postgres:postgres "$PGDATA" /run/postgresql
chmod 700 "$PGDATA"
as() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	(umask 077 && echo "$POSTGRES_PASSWORD" >/tmp/password && chown postgres /tmp/password)
	as initdb --username "$POSTGRES_USER" --pwfile /tmp/password --auth-host scram-sha-256 --auth-local trust --encoding UTF8
	rm /tmp/password
	echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
	echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
	as pg_ctl --wait -o "-c listen_addresses=''" start
	for script in /docker-entrypoint-initdb.d/*.sh; do
		PGHOST=/run/postgresql PGUSER=$POSTGRES_USER sh "$script"
	done
	as pg_ctl --wait --mode fast stop
fi
exec setpriv --reuid=postgres --regid=postgres --clear-groups "$@" -c unix_socket_directories=/run/postgresql

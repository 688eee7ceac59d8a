#!/bin/sh
# Runs a command, unless this is production and the environment contains a password of
# this repository. It runs before the entrypoint of a server's image, which would store
# the password in an empty volume permanently.
set -e

if [ "$TROUPE_ENV" = production ]; then
	known=$(env | sed -n 's/^\([A-Z_]*_PASSWORD\)=.*development-only$/\1/p' | sort | tr '\n' ' ')
	if [ -n "$known" ]; then
		echo "The passwords in ${known% } are published with this project: choose your own for production in .env; see deploy/README.md" >&2
		exit 1
	fi
fi
exec "$@"

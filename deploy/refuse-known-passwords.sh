#!/bin/sh
# Runs a command, unless this is production and the environment holds a password
# that stands in this repository. It comes before the entrypoint of a server's
# image, which would write the password into an empty volume, for good.
set -e

if [ "$TROUPE_ENV" = production ]; then
	# What RabbitMQ's image calls RABBITMQ_DEFAULT_PASS is RABBITMQ_PASSWORD in .env.
	known=$(env | sed -n 's/_DEFAULT_PASS=/_PASSWORD=/; s/^\([A-Z_]*_PASSWORD\)=.*development-only$/\1/p' | sort | tr '\n' ' ')
	if [ -n "$known" ]; then
		echo "Everybody knows the passwords in ${known% }: choose your own for production, in .env, as deploy/README.md says" >&2
		exit 1
	fi
fi
exec "$@"

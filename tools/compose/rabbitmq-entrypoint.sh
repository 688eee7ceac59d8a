#!/bin/sh
# What the entrypoint of the image rabbitmq does, as far as compose.yaml needs it: gives the
# volume to the server's user and runs the server as that user.
set -e
chown -R rabbitmq:rabbitmq /var/lib/rabbitmq /var/log/rabbitmq
export HOME=/var/lib/rabbitmq RABBITMQ_LOGS=- RABBITMQ_CONFIG_FILES=/etc/rabbitmq/conf.d
exec setpriv --reuid=rabbitmq --regid=rabbitmq --clear-groups "$@"

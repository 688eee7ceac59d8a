#!/bin/sh
# Prints definitions.json with the passwords from the environment: $ORDERS_RABBITMQ_PASSWORD
# is the password of the user "orders", and so on. With a command as arguments it writes
# the file that definitions.conf names instead, and runs the command.
set -e

fill() {
	awk 'match($0, /"\$[A-Z_]+"/) {
		name = substr($0, RSTART + 2, RLENGTH - 3)
		value = ENVIRON[name]
		if (value == "" || value ~ /["\\]/ || value ~ /[[:cntrl:]]/) {
			print "definitions.sh: set " name ", to a password without quotes, backslashes and control characters" > "/dev/stderr"
			exit 1
		}
		$0 = substr($0, 1, RSTART) value substr($0, RSTART + RLENGTH - 1)
	}
	{ print }' "$(dirname "$0")/definitions.json"
}

[ $# -gt 0 ] || { fill; exit; }
file=${DEFINITIONS_FILE:-/var/lib/rabbitmq/definitions.json}
(umask 077 && fill >"$file")
exec "$@"

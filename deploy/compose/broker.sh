#!/bin/sh
# Writes Mosquitto's config and access list and the users of the services; users that were added by hand stay.
# With a user's name it adds that one and prints its password.
set -eu
folder=${WATTLINE_BROKER_FOLDER:-/mosquitto/wattline}
if [ $# -gt 0 ]; then
    exec wattline broker add-user --folder "$folder" "$@"
fi
wattline broker config --folder "$folder" >/dev/null
user() {
    printf '%s' "$2" | wattline broker add-user --folder "$folder" --password-file /dev/stdin "$1"
}
user ingestor "$WATTLINE_INGESTOR_BROKER_PASSWORD"
user gateway "$WATTLINE_GATEWAY_BROKER_PASSWORD"
user monitor "$WATTLINE_MONITOR_BROKER_PASSWORD"

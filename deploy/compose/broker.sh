#!/bin/sh
# Makes the platform's authority, the broker's certificate by it, Mosquitto's config and rights and the users of the
# services; an authority that is there and users that were added by hand stay.
# With a user's name it lets that one in and prints the password. Where the broker runs, it is told and not restarted.
set -eu
folder=${WATTLINE_BROKER_FOLDER:-/mosquitto/wattline}
authority=${WATTLINE_AUTHORITY_FOLDER:-/authority/ca}
trust=${WATTLINE_TRUST_FOLDER:-/trust}
address=${WATTLINE_BROKER_ADDRESS:-broker:1884}
user() {
    wattline broker add-user --folder "$folder" --address "$address" "$@"
}
if [ $# -gt 0 ]; then
    user "$@"
    exit
fi

# the authority is the gateway's, which signs by it; what others trust of it is public
wattline ca init --folder "$authority" >/dev/null
chown -R "$WATTLINE_AUTHORITY_OWNER" "$(dirname "$authority")"
install -m 644 "$authority/root.pem" "$trust/root.pem"

# by it gateway and worker seal and open keys of meters; one that is there stays
keys=${WATTLINE_KEYS_FOLDER:-/keys}
[ -e "$keys/meter-keys" ] || wattline master-key make --file "$keys/meter-keys" >/dev/null
chown -R "$WATTLINE_AUTHORITY_OWNER" "$keys"

config() {
    wattline broker config --folder "$folder" --address "$address" --services-port 1884 \
        --plugin "${WATTLINE_BROKER_PLUGIN:-/usr/lib/mosquitto_dynamic_security.so}" "$@" >/dev/null
}
# gives the folder to Mosquitto's account, before there is anything else in it
[ -e "$folder/mosquitto.conf" ] || config --host 127.0.0.1
owner=$(stat -c %u:%g "$folder")
set -- --name broker --name localhost --name 127.0.0.1
for name in $(printf '%s' "$WATTLINE_NAMES" | tr ',' ' '); do
    set -- "$@" --name "$name"
done
# made anew with each `up`: Mosquitto takes it at its next start, and what it has is good for years
wattline ca server-certificate --folder "$authority" "$@" --days 1825 --to "$folder" >/dev/null
install -m 644 "$authority/chain.pem" "$authority/root.pem" "$folder"
(cd "$folder" && chown "$owner" broker.pem broker.key chain.pem root.pem)
config --services-host 0.0.0.0 --password-port 8884 \
    --certificate "$folder/broker.pem" --key "$folder/broker.key" --authority "$folder/chain.pem"

service() {
    printf '%s' "$2" | user --password-file /dev/stdin "$1"
}
service ingestor "$WATTLINE_INGESTOR_BROKER_PASSWORD"
service gateway "$WATTLINE_GATEWAY_BROKER_PASSWORD"
service bridge "$WATTLINE_BRIDGE_BROKER_PASSWORD"
service monitor "$WATTLINE_MONITOR_BROKER_PASSWORD"
# What mosquitto_sub reads in the broker's health check: a password among its arguments would be seen by all.
options=$folder/mosquitto_sub
(umask 077 && printf -- '-u monitor\n-P %s\n' "$WATTLINE_MONITOR_BROKER_PASSWORD" >"$options.growing")
chown "$owner" "$options.growing"
mv "$options.growing" "$options"

#!/bin/sh
# Makes the platform's authority, the broker's certificate by it, the services' authority and certificates, Mosquitto's
# config and rights and the logins of the services; authorities that are there and users that were added by hand stay.
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

# another root, for services alone: where it is asked for, no device's certificate lets anybody in
services=${WATTLINE_SERVICES_FOLDER:-/services/ca}
wattline ca init --folder "$services" --organisation "Wattline services" >/dev/null

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
install -m 644 "$services/root.pem" "$folder/services.pem"
chown "$owner" "$folder/services.pem"
chown -R "$WATTLINE_AUTHORITY_OWNER" "$WATTLINE_INGESTOR_LOGIN_FOLDER" "$WATTLINE_GATEWAY_LOGIN_FOLDER" \
    "$WATTLINE_BRIDGE_LOGIN_FOLDER" ${WATTLINE_OUTLET_LOGIN_FOLDER:+"$WATTLINE_OUTLET_LOGIN_FOLDER"}
sh "$(dirname "$0")/certificates.sh" >/dev/null
config --services-host 0.0.0.0 --services-authority "$folder/services.pem" --password-port 8884 \
    --certificate "$folder/broker.pem" --key "$folder/broker.key" --authority "$folder/chain.pem"

for service in ingestor gateway monitor bridge ${WATTLINE_OUTLET_LOGIN_FOLDER:+outlet}; do
    user --by-certificate "$service"
done
# of before services had certificates
rm -f "$folder/mosquitto_sub"

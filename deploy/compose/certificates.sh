#!/bin/sh
# Makes the certificates by which services log in at the broker: those that are missing, or near their end (90 days, of
# which 30 are left). With `keep` it looks every day, for ever. Services read theirs anew with each connection.
set -eu
services=${WATTLINE_SERVICES_FOLDER:-/services/ca}

due() {
    wattline ca service-certificate --if-due --folder "$services" --name "$1" --to "$2"
}
all() {
    # of `wattline broker` itself, and of the broker's health check
    due wattline-admin "$WATTLINE_BROKER_FOLDER"
    due monitor "$WATTLINE_BROKER_FOLDER"
    due ingestor "$WATTLINE_INGESTOR_LOGIN_FOLDER"
    due gateway "$WATTLINE_GATEWAY_LOGIN_FOLDER"
    due bridge "$WATTLINE_BRIDGE_LOGIN_FOLDER"
    # where deploy/compose/outlet.yaml lies over compose.yaml
    [ -z "${WATTLINE_OUTLET_LOGIN_FOLDER:-}" ] || due outlet "$WATTLINE_OUTLET_LOGIN_FOLDER"
    # what the health check looks at
    touch "$services.looked"
}
all
while [ "${1:-}" = keep ]; do
    sleep 86400
    all
done

#!/bin/sh
# Makes the certificates by which services log in at the broker, and the authority for them alone where there is none.
# Those that near their end (90 days, of which 30 are left) are made anew, and the services that run are started with
# them: wattline-certificates.timer has it done every day. sh certificates.sh FOLDER FOLDER-OF-THE-BROKER
set -eu
umask 077
folder=${1:?say which folder}
broker=${2:?say which folder is that of the broker}

due() {
    wattline ca service-certificate --if-due --folder "$folder/services-ca" --name "$1" --to "$2"
}

if [ ! -e "$folder/services-ca/chain.pem" ]; then
    wattline ca init --folder "$folder/services-ca" --organisation "Wattline services"
    chmod -R go= "$folder/services-ca"
fi
# by it `wattline broker` itself reaches the broker
due wattline-admin "$broker"
for service in ingestor gateway bridge outlet; do
    made=$(due "$service" "$folder")
    [ -z "$made" ] && continue
    echo "$made"
    # what systemd hands to a service is a copy
    if systemctl is-active --quiet "wattline-$service"; then
        systemctl restart "wattline-$service"
    fi
done

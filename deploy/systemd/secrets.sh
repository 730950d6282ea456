#!/bin/sh
# Writes what the units of this folder read, each with a random secret: ingestor.env, worker.env, gateway.env, intake.env,
# bridge.env, outlet.env, backup.env, and roles.env with the passwords of the database's roles; meter-keys, a master key.
# Files that are there stay as they are, but that roles.env gets the password of a role that it lacks.
# sh secrets.sh FOLDER [DATABASE], the database as host:port/name
set -eu
umask 077
database=${2:-127.0.0.1:5432/wattline}
mkdir -p "${1:?say which folder}"
cd "$1"

secret() {
    od -An -v -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# fresh FILE: what comes in becomes the file, unless there is one
fresh() {
    if [ -e "$1" ]; then
        cat >/dev/null
        echo "$(pwd)/$1 is there already and stays as it is"
    else
        cat >".$1.growing"
        mv ".$1.growing" "$1"
        echo "wrote $(pwd)/$1"
    fi
}

fresh roles.env <<EOF
WATTLINE_INGESTOR_DB_PASSWORD=$(secret)
WATTLINE_GATEWAY_DB_PASSWORD=$(secret)
WATTLINE_GRAFANA_DB_PASSWORD=$(secret)
WATTLINE_INTAKE_DB_PASSWORD=$(secret)
EOF
grep -q '^WATTLINE_INTAKE_DB_PASSWORD=' roles.env || echo "WATTLINE_INTAKE_DB_PASSWORD=$(secret)" >>roles.env
grep -q '^WATTLINE_OUTLET_DB_PASSWORD=' roles.env || echo "WATTLINE_OUTLET_DB_PASSWORD=$(secret)" >>roles.env
. ./roles.env
# the master key by which keys of meters are sealed: 32 octets
fresh meter-keys <<EOF
$(od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n')
EOF
fresh ingestor.env <<EOF
WATTLINE_INGESTOR_DATABASE_DSN=postgresql://wattline_ingestor:$WATTLINE_INGESTOR_DB_PASSWORD@$database
WATTLINE_INGESTOR_BROKER__HOST=127.0.0.1
WATTLINE_INGESTOR_BROKER__PORT=1884
EOF
fresh worker.env <<EOF
WATTLINE_WORKER_DATABASE_DSN=postgresql://wattline_ingestor:$WATTLINE_INGESTOR_DB_PASSWORD@$database
EOF
fresh backup.env <<EOF
WATTLINE_WORKER_DATABASE_DSN=postgresql://wattline_ingestor:$WATTLINE_INGESTOR_DB_PASSWORD@$database
WATTLINE_WORKER_BACKUP_ONLY=true
WATTLINE_WORKER_BACKUP_FOLDER=/var/backups/wattline
WATTLINE_WORKER_HTTP_PORT=8090
EOF
fresh intake.env <<EOF
WATTLINE_INTAKE_DATABASE_DSN=postgresql://wattline_intake:$WATTLINE_INTAKE_DB_PASSWORD@$database
EOF
fresh outlet.env <<EOF
WATTLINE_OUTLET_DATABASE_DSN=postgresql://wattline_outlet:$WATTLINE_OUTLET_DB_PASSWORD@$database
WATTLINE_OUTLET_BROKER__HOST=127.0.0.1
WATTLINE_OUTLET_BROKER__PORT=1884
EOF
fresh bridge.env <<EOF
WATTLINE_BRIDGE_DATABASE_DSN=postgresql://wattline_intake:$WATTLINE_INTAKE_DB_PASSWORD@$database
WATTLINE_BRIDGE_BROKER__HOST=127.0.0.1
WATTLINE_BRIDGE_BROKER__PORT=1884
EOF
fresh gateway.env <<EOF
WATTLINE_GATEWAY_DATABASE_DSN=postgresql://wattline_gateway:$WATTLINE_GATEWAY_DB_PASSWORD@$database
WATTLINE_GATEWAY_BROKER__HOST=127.0.0.1
WATTLINE_GATEWAY_BROKER__PORT=1884
WATTLINE_GATEWAY_API_TOKEN=$(secret)
WATTLINE_GATEWAY_CA__FOLDER=/var/lib/wattline-gateway/ca
EOF

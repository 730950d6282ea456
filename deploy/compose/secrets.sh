#!/bin/sh
# Writes deploy/.env from .env.example with a random secret in each empty place, and this machine's names; one that is
# there stays.
set -eu
umask 077
cd "${1:-$(dirname "$0")/..}"
if [ -e .env ]; then
    echo "$(pwd)/.env is there already and stays as it is"
    exit 0
fi
growing=$(mktemp .env.XXXXXX)
trap 'rm -f "$growing"' EXIT
while IFS= read -r line; do
    case $line in
    '#'*) ;;
    WATTLINE_NAMES=*)
        for name in $(hostname 2>/dev/null) $(hostname -f 2>/dev/null) $(hostname -I 2>/dev/null); do
            case ,${line#*=}, in *",$name,"*) ;; *) line=$line,$name ;; esac
        done
        ;;
    *=) line=$line$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n') ;;
    esac
    printf '%s\n' "$line"
done <.env.example >"$growing"
mv "$growing" .env
echo "wrote $(pwd)/.env: keep it, nobody else knows these secrets"

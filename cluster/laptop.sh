#!/bin/sh
# A Ray that stays running on this machine. Its dashboard listens on the loopback alone; Ray itself listens on the
# machine's own address (it takes no other for a cluster) and asks for the token.
# cluster/laptop.sh start, then `address: auto` in params.yaml; cluster/laptop.sh stop.
set -eu
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH"
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
case "${1:-}" in
start)
    (umask 077 && ray get-auth-token --generate >/dev/null) # into ~/.ray/auth_token, if there is none
    ray start --head --dashboard-host 127.0.0.1
    ;;
stop) ray stop ;;
*)
    echo "usage: cluster/laptop.sh start | stop" >&2
    exit 2
    ;;
esac

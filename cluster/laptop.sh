#!/bin/sh
# A Ray that stays running on this machine, with its dashboard, reachable from this machine alone:
# cluster/laptop.sh start, then `address: auto` in params.yaml; cluster/laptop.sh stop.
set -eu
export PATH="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin:$PATH"
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
case "${1:-}" in
start)
    ray get-auth-token --generate >/dev/null # into ~/.ray/auth_token, if there is none
    ray start --head --node-ip-address 127.0.0.1 --dashboard-host 127.0.0.1
    ;;
stop) ray stop ;;
*)
    echo "usage: cluster/laptop.sh start | stop" >&2
    exit 2
    ;;
esac

#!/bin/sh
# A gate for any CI: starts the endpoints, waits until they answer, plays a training step against them, and
# leaves the report in the folder preflight/. The exit code is the run's.
#
#   preflight.sh "python serve.py --port 8000" http://127.0.0.1:8000/ job.json --gate "tools.p99 < 2s"
set -eu

start=$1
url=$2
shift 2

sh -c "exec $start" > endpoints.log 2>&1 &
endpoints=$!
trap 'kill "$endpoints" 2> /dev/null || true' EXIT

seconds=0
until curl --silent --max-time 5 --output /dev/null "$url"; do
  seconds=$((seconds + 1))
  if [ "$seconds" -gt 60 ] || ! kill -0 "$endpoints" 2> /dev/null; then
    echo "the endpoints did not come up; endpoints.log says why" >&2
    exit 2
  fi
  sleep 1
done

rft-preflight --no-color run "$@" --yes --out preflight
